// What `scsim plan` prints.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/study/metrics.h"
#include "analysis/study/plan.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

std::string count(std::int64_t number) { return format_integer(number); }

const Metric& metric_of(const Constraint& constraint) { return metric_table()[constraint.metric]; }

std::string load_number(double load) { return format_fixed(load, load < 0.995 ? 3 : 2); }

std::string load_text(const MaxLoad& load) {
  if (load.carried == 0) return "less than " + load_number(load.missed);
  if (load.missed == 0) return load_number(load.carried) + " and more";
  return load_number(load.carried);
}

std::string signed_change(const Metric& metric, double from, double to) {
  if (std::isnan(from) || std::isnan(to)) return "-";
  if (to == from) return "same";
  return (to > from ? "+" : "-") + metric_text(metric, std::abs(to - from));
}

std::int64_t number_of(const PlanResult& result, Fate fate) {
  return std::ranges::count(result.candidates, fate, &Candidate::fate);
}

std::string objective_text(const Plan& plan, const JobResult& result) {
  const Metric& metric = metric_table()[plan.objective];
  return metric.name + " " + metric_text(metric, result.metrics[plan.objective]);
}

std::string honesty_text(const JobResult& result) {
  std::string text;
  for (const std::string& line : split(result.honesty, '\n'))
    if (!line.empty()) text += wrapped("! ", line);
  return text;
}

std::string limits_text(const Plan& plan, const JobResult& result) {
  const Plan::Least least = plan.least_margin(result);
  TextTable table({"what must hold", "limit", "is", "margin", ""});
  for (std::size_t c = 0; c < plan.constraints.size(); ++c) {
    const Constraint& constraint = plan.constraints[c];
    const double value = result.metrics[constraint.metric];
    table.add({metric_of(constraint).name, constraint.limit_text(),
               metric_text(metric_of(constraint), value), format_percent(constraint.margin(value)),
               c == least.constraint ? "binding" : ""});
  }
  return table.text(0);
}

std::string neighbours_text(const Plan& plan, const PlanResult& result) {
  if (result.neighbours.empty()) return "";
  const Candidate& best = result.candidates[*result.best];
  const Plan::Least least = plan.least_margin(best.result);
  const Metric& objective = metric_table()[plan.objective];
  const Constraint& binding = plan.constraints[least.constraint];
  TextTable table({"one step", "from", "to", objective.name, metric_of(binding).name, "all met",
                   "load carried"});
  for (const Neighbour& neighbour : result.neighbours) {
    const Axis& axis = plan.study.axes[neighbour.axis];
    const bool ran = !neighbour.result.metrics.empty();
    const auto change = [&](std::size_t metric) {
      return ran ? signed_change(metric_table()[metric], best.result.metrics[metric],
                                 neighbour.result.metrics[metric])
                 : std::string("-");
    };
    table.add({axis.name, axis.levels[best.point.levels[neighbour.axis]].name,
               axis.levels[neighbour.level].name, change(plan.objective), change(binding.metric),
               neighbour.meets_all ? "yes" : "no", ran ? load_text(neighbour.load) : "-"});
  }
  return "\nWhat one step buys, alone, and what it costs\n" + table.text(0);
}

// Who is better than the plan and why it is not: the proof, or what there is of one.
std::string sureness_text(const Plan& plan, const PlanResult& result) {
  std::string text =
      count(static_cast<std::int64_t>(result.candidates.size())) +
      " candidates: " + count(number_of(result, Fate::kInvalid)) + " have no valid cluster, " +
      count(number_of(result, Fate::kBound)) + " cannot meet a limit in closed form, " +
      count(number_of(result, Fate::kCut)) + " missed clearly on a part of the trace, " +
      count(number_of(result, Fate::kFull)) + " were run in full, " +
      count(number_of(result, Fate::kCostlier)) + " are known to cost more";
  if (!result.cut_requests.empty()) {
    std::string parts;
    for (const std::uint64_t requests : result.cut_requests)
      parts += (parts.empty() ? "" : ", ") + count(static_cast<std::int64_t>(requests));
    text += "; parts of " + parts + " requests (" + count(result.cut_runs) + " runs)";
  }
  std::string out = wrapped("Searched ", text);
  if (!result.best) return out;
  const double cost = plan.cost(result.candidates[*result.best].result);
  std::int64_t cut = 0;
  std::map<std::string, std::int64_t> missed;
  for (const Candidate& candidate : result.candidates) {
    const bool better = !candidate.known_cost || *candidate.known_cost < cost;
    if (candidate.fate == Fate::kCut && better) ++cut;
    if (candidate.fate != Fate::kFull || candidate.result.metrics.empty()) continue;
    if (candidate.meets_all || !(plan.cost(candidate.result) < cost)) continue;
    ++missed[metric_of(plan.constraints[plan.least_margin(candidate.result).constraint]).name];
  }
  std::string why;
  for (const auto& [name, times] : missed)
    why += (why.empty() ? "" : ", ") + count(times) + " by " + name;
  if (!why.empty()) out += wrapped("Cheaper ", "ones run in full missed most " + why);
  out += wrapped("Sure ",
                 cut == 0 ? "every better candidate was run in full or is excluded in closed form"
                          : "but for " + count(cut) +
                                " better candidates that only a part of the trace ruled out; "
                                "`prove: true` runs them in full");
  if (plan.replicates > 1)
    out += wrapped("Draws ", "the plan meets all in " + std::to_string(result.replicates_met) +
                                 " of " + std::to_string(plan.replicates) + " draws of the recipe");
  return out;
}

