#include "analysis/validation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "analysis/cluster_timeline.h"
#include "analysis/request_times.h"
#include "traces/check.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

using Unit = ValidatedQuantity::Unit;
using OfRequest = std::function<std::optional<double>(const RequestResult&)>;
constexpr double kSpreads = 1.5;      // of repeated real runs, that an error may be
constexpr std::size_t kPoints = 100;  // at which occupancy is compared

Expected<Matched> match(const std::vector<const Result*>& runs, std::int64_t& left_out) {
  std::map<std::uint64_t, std::vector<const RequestResult*>> by_place;
  for (std::size_t run = 0; run < runs.size(); ++run) {
    for (const RequestResult& request : runs[run]->requests) {
      std::vector<const RequestResult*>& matched = by_place[request.request];
      if (matched.size() != run)
        return Error{"request " + std::to_string(request.request) +
                     " is not in every run; they are not of the same trace"};
      matched.push_back(&request);
      const RequestResult& first = *matched.front();
      if (request.prompt_tokens != first.prompt_tokens || request.session != first.session ||
          request.turn != first.turn)
        return Error{"request " + std::to_string(request.request) + " has " +
                     format_integer(first.prompt_tokens) + " prompt tokens in one run and " +
                     format_integer(request.prompt_tokens) +
                     " in another, or another session or turn; they are not of the same trace"};
    }
  }
  Matched matched;
  for (const auto& [place, requests] : by_place) {
    if (requests.size() != runs.size())
      return Error{"request " + std::to_string(place) +
                   " is not in every run; they are not of the same trace"};
    const bool all = std::ranges::all_of(requests, [](const auto* r) { return finished(*r); });
    if (all) matched.push_back(requests);
    left_out += all ? 0 : 1;
  }
  return matched;
}

std::vector<double> values(const Matched& matched, std::size_t run, const OfRequest& of) {
  std::vector<double> result;
  for (const auto& requests : matched)
    if (const auto value = of(*requests[run])) result.push_back(*value);
  return result;
}

double median(std::vector<double> of) { return quantile(of, 0.5); }

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mean_x += x[i] / n, mean_y += y[i] / n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx, yy += dy * dy, xy += dx * dy;
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

class Validator {
 public:
  // Run 0 is the simulated one.
  Validator(const std::vector<const Result*>& runs, const Matched& matched, Validation& into)
      : runs_(runs), matched_(matched), into_(into) {}

  void latency(const std::string& name, const OfRequest& of, std::optional<double> mean_bar,
               std::optional<double> p50_bar, std::optional<double> p90_bar) {
    if (values(matched_, 0, of).empty()) return;
    const auto at = [&](double q) {
      return [this, of, q](std::size_t run) {
        std::vector<double> all = values(matched_, run, of);
        return quantile(all, q);
      };
    };
    add(
        name + " mean", Unit::kSeconds,
        [&](std::size_t run) {
          const std::vector<double> all = values(matched_, run, of);
          double sum = 0;
          for (const double value : all) sum += value;
          return sum / static_cast<double>(all.size());
        },
        mean_bar);
    add(name + " p50", Unit::kSeconds, at(0.5), p50_bar);
    add(name + " p90", Unit::kSeconds, at(0.9), p90_bar);
    add(name + " p99", Unit::kSeconds, at(0.99), std::nullopt);
    by_request(name, of);
  }

  void add(const std::string& name, Unit unit, const std::function<double(std::size_t)>& of,
           std::optional<double> bar = std::nullopt) {
    ValidatedQuantity quantity{.name = name, .unit = unit, .simulated = of(0)};
    std::vector<double> real;
    for (std::size_t run = 1; run < runs_.size(); ++run) real.push_back(of(run));
    quantity.real = median(real);
    const auto difference = [&](double value) {
      if (unit == Unit::kShare) return value - quantity.real;
      if (quantity.real == 0) return value == 0 ? 0.0 : value > 0 ? 1.0 : -1.0;
      return (value - quantity.real) / quantity.real;
    };
    quantity.error = difference(quantity.simulated);
    if (real.size() > 1) {
      quantity.spread = 0;
      for (const double value : real)
        quantity.spread = std::max(*quantity.spread, std::abs(difference(value)));
    }
    if (bar) quantity.bar = std::max(*bar, kSpreads * quantity.spread.value_or(0));
    into_.quantities.push_back(std::move(quantity));
  }

