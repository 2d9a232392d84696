#include "exec/show/losses.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "exec/show/tables.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr double kLeastScore = 0.5;

using SessionKey = std::tuple<int, int, int, std::int32_t, std::int32_t>;  // task, length, mode,
                                                                           // session, repeat
using BySession = std::map<SessionKey, const SessionSample*>;

// Mean score of the turns from `first` on, up to `end`; absent where none was scored.
std::optional<double> score(const SessionSample& sample, int first, int end) {
  double sum = 0;
  int scored = 0;
  for (const TurnSample& turn : sample.turns) {
    if (!turn.score_strict || turn.turn < first || turn.turn >= end) continue;
    sum += *turn.score_strict;
    ++scored;
  }
  if (scored == 0) return std::nullopt;
  return sum / scored;
}

// Nats per token of these turns' golden answers.
std::optional<double> nll(const SessionSample& sample, int first, int end) {
  double nats = 0, tokens = 0;
  for (const TurnSample& turn : sample.turns) {
    if (!turn.likelihood || turn.turn < first || turn.turn >= end) continue;
    nats += turn.likelihood->nats;
    tokens += static_cast<double>(turn.likelihood->tokens);
  }
  if (tokens <= 0) return std::nullopt;
  return nats / tokens;
}

struct Quarter {
  double nats = 0, tokens = 0;
};

// KL of these turns' long answers in one quarter of each.
Quarter kl_in_quarter(const SessionSample& sample, int quarter) {
  Quarter sum;
  for (const TurnSample& turn : sample.turns) {
    if (!turn.agreement || !turn.agreement->kl_quarters || turn.agreement->tokens < kLongAnswer)
      continue;
    // Token i of n is in quarter 4 i / n, so it begins at the least i with 4 i >= quarter n.
    const auto begin = [&](std::int64_t q) { return (q * turn.agreement->tokens + 3) / 4; };
    sum.nats += (*turn.agreement->kl_quarters)[static_cast<std::size_t>(quarter)];
    sum.tokens += static_cast<double>(begin(quarter + 1) - begin(quarter));
  }
  return sum;
}

struct Work {
  double kv = 0, pairs = 0, reads = 0;
};

Work work(const SessionSample& sample) {
  Work work;
  const auto add = [&](const SampleCost& cost) {
    const auto stage = [&](Stage which) -> const StageCost& {
      return cost.stages[static_cast<std::size_t>(which)];
    };
    work.pairs += static_cast<double>(stage(Stage::kGeneration).attended_pairs);
    work.reads +=
        static_cast<double>(stage(Stage::kLoading).bytes_read + stage(Stage::kLoading).bytes_moved);
  };
  if (sample.context) add(*sample.context);
  for (const TurnSample& turn : sample.turns) add(turn.cost);
  if (!sample.turns.empty()) work.kv = static_cast<double>(sample.turns.back().cost.kv_bytes);
  return work;
}

std::optional<double> share(double part, double whole) {
  if (whole <= 0) return std::nullopt;
  return part / whole;
}

constexpr int kEnd = 1 << 30;  // behind every turn