// The candidate that missed least, where none met all.
std::string nearest_text(const Plan& plan, const PlanResult& result) {
  const Candidate* nearest = nullptr;
  for (const Candidate& candidate : result.candidates) {
    if (candidate.fate != Fate::kFull || candidate.result.metrics.empty()) continue;
    if (nearest == nullptr ||
        plan.least_margin(candidate.result).margin > plan.least_margin(nearest->result).margin)
      nearest = &candidate;
  }
  if (nearest == nullptr) return "";
  return wrapped("Nearest ", plan.study.name_of(nearest->point) + ": " +
                                 objective_text(plan, nearest->result)) +
         limits_text(plan, nearest->result);
}

}  // namespace

std::string plan_text(const Plan& plan, const PlanResult& result) {
  if (!result.best)
    return plan.study.name + ": no candidate meets all limits\n" + nearest_text(plan, result) +
           sureness_text(plan, result);
  const Candidate& best = result.candidates[*result.best];
  std::string text = wrapped(plan.study.name + ": ", plan.study.name_of(best.point) + " (" +
                                                         objective_text(plan, best.result) + ")");
  text += honesty_text(best.result) + "\n" + limits_text(plan, best.result);
  if (result.load)
    text += wrapped("Load ", "carries " + load_text(*result.load) + " times the plan's" +
                                 (result.load->carried > 0 && result.load->missed > 0
                                      ? ", not " + load_number(result.load->missed) + " times"
                                      : "") +
                                 "; bracketed to " + format_percent(plan.tolerance));
  if (result.runner_up) {
    const Candidate& second = result.candidates[*result.runner_up];
    text +=
        wrapped("Runner-up ", plan.study.name_of(second.point) + " (" +
                                  objective_text(plan, second.result) + ", least margin " +
                                  format_percent(plan.least_margin(second.result).margin) + ")");
  }
  return text + neighbours_text(plan, result) + "\n" + sureness_text(plan, result);
}

std::string max_load_text(const Plan& plan, const std::vector<Point>& points,
                          const std::vector<MaxLoad>& loads) {
  std::vector<std::string> header;
  for (const Axis& axis : plan.study.axes) header.push_back(axis.name);
  if (header.empty()) header.emplace_back("");
  header.insert(header.end(), {"load carried", "missed at"});
  TextTable table(header);
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::vector<std::string> cells;
    for (std::size_t a = 0; a < plan.study.axes.size(); ++a)
      cells.push_back(plan.study.axes[a].levels[points[i].levels[a]].name);
    if (cells.empty()) cells.emplace_back("the cluster");
    cells.push_back(load_text(loads[i]));
    cells.push_back(loads[i].missed > 0 ? load_number(loads[i].missed) : "-");
    table.add(cells);
  }
  std::string limits;
  for (const Constraint& constraint : plan.constraints)
    limits +=
        (limits.empty() ? "" : ", ") + metric_of(constraint).name + " " + constraint.limit_text();
  return wrapped(
             plan.study.name + ": ",
             "the largest load at which all holds, in times the trace's own arrivals, bracketed "
             "to " +
                 format_percent(plan.tolerance) + ": " + limits) +
         "\n" + table.text(0);
}

}  // namespace scsim::analysis
