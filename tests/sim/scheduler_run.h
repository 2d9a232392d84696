// A scheduler run over random requests, its steps written down: all at once where it may, or one by
// one with the laws of every step checked; and the same from the slow scheduler in tests/oracle.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tests/oracle/scheduler_oracle.h"
#include "tests/sim/random_scheduling.h"

namespace scsim::test {

inline constexpr std::int64_t kUnseen = -1;
// Without room kept for whole prompts, two requests of one priority can preempt each other for
// ever, in vLLM too; such a run ends here.
inline constexpr std::int64_t kMostSteps = 20'000;

// What one step decided and what had happened by its end; requests by their tags.
struct StepRecord {
  std::int64_t decodes = 0, decode_context = 0, swapped_out = 0, swapped_in = 0;
  std::array<std::int64_t, 2> windowed_context{};
  std::vector<std::tuple<std::uint64_t, std::int64_t, std::int64_t, bool>> prefills;
  struct Admitted {
    std::uint64_t tag;
    std::int64_t found, found_lossy, loaded;
    bool resumed;
    bool operator==(const Admitted&) const = default;
  };
  std::vector<Admitted> admitted;
  std::vector<std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::int64_t>> loads;
  std::vector<std::uint64_t> preempted, abandoned, first_tokens, finished;
  std::int64_t free_blocks = kUnseen;  // after it; not known inside a run of steps
  bool operator==(const StepRecord&) const = default;
};

std::string describe(const StepRecord& record);

using Steps = std::map<std::int64_t, StepRecord>;  // by number; idle ones are absent

struct SchedulerRun {
  Steps steps;
  std::int64_t preemptions = 0, loads = 0, abandoned = 0;
  bool ended = false;  // all requests did, before the last of kMostSteps
};
// The request as the slow scheduler is told of it.
oracle::SchedulerOracle::Spec oracle_spec(const RandomRequest& request, std::uint64_t tag);

SchedulerRun run_scheduler(const RandomScheduling& scheduling, bool many_at_once);
SchedulerRun run_oracle(const RandomScheduling& scheduling);

}  // namespace scsim::test
