#include "tests/oracle/engine_oracle.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace scsim::oracle {

std::optional<EngineRun> run_engine(const sim::EngineKnobs& knobs, std::int64_t num_blocks,
                                    std::int64_t max_model_len,
                                    const std::vector<TimedRequest>& requests,
                                    const StepSeconds& seconds, std::int64_t most_steps,
                                    const TimedLoads& loads) {
  SchedulerOracle scheduler(knobs, num_blocks, max_model_len, loads.loadable);
  struct UnderWay {
    std::uint64_t tag;
    long double due;
    TimedLoads::Load load;
  };
  std::vector<UnderWay> loading;
  EngineRun run;
  run.requests.resize(requests.size());
  std::size_t arrived = 0;
  long double now = 0;
  std::int64_t swapped_out = 0;  // by plans that only preempted
  while (run.steps < most_steps) {
    for (; arrived < requests.size() && requests[arrived].arrival_ns <= now; ++arrived)
      scheduler.add(requests[arrived].spec);
    for (std::size_t i = 0; i < arrived; ++i) {
      const TimedRequest& request = requests[i];
      if (run.requests[i].end >= 0 || !request.cancel_after_ns) continue;
      if (request.arrival_ns + *request.cancel_after_ns > now) continue;
      scheduler.cancel(i);
      run.requests[i].end = now;
      std::erase_if(loading, [&](const UnderWay& load) { return load.tag == i; });
    }
    std::ranges::sort(loading, {}, &UnderWay::due);
    for (; !loading.empty() && loading.front().due <= now; loading.erase(loading.begin()))
      scheduler.loaded(loading.front().tag, loading.front().load.tokens,
                       loading.front().load.lossy);

    SchedulerOracle::Step step = scheduler.plan();
    step.swapped_out += std::exchange(swapped_out, 0);
    for (const std::uint64_t tag : step.preempted) ++run.requests[tag].preemptions;
    for (const SchedulerOracle::Load& begun : step.loads) {
      const TimedLoads::Load load = loads.begin(begun);
      loading.push_back({begun.tag, now + static_cast<long double>(load.delay_ns), load});
      ++run.loads;
    }
    if (step.computed.empty()) {
      if (!step.preempted.empty()) {
        swapped_out = step.swapped_out;  // its time is that of the step to come
        continue;
      }
      // Nothing until somebody arrives, gives up or has been loaded.
      long double next = std::numeric_limits<long double>::infinity();
      if (arrived < requests.size()) next = requests[arrived].arrival_ns;
      for (const UnderWay& load : loading) next = std::min(next, load.due);
      for (std::size_t i = 0; i < arrived; ++i) {
        const TimedRequest& request = requests[i];
        if (run.requests[i].end < 0 && request.cancel_after_ns)
          next = std::min<long double>(next, request.arrival_ns + *request.cancel_after_ns);
      }
      if (next == std::numeric_limits<long double>::infinity()) return run;
      now = next;
      continue;
    }
    for (const SchedulerOracle::Admitted& admitted : step.admitted) {
      if (admitted.resumed) continue;
      run.requests[admitted.tag].scheduled = now;
      run.requests[admitted.tag].found = admitted.found;
      run.requests[admitted.tag].loaded = admitted.loaded;
    }
    now += static_cast<long double>(seconds(step)) * 1e9L;
    ++run.steps;
    for (const SchedulerOracle::Computed& part : step.computed) {
      (part.decode ? run.decode_tokens : run.prefill_tokens) += part.fresh;
      if (part.samples) run.requests[part.tag].tokens.push_back(now);
    }
    for (const std::uint64_t tag : scheduler.complete(step).finished) {
      run.requests[tag].finished = true;
      run.requests[tag].end = now;
    }
  }
  return std::nullopt;
}

}  // namespace scsim::oracle
