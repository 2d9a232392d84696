// Contexts of a wanted length: how many records fit.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "exec/tasks/task.h"
#include "traces/expected.h"

namespace scsim::exec {

struct Fill {
  std::string task;                                        // for the error
  std::string records;                                     // what they are, for the error: "pairs"
  std::int64_t least = 1, available = 0;                   // records; 0: there is no end of them
  std::function<std::string(std::int64_t records)> build;  // the context; longer with each record
};

// The most records whose context has no more than request.tokens tokens. An error if not even the
// least fit, or if all there are leave more than 2 % empty.
// Cost: a few builds and counts, each about as long as the context.
Expected<std::int64_t> fill(const Fill& what, const GenerateRequest& request,
                            const CountTokens& count);

// An order of records of different sizes in which more of them fit: those that fit one after
// another into `room` tokens, the large ones that do not passed over, and then the others.
std::vector<std::size_t> packed_order(std::span<const std::int64_t> sizes, std::int64_t room);

// A session with its names, without context. An error where request.turns or tokens is below 1.
Expected<TaskSession> begin_session(std::string_view task, const GenerateRequest& request);

// "qa_eng needs X, which is not at Y; ..." for material that is not there.
Error missing_material(std::string_view task, std::string_view what, std::string_view remedy);

}  // namespace scsim::exec
