#include "sim/main/with_crew.h"

#include <algorithm>
#include <thread>

namespace scsim::program {

Argument threads_argument(std::optional<std::int64_t>& threads) {
  return {.name = "--threads",
          .value_name = "N",
          .into = &threads,
          .sentence = "runs at a time; the cores unless given; under mpirun one on each rank",
          .min = 1};
}

ExitCode with_crew(const std::optional<std::int64_t>& threads,
                   const std::function<ExitCode(analysis::Crew&, analysis::Workloads&)>& lead) {
  constexpr std::uint64_t kTraceBytes = std::uint64_t{1} << 30;  // held parsed, for all threads
  const auto ranks = analysis::Ranks::join();
  if (!ranks) return fail(ranks.error());
  analysis::Workloads workloads(kTraceBytes);
  analysis::Crew crew(
      **ranks,
      static_cast<int>(threads.value_or(std::max(std::thread::hardware_concurrency(), 1U))),
      workloads);
  if (!crew.helps()) return lead(crew, workloads);
  crew.help();
  return ExitCode::kOk;
}

}  // namespace scsim::program
