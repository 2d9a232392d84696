// What commands that simulate many clusters share: threads or MPI ranks that run them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "analysis/study/crew.h"
#include "traces/program/command.h"

namespace scsim::program {

// --threads; the value outlives it.
Argument threads_argument(std::optional<std::int64_t>& threads);
// Calls `lead` with a crew of so many threads, the cores unless given; on ranks behind the first
// only helps.
ExitCode with_crew(const std::optional<std::int64_t>& threads,
                   const std::function<ExitCode(analysis::Crew&, analysis::Workloads&)>& lead);

}  // namespace scsim::program
