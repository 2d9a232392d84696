#include "analysis/summary.h"

#include <algorithm>

#include "analysis/summary_parts.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr double kManyLeftOut = 0.01;

// What this summary adds to the honesty of its result.
void add_honesty(Summary& summary) {
  const auto add = [&](const std::string& line) { summary.honesty.push_back(line); };
  const bool accuracy_is_said = std::ranges::any_of(
      summary.honesty, [](const std::string& line) { return line.starts_with("accuracy"); });
  if (!accuracy_is_said)
    add("accuracy unknown: no accuracy was measured for this model and method; counts are answers "
        "within the SLO");
  const GroupSummary& all = summary.all;
  const std::int64_t left_out = all.requests - all.finished();
  if (static_cast<double>(left_out) > kManyLeftOut * static_cast<double>(all.requests))
    add("survivors only: latencies are of finished requests; " + format_integer(left_out) + " of " +
        format_integer(all.requests) + " did not finish, so the true tail is longer");
  if (summary.verdict.load == Load::kOverloaded)
    add("overloaded: waiting times grow with the length of the run; latencies describe this run, "
        "not "
        "the cluster");
  else if (summary.verdict.near_saturation)
    add("near saturation: a change of 1 % in load or speed moves waiting times by far more; point "
        "estimates mean little here");
  if (all.ttft.mean.interval && all.ttft.mean.interval->correlated)
    add("short run: even in 8 batches neighbours resemble each other, so the intervals are too "
        "narrow");
}

}  // namespace

std::optional<bool> Summary::slo_met() const {
  if (all.slo.with_targets == 0) return std::nullopt;
  return std::ranges::all_of(slos, [&](const SloSummary& slo) {
    return !slo.has_targets() || slo.share() >= options.slo_share;
  });
}

Summary summarise(const Result& result, const SummaryOptions& options) {
  Summary summary;
  summary.options = options;
  summary.window = measured_window(result, options.warm_up);
  summary.run_seconds = result.end.seconds().value();
  summary.honesty = result.honesty;
  summarise_groups(result, summary);
  summarise_slos(result, summary);
  summarise_rates(result, summary);
  summarise_engines(result, summary);
  summarise_lifetimes(result, summary);
  summarise_cache_worth(result, summary);
  summarise_money(result, summary);
  summary.fairness = fairness_of(result);
  Costs costs = attribute_costs(result);
  if (costs.has_energy || costs.has_dollars) summary.costs = std::move(costs);
  summary.verdict = judge_load(result, summary);
  summary.bottleneck = find_bottleneck(result, summary);
  summarise_store(result, summary);
  summarise_transfers(result, summary);
  add_honesty(summary);
  return summary;
}

void set_answers(Answers answers, Summary& summary) {
  if (answers.all.requests > 0)
    std::erase_if(summary.honesty, [](const std::string& line) {
      return line.starts_with("accuracy unknown: no accuracy was measured");
    });
  summary.answers = std::move(answers);
}

const std::vector<Definition>& definitions() {
  static const std::vector<Definition> kDefinitions = {
      {"TTFT",
       "time to first token: from the request's arrival at the router to the end of the step that "
       "sampled its first token, host overhead of that step included"},
      {"TPOT",
       "time per output token after the first: (end - first token) / (output tokens - 1); requests "
       "with one output token have none"},
      {"ITL",
       "inter-token latency: the gap between two tokens of one request; over the whole run, "
       "read off bins 6 % wide"},
      {"E2E", "end to end: from arrival at the router to the end of the last token's step"},
      {"finished",
       "latencies are of finished requests; refused, cancelled, timed-out and "
       "unfinished ones are counted and left out"},
      {"window",
       "from the first arrival until 99 of 100 requests have arrived, without the first tenth of "
       "that "
       "time (warm-up); latencies are of requests that arrive in it, rates, utilisation and queues "
       "are of that time; where it is a twentieth of the run or less, nothing is left out"},
      {"±",
       "95 % confidence interval by batch means over requests in order of arrival: 32, 16 or 8 "
       "batches, the most at which neighbouring batches are uncorrelated; a quantile q needs 5 "
       "requests beyond it in every batch, or it has no interval"},
      {"quantile", "linear between the two nearest requests, as numpy's default"},
      {"hit ratio",
       "prompt tokens found in the prefix cache at first admission / prompt tokens of "
       "admitted requests"},
      {"within SLO",
       "finished within every target of its class, of the requests whose class has "
       "targets; a request that did not finish is not within"},
      {"correct answers",
       "expected: over requests within the SLO, the sum of the accuracy measured for their model "
       "and "
       "method at their task, mode, turn and length; per GPU-hour of the window, all GPUs"},
      {"goodput",
       "requests that finish within all targets of their class per second of the window; "
       "classes without targets are not in it"},
      {"tokens/s",
       "prompt tokens, found ones included, spread evenly from admission to first "
       "token; generated tokens from first token to end"},
      {"stages",
       "a request's seconds by what it was waiting for; an engine's by what it did, idle "
       "included: each adds up to the whole"},
      {"utilisation",
       "share of the window in which the engine was in a step; a busy engine can "
       "still have room in its steps"},
      {"cache worth",
       "an estimate: found tokens times the mean generation seconds per computed "
       "prefill token of the same engine, times its GPUs"},
      {"KV used",
       "blocks held by running requests / blocks; cached: free blocks that a later "
       "request can still find"},
      {"lifetime",
       "of a KV block, from the step that filled it to its end; read off bins that "
       "double in width"},
  };
  return kDefinitions;
}

}  // namespace scsim::analysis
