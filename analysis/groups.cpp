#include <algorithm>

#include "analysis/request_times.h"
#include "analysis/summary_parts.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

// A way to divide requests: all, by tenant, by turn.
struct Grouping {
  std::size_t groups = 1;
  std::size_t (*group_of)(const RequestResult&) = nullptr;
};

std::size_t turn_group(const RequestResult& r) {
  return std::min<std::size_t>(r.turn, Result::kMaxTurnGroup);
}

// One latency of the finished requests in the window: the values of each group one after another,
// in order of arrival.
class GroupedValues {
 public:
  template <class Value>
  void fill(const Result& result, const Window& window, const Grouping& grouping,
            const Value& value_of) {
    begin_.assign(grouping.groups + 1, 0);
    walk(result, window, value_of,
         [&](const RequestResult& r, double) { ++begin_[grouping.group_of(r) + 1]; });
    for (std::size_t g = 0; g < grouping.groups; ++g) begin_[g + 1] += begin_[g];
    values_.resize(begin_.back());
    next_.assign(begin_.begin(), begin_.end() - 1);
    walk(result, window, value_of, [&](const RequestResult& r, double value) {
      values_[next_[grouping.group_of(r)]++] = value;
    });
  }

  Distribution describe_group(std::size_t group) {
    return describe({values_.data() + begin_[group], begin_[group + 1] - begin_[group]}, scratch_);
  }

 private:
  template <class Value, class Visit>
  static void walk(const Result& result, const Window& window, const Value& value_of,
                   const Visit& visit) {
    for (const RequestResult& r : result.requests) {
      if (!finished(r) || !window.measures(r)) continue;
      if (const std::optional<double> value = value_of(r)) visit(r, *value);
    }
  }

  std::vector<double> values_, scratch_;
  std::vector<std::size_t> begin_, next_;
};

void count_request(const Result& result, const RequestResult& r, GroupSummary& group) {
  ++group.requests;
  ++group.outcomes[static_cast<std::size_t>(r.outcome)];
  group.preemptions += r.preemptions;
  group.preempted_requests += r.preemptions > 0 ? 1 : 0;
  group.recomputed_tokens += r.recomputed_tokens;
  if (admitted(r)) {
    group.hits.found_tokens += r.found_tokens;
    group.hits.prompt_tokens += r.prompt_tokens;
  }
  const SloClass& slo = slo_of(result, r);
  if (has_targets(slo)) {
    ++group.slo.with_targets;
    group.slo.within += targets_met(r, slo).all() ? 1 : 0;
  }
  if (finished(r))
    for (std::size_t s = 0; s < kNumStages; ++s)
      group.stage_seconds[s] += static_cast<double>(r.stage_ns[s]) * 1e-9;
}

std::vector<GroupSummary> summarise_grouping(const Result& result, const Window& window,
                                             const Grouping& grouping) {
  std::vector<GroupSummary> groups(grouping.groups);
  for (const RequestResult& r : result.requests)
    if (window.measures(r)) count_request(result, r, groups[grouping.group_of(r)]);
  for (GroupSummary& group : groups)
    for (double& seconds : group.stage_seconds)
      seconds /= static_cast<double>(std::max<std::int64_t>(1, group.finished()));

  GroupedValues values;
  const auto describe_all = [&](const auto& value_of, Distribution GroupSummary::*into) {
    values.fill(result, window, grouping, value_of);
    for (std::size_t g = 0; g < groups.size(); ++g) groups[g].*into = values.describe_group(g);
  };
  describe_all([](const RequestResult& r) { return ttft(r); }, &GroupSummary::ttft);
  describe_all([](const RequestResult& r) { return tpot(r); }, &GroupSummary::tpot);
  describe_all([](const RequestResult& r) { return std::optional(e2e(r)); }, &GroupSummary::e2e);
  return groups;
}

std::string turn_name(std::size_t turn) {
  const std::string number = format_integer(static_cast<std::int64_t>(turn));
  return turn == Result::kMaxTurnGroup ? number + " and later" : number;
}

void drop_empty(std::vector<GroupSummary>& groups) {
  std::erase_if(groups, [](const GroupSummary& group) { return group.requests == 0; });
}

}  // namespace

std::string tenant_name(const Result& result, std::size_t tenant) {
  if (tenant < result.tables.tenants.size() && !result.tables.tenants[tenant].name.empty())
    return result.tables.tenants[tenant].name;
  return "tenant " + format_integer(static_cast<std::int64_t>(tenant));
}