  // Mean over time of a series of all engines.
  void occupancy(const std::string& name, Unit unit, Band ClusterTimeline::*series) {
    std::vector<ClusterTimeline> timelines;
    for (const Result* run : runs_) timelines.push_back(cluster_timeline(*run, kPoints));
    for (const ClusterTimeline& timeline : timelines)
      if ((timeline.*series).mean.empty()) return;
    const double end = static_cast<double>(runs_[1]->end.ns()) * 1e-9;
    const auto at = [&](std::size_t run, std::size_t point) {
      const std::vector<double>& mean = (timelines[run].*series).mean;
      const double t = end * (static_cast<double>(point) + 0.5) / static_cast<double>(kPoints);
      const auto i = static_cast<std::size_t>(t / timelines[run].point_seconds);
      return i < mean.size() ? mean[i] : 0.0;
    };
    const auto mean = [&](std::size_t run) {
      double sum = 0;
      for (std::size_t p = 0; p < kPoints; ++p) sum += at(run, p);
      return sum / static_cast<double>(kPoints);
    };
    add(name, unit, mean);
    // How far apart the two are at a moment, on average, beside the first real run.
    const auto apart = [&](std::size_t run) {
      double sum = 0;
      for (std::size_t p = 0; p < kPoints; ++p) sum += std::abs(at(run, p) - at(1, p));
      return sum / static_cast<double>(kPoints);
    };
    ValidatedQuantity over_time{.name = name + ", moment by moment", .unit = unit};
    over_time.real = mean(1);
    over_time.simulated = over_time.real + apart(0);
    const double scale = unit == Unit::kShare || over_time.real == 0 ? 1 : over_time.real;
    over_time.error = apart(0) / scale;
    for (std::size_t run = 2; run < runs_.size(); ++run)
      over_time.spread = std::max(over_time.spread.value_or(0), apart(run) / scale);
    into_.quantities.push_back(std::move(over_time));
  }

  void stages() {
    for (std::size_t s = 0; s < kNumStages; ++s) {
      const auto mean = [&](std::size_t run) {
        double sum = 0;
        for (const auto& requests : matched_)
          sum += 1e-9 * static_cast<double>(requests[run]->stage_ns[s]);
        return matched_.empty() ? 0 : sum / static_cast<double>(matched_.size());
      };
      std::vector<double> real;
      for (std::size_t run = 1; run < runs_.size(); ++run) real.push_back(mean(run));
      into_.stages.push_back({static_cast<Stage>(s), median(real), mean(0)});
    }
    std::ranges::stable_sort(into_.stages, std::ranges::greater{}, [](const ValidatedStage& s) {
      return std::abs(s.simulated - s.real);
    });
  }

 private:
  void by_request(const std::string& name, const OfRequest& of) {
    ValidatedRequests result{.name = name};
    const auto errors_of = [&](std::size_t run, std::size_t against, double& at_50, double& at_90) {
      std::vector<double> errors, x, y;
      for (const auto& requests : matched_) {
        const auto value = of(*requests[run]), truth = of(*requests[against]);
        if (!value || !truth || *truth <= 0) continue;
        errors.push_back(std::abs(*value - *truth) / *truth);
        x.push_back(*value), y.push_back(*truth);
      }
      if (errors.empty()) return;
      result.requests = std::ssize(errors);
      at_50 = quantile(errors, 0.5);
      at_90 = quantile(errors, 0.9);
      if (run == 0) result.correlation = correlation(x, y);
    };
    errors_of(0, 1, result.median, result.p90);
    if (runs_.size() > 2) {
      double at_50 = 0, at_90 = 0;
      errors_of(2, 1, at_50, at_90);
      result.real_median = at_50, result.real_p90 = at_90;
    }
    into_.by_request.push_back(std::move(result));
  }

  const std::vector<const Result*>& runs_;
  const Matched& matched_;
  Validation& into_;
};

// Prompt tokens of all requests that were admitted, and of those the ones found in the engines'
// blocks; both of a run.
double hit_share(const Result& result) {
  double found = 0, prompt = 0;
  for (const RequestResult& request : result.requests) {
    if (!admitted(request)) continue;
    found += static_cast<double>(request.found_tokens);
    prompt += static_cast<double>(request.prompt_tokens);
  }
  return prompt > 0 ? found / prompt : 0;
}

