// One engine under the clock, one step at a time, its times added up step by step.
//
// The decisions are the slow scheduler's (scheduler_oracle.h); a step's time is asked for with
// every sequence of it. Arrivals, cancellations and ends of loads that fall into a step are seen at
// its end.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "tests/oracle/scheduler_oracle.h"

namespace scsim::oracle {

struct TimedRequest {
  SchedulerOracle::Spec spec;  // its tag: the place in the list
  std::int64_t arrival_ns = 0;
  std::optional<std::int64_t> cancel_after_ns;
};

struct EngineTimes {
  long double scheduled = -1, end = -1;  // nanoseconds
  std::vector<long double> tokens;       // when each was there
  bool finished = false;                 // else cancelled
  std::int64_t found = 0, loaded = 0, preemptions = 0;
};

struct EngineRun {
  std::vector<EngineTimes> requests;
  std::int64_t steps = 0, prefill_tokens = 0, decode_tokens = 0, loads = 0;
};

// What is loaded, and how long each load takes.
struct TimedLoads {
  struct Load {
    std::int64_t tokens, delay_ns;
    bool lossy;
  };
  SchedulerOracle::Loadable loadable;
  std::function<Load(const SchedulerOracle::Load& begun)> begin;
};

using StepSeconds = std::function<double(const SchedulerOracle::Step& step)>;

// REQUIRES: requests in order of arrival. Nothing after `most_steps`.
std::optional<EngineRun> run_engine(const sim::EngineKnobs& knobs, std::int64_t num_blocks,
                                    std::int64_t max_model_len,
                                    const std::vector<TimedRequest>& requests,
                                    const StepSeconds& seconds, std::int64_t most_steps,
                                    const TimedLoads& loads = {});

}  // namespace scsim::oracle