// `compared`: whose scores say something.
Loss loss_of(const BySession& mine, const BySession& full, const CalibrationDesign& design,
             std::size_t method, const std::set<std::pair<int, int>>& compared) {
  std::vector<double> first, later, alone, change;
  std::vector<SessionSum> nll_first, nll_later, nll_alone, kl_start, kl_end, kl_change;
  Work all, of_full;
  for (const auto& [key, sample] : mine) {
    const auto other = full.find(key);
    if (other == full.end()) continue;
    const auto gain = [&, &sample = sample](int from, int end) -> std::optional<double> {
      const auto a = score(*sample, from, end), b = score(*other->second, from, end);
      return a && b ? std::optional(*a - *b) : std::nullopt;
    };
    const Work a = work(*sample), b = work(*other->second);
    all = {all.kv + a.kv, all.pairs + a.pairs, all.reads + a.reads};
    of_full = {of_full.kv + b.kv, of_full.pairs + b.pairs, of_full.reads + b.reads};
    const bool requests =
        design.modes[static_cast<std::size_t>(std::get<2>(key))] == SessionMode::kMultiRequest;
    const auto add_nll = [&, &sample = sample](int from, int end, std::vector<SessionSum>& to) {
      const auto nats = nll(*sample, from, end), less = nll(*other->second, from, end);
      if (nats && less) to.push_back({*nats - *less, 1, 1});
    };
    if (requests) {
      add_nll(0, kEnd, nll_alone);
    } else {
      add_nll(0, 1, nll_first);
      add_nll(1, kEnd, nll_later);
    }
    const Quarter start = kl_in_quarter(*sample, 0), end = kl_in_quarter(*sample, 3);
    if (start.tokens > 0 && end.tokens > 0) {
      kl_start.push_back({start.nats, start.tokens, 1});
      kl_end.push_back({end.nats, end.tokens, 1});
      kl_change.push_back({end.nats / end.tokens - start.nats / start.tokens, 1, 1});
    }
    if (!compared.contains({std::get<0>(key), std::get<1>(key)})) continue;
    if (requests) {
      if (const auto any = gain(0, kEnd)) alone.push_back(*any);
      continue;
    }
    const auto one = gain(0, 1), others = gain(1, kEnd);
    if (one) first.push_back(*one);
    if (others) later.push_back(*others);
    if (one && others) change.push_back(*others - *one);
  }
  const auto mean = [&](const std::vector<double>& values, double scale,
                        std::string_view purpose) -> std::optional<Mean> {
    if (values.empty()) return std::nullopt;
    return paired_difference(values, scale, Rng(design.seed, purpose, method));
  };
  const auto ratio = [](const std::vector<SessionSum>& sums) -> std::optional<Mean> {
    return sums.empty() ? std::nullopt : std::optional(ratio_mean(sums));
  };
  return {.method = "",
          .first = mean(first, 1, "exec.losses.first"),
          .later = mean(later, 1, "exec.losses.later"),
          .alone = mean(alone, 1, "exec.losses.alone"),
          .later_minus_first = mean(change, 2, "exec.losses.change"),
          .nll_first = ratio(nll_first),
          .nll_later = ratio(nll_later),
          .nll_alone = ratio(nll_alone),
          .kl_start = ratio(kl_start),
          .kl_end = ratio(kl_end),
          .kl_end_minus_start = ratio(kl_change),
          .kv = share(all.kv, of_full.kv),
          .pairs = share(all.pairs, of_full.pairs),
          .reads = share(all.reads, of_full.reads)};
}

std::string signed_text(const std::optional<Mean>& mean) {
  if (!mean) return "-";
  const auto number = [](double value) { return (value >= 0 ? "+" : "") + format_fixed(value, 2); };
  if (!mean->interval) return number(mean->value);
  return number(mean->value) + " [" + number(mean->interval->low) + ", " +
         number(mean->interval->high) + "]";
}

}  // namespace