const TierResult* tier_of(const Result& result, const std::string& name) {
  const auto found = std::ranges::find(result.tiers, name, &TierResult::name);
  return found == result.tiers.end() ? nullptr : &*found;
}

}  // namespace

bool ValidatedQuantity::met() const { return !bar || std::abs(error) <= *bar; }

std::optional<bool> Validation::bars_met() const {
  if (saturated) return std::nullopt;
  return std::ranges::all_of(quantities, &ValidatedQuantity::met);
}

Expected<Validation> validate(const Result& simulated, const std::vector<Result>& real) {
  SCSIM_CHECK(!real.empty());
  std::vector<const Result*> runs = {&simulated};
  for (const Result& run : real) runs.push_back(&run);
  Validation result;
  auto matched = match(runs, result.left_out);
  if (!matched) return matched.error();
  if (matched->empty()) return Error{"no request finished in every run"};
  result.requests = std::ssize(*matched);
  result.real_runs = real.size();
  result.simulated_honesty = simulated.honesty;
  for (const Result& run : real) {
    for (const std::string& line : run.honesty)
      if (std::ranges::find(result.real_honesty, line) == result.real_honesty.end())
        result.real_honesty.push_back(line);
  }
  const Verdict verdict = summarise(real.front(), {}).verdict;
  result.load = std::string(kLoadNames[static_cast<std::size_t>(verdict.load)]);
  result.saturated = verdict.load == Load::kOverloaded || verdict.load == Load::kBacklogged;

  Validator validator(runs, *matched, result);
  validator.latency(
      "TTFT", [](const RequestResult& r) { return ttft(r); }, std::nullopt, 0.05, 0.10);
  validator.latency(
      "TPOT", [](const RequestResult& r) { return tpot(r); }, 0.03, 0.03, std::nullopt);
  validator.latency(
      "E2E", [](const RequestResult& r) { return std::optional(e2e(r)); }, 0.05, 0.05,
      std::nullopt);
  const auto of = [&runs](double (*value)(const Result&)) {
    return [&runs, value](std::size_t run) { return value(*runs[run]); };
  };
  // A share is stricter where the real engine repeats it exactly.
  const auto hits = [&](const std::string& name,
                        const std::function<double(const Result&)>& share) {
    const bool repeats_itself = std::ranges::all_of(
        real, [&](const Result& run) { return share(run) == share(real.front()); });
    validator.add(
        name, Unit::kShare, [&](std::size_t run) { return share(*runs[run]); },
        repeats_itself ? 0.001 : 0.01);
  };
  hits("hit tokens, engine", hit_share);
  for (const TierResult& tier : real.front().tiers) {
    hits("hit tokens, " + tier.name, [&](const Result& run) {
      double prompt = 0;
      for (const RequestResult& r : run.requests)
        if (admitted(r)) prompt += static_cast<double>(r.prompt_tokens);
      const TierResult* t = tier_of(run, tier.name);
      return t == nullptr || prompt == 0 ? 0 : static_cast<double>(t->fetched_tokens) / prompt;
    });
    validator.add("bytes fetched, " + tier.name, Unit::kBytes, [&](std::size_t run) {
      const TierResult* t = tier_of(*runs[run], tier.name);
      return t == nullptr ? 0 : static_cast<double>(t->fetched_bytes);
    });
  }
  validator.add("preemptions", Unit::kCount, of([](const Result& run) {
                  double sum = 0;
                  for (const RequestResult& r : run.requests) sum += r.preemptions;
                  return sum;
                }));
  validator.add("engine steps", Unit::kCount, of([](const Result& run) {
                  double sum = 0;
                  for (const EngineResult& e : run.engines) sum += static_cast<double>(e.steps);
                  return sum;
                }));
  validator.add("engines busy", Unit::kSeconds, of([](const Result& run) {
                  double sum = 0;
                  for (const EngineResult& e : run.engines)
                    for (const std::int64_t ns : e.stage_ns) sum += 1e-9 * static_cast<double>(ns);
                  return sum;
                }));
  validator.occupancy("running requests", Unit::kCount, &ClusterTimeline::running);
  validator.occupancy("KV blocks in use", Unit::kShare, &ClusterTimeline::used);
  validator.stages();
  result.paths = validated_paths(runs, *matched);
  if (result.paths.size() < 2) result.paths.clear();
  return result;
}

}  // namespace scsim::analysis