void summarise_groups(const Result& result, Summary& summary) {
  const Window& window = summary.window;
  summary.all =
      summarise_grouping(result, window, {1, [](const RequestResult&) { return std::size_t{0}; }})
          .front();
  summary.all.name = "all";
  summary.all.itl = describe_gaps(result.gaps);

  std::size_t tenants = 0;
  for (const RequestResult& r : result.requests)
    tenants = std::max<std::size_t>(tenants, r.tenant + std::size_t{1});
  summary.tenants = summarise_grouping(
      result, window, {tenants, [](const RequestResult& r) { return std::size_t{r.tenant}; }});
  for (std::size_t t = 0; t < tenants; ++t) {
    summary.tenants[t].name = tenant_name(result, t);
    if (t < result.gaps_by_tenant.size())
      summary.tenants[t].itl = describe_gaps(result.gaps_by_tenant[t]);
  }
  drop_empty(summary.tenants);

  summary.turns = summarise_grouping(result, window, {Result::kMaxTurnGroup + 1, turn_group});
  for (std::size_t t = 0; t < summary.turns.size(); ++t) {
    summary.turns[t].name = turn_name(t);
    if (t < result.gaps_by_turn.size())
      summary.turns[t].itl = describe_gaps(result.gaps_by_turn[t]);
  }
  drop_empty(summary.turns);
}

void summarise_slos(const Result& result, Summary& summary) {
  std::size_t classes = result.slos.size();
  for (const RequestResult& r : result.requests)
    classes = std::max<std::size_t>(classes, r.slo + std::size_t{1});
  std::vector<SloSummary> slos(classes);
  for (std::size_t s = 0; s < result.slos.size(); ++s) {
    const auto seconds = [](const std::optional<Duration>& target) {
      return target ? std::optional(target->seconds().value()) : std::nullopt;
    };
    const SloClass& slo = result.slos[s];
    slos[s].name = slo.name;
    slos[s].ttft = seconds(slo.ttft);
    slos[s].tpot = seconds(slo.tpot);
    slos[s].e2e = seconds(slo.e2e);
  }
  for (const RequestResult& r : result.requests) {
    if (!summary.window.measures(r)) continue;
    SloSummary& slo = slos[r.slo];
    const TargetsMet met = targets_met(r, slo_of(result, r));
    ++slo.requests;
    slo.met_ttft += met.ttft ? 1 : 0;
    slo.met_tpot += met.tpot ? 1 : 0;
    slo.met_e2e += met.e2e ? 1 : 0;
    slo.within += met.all() ? 1 : 0;
  }
  for (std::size_t s = 0; s < slos.size(); ++s)
    if (slos[s].name.empty())
      slos[s].name = "class " + format_integer(static_cast<std::int64_t>(s));
  std::erase_if(slos, [](const SloSummary& slo) { return slo.requests == 0; });
  summary.slos = std::move(slos);
}

void summarise_rates(const Result& result, Summary& summary) {
  const Window& window = summary.window;
  const double seconds = window.seconds();
  if (seconds <= 0) return;
  // The part of [from, to] that lies in the window; all or nothing for an instant.
  const auto part_inside = [&](TimePoint from, TimePoint to) {
    if (from >= to) return to >= window.begin && to <= window.end ? 1.0 : 0.0;
    const std::int64_t inside = std::min(to, window.end).ns() - std::max(from, window.begin).ns();
    return inside <= 0 ? 0.0 : static_cast<double>(inside) / static_cast<double>((to - from).ns());
  };
  Rates& rates = summary.rates;
  for (const RequestResult& r : result.requests) {
    if (window.measures(r)) rates.arrivals += 1;
    if (r.output_tokens > 0) {
      rates.prompt_tokens +=
          static_cast<double>(r.prompt_tokens) * part_inside(r.scheduled, r.first_token);
      rates.generated_tokens +=
          static_cast<double>(r.output_tokens) * part_inside(r.first_token, r.end);
    }
    if (!finished(r) || part_inside(r.end, r.end) == 0) continue;
    rates.finished += 1;
    const SloClass& slo = slo_of(result, r);
    if (!has_targets(slo))
      rates.without_targets += 1;
    else if (targets_met(r, slo).all())
      rates.goodput += 1;
  }
  for (double* rate : {&rates.arrivals, &rates.finished, &rates.prompt_tokens,
                       &rates.generated_tokens, &rates.goodput, &rates.without_targets})
    *rate /= seconds;
}

}  // namespace scsim::analysis