Losses losses(const Calibration& calibration) {
  const CalibrationDesign& design = calibration.design;
  Losses result;
  const auto found =
      std::ranges::find(design.methods, design.full_method, &CalibrationMethod::name);
  if (found == design.methods.end()) return result;
  const auto full = static_cast<int>(found - design.methods.begin());
  std::map<std::pair<int, int>, std::vector<double>> scores;  // of full attention, task and length
  for (const SessionSample& sample : calibration.sessions) {
    if (sample.key.warm_up || sample.key.method != full) continue;
    const auto all = score(sample, 0, kEnd);
    if (all) scores[{sample.key.task, sample.key.length}].push_back(*all);
  }
  std::set<std::pair<int, int>> compared;
  double sum = 0;
  std::size_t sessions = 0;
  for (const auto& [cell, of] : scores) {
    double total = 0;
    for (const double one : of) total += one;
    const double mean = total / static_cast<double>(of.size());
    const std::string name = design.tasks[static_cast<std::size_t>(cell.first)].name + " at " +
                             format_integer(design.lengths[static_cast<std::size_t>(cell.second)]) +
                             " tokens (" + format_fixed(mean, 2) + ")";
    (mean < kLeastScore ? result.left_out : result.cells).push_back(name);
    if (mean < kLeastScore) continue;
    compared.insert(cell);
    sum += total;
    sessions += of.size();
  }
  if (sessions > 0) result.full = sum / static_cast<double>(sessions);
  std::vector<BySession> by_method(design.methods.size());
  for (const SessionSample& sample : calibration.sessions) {
    const SampleKey& key = sample.key;
    if (key.warm_up) continue;
    by_method[static_cast<std::size_t>(key.method)]
             [{key.task, key.length, key.mode, key.session, key.repeat}] = &sample;
  }
  if (by_method[static_cast<std::size_t>(full)].empty()) return result;
  const std::vector<std::string> labels = method_labels(design);
  for (std::size_t method = 0; method < design.methods.size(); ++method) {
    if (static_cast<int>(method) == full || by_method[method].empty()) continue;
    Loss& loss = result.methods.emplace_back(loss_of(
        by_method[method], by_method[static_cast<std::size_t>(full)], design, method, compared));
    loss.method = labels[method];
  }
  return result;
}

std::string losses_text(const Losses& losses, const Calibration& calibration) {
  if (losses.methods.empty())
    return "nothing to compare: it takes full attention and another method\n";
  const auto list = [](const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  };
  TextTable scores({"method", "first turn", "later turns", "alone"});
  TextTable likelihoods({"method", "first turn", "later turns", "alone"});
  TextTable quarters({"method", "first quarter", "last quarter", "last - first"});
  TextTable costs({"method", "later - first turn", "KV", "pairs", "reads"});
  const auto percent = [](const std::optional<double>& part) {
    return part ? format_percent(*part) : "-";
  };
  for (const Loss& loss : losses.methods) {
    const std::string name = shortened(loss.method, 30);
    scores.add({name, signed_text(loss.first), signed_text(loss.later), signed_text(loss.alone)});
    likelihoods.add({name, signed_text(loss.nll_first), signed_text(loss.nll_later),
                     signed_text(loss.nll_alone)});
    if (loss.kl_start)
      quarters.add({name, signed_text(loss.kl_start), signed_text(loss.kl_end),
                    signed_text(loss.kl_end_minus_start)});
    costs.add({name, signed_text(loss.later_minus_first), percent(loss.kv), percent(loss.pairs),
               percent(loss.reads)});
  }
  const std::string& model = calibration.design.model.name;
  std::string text;
  if (!losses.cells.empty()) {
    text += wrapped("", "Strict score minus full attention's (" + format_fixed(losses.full, 2) +
                            ") on " + model + ": " + list(losses.cells));
    text += scores.text(2);
  }
  text += wrapped("", "Nats per token of the golden answers minus full attention's on " + model +
                          ", all tasks");
  text += likelihoods.text(2);
  if (std::ranges::any_of(losses.methods, [](const Loss& loss) { return !!loss.kl_start; })) {
    text += wrapped("", "KL with full attention in nats per token, as golden answers of " +
                            format_integer(kLongAnswer) + " tokens and more go on");
    text += quarters.text(2);
  }
  text += wrapped("",
                  "What follow-ups add to the score lost; of full attention's: KV held at the end, "
                  "pairs of prefills, bytes that decode reads");
  text += costs.text(2);
  text += wrapped("  ",
                  "first and later turns: multi-turn mode; alone: every question of "
                  "multi-request mode, which has only the context before it; 95 % intervals "
                  "over sessions");
  if (!losses.left_out.empty())
    text += wrapped(
        "  ", "no scores, as full attention answers less than half: " + list(losses.left_out));
  return text;
}

}  // namespace scsim::exec
