#include "analysis/study/table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "traces/text.h"

namespace scsim::analysis {
namespace {

// The 0.975 quantile of Student's t by degrees of freedom, from 1; beyond the table, Cornish and
// Fisher's expansion, which is within 0.0005 there.
double student_t(std::size_t df) {
  constexpr std::array<double, 20> kTable = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
                                             2.306,  2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
                                             2.131,  2.120, 2.110, 2.101, 2.093, 2.086};
  const auto n = static_cast<double>(df);
  return df <= kTable.size() ? kTable[df - 1] : 1.959964 + 2.3723 / n + 2.8225 / (n * n);
}

std::vector<double> values_of(const StudyRow& row, std::size_t metric) {
  std::vector<double> values;
  for (const JobResult& result : row.results) values.push_back(result.metrics[metric]);
  return values;
}

std::vector<std::string> common_honesty(const std::vector<StudyRow>& rows) {
  struct Said {
    std::string first;
    std::size_t runs = 0;
    bool differs = false;
  };
  std::map<std::string, Said> heads;
  std::size_t runs = 0;
  for (const StudyRow& row : rows) {
    for (const JobResult& result : row.results) {
      if (result.error.empty()) ++runs;
      for (const std::string& line : split(result.honesty, '\n')) {
        if (line.empty()) continue;
        Said& said = heads[line.substr(0, line.find(':'))];
        if (said.runs == 0) said.first = line;
        said.differs = said.differs || said.first != line;
        ++said.runs;
      }
    }
  }
  std::vector<std::string> lines;
  for (const auto& [head, said] : heads) {
    if (said.runs == runs && !said.differs)
      lines.push_back(said.first);
    else
      lines.push_back(std::to_string(said.runs) + " of " + std::to_string(runs) +
                      " runs: " + said.first + (said.differs ? " (others in other numbers)" : ""));
  }
  return lines;
}

void choose_shown(StudyTable& table) {
  std::vector<std::string> names = table.study.show;
  if (names.empty()) {
    names = {"slo_share_least", "ttft_p99_s", "tpot_p99_s",
             "goodput_per_s",   "hit_ratio",  "utilisation"};
    const auto any = [&](const std::string& name) {
      const std::size_t metric = *find_metric(name);
      return std::ranges::any_of(table.rows, [&](const StudyRow& row) {
        return !row.metrics.empty() && row.metrics[metric].mean > 0;
      });
    };
    for (const char* name : {"fetched_share", "usd_per_hour"})
      if (any(name)) names.emplace_back(name);
  }
  for (const std::string& name : names) table.shown.push_back(*find_metric(name));
}

}  // namespace

Replicated replicated(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  Replicated out;
  for (const double value : values) out.mean += value;
  out.mean /= count;
  if (values.size() < 2 || std::isnan(out.mean)) return out;
  double squares = 0;
  for (const double value : values) squares += (value - out.mean) * (value - out.mean);
  out.half_width = student_t(values.size() - 1) * std::sqrt(squares / (count - 1) / count);
  return out;
}

std::vector<std::size_t> pareto_front(const std::vector<StudyRow>& rows, std::size_t a,
                                      std::size_t b) {
  // As costs: lower is better.
  const auto cost = [&](std::size_t row, std::size_t metric) {
    const double value = rows[row].metrics[metric].mean;
    return metric_table()[metric].better == Better::kHigher ? -value : value;
  };
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!rows[i].metrics.empty() && !std::isnan(cost(i, a)) && !std::isnan(cost(i, b)))
      order.push_back(i);
  std::ranges::stable_sort(order, {},
                           [&](std::size_t i) { return std::pair(cost(i, a), cost(i, b)); });
  std::vector<std::size_t> front;
  for (const std::size_t i : order) {
    const bool beaten =
        !front.empty() && cost(front.back(), b) <= cost(i, b) &&
        !(cost(front.back(), a) == cost(i, a) && cost(front.back(), b) == cost(i, b));
    if (!beaten) front.push_back(i);
  }
  return front;
}

StudyTable make_table(const Study& study, std::vector<JobResult> results) {
  StudyTable table;
  table.study = study;
  const std::vector<Point> points = study.points();
  SCSIM_CHECK_EQ(points.size(), results.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].replicate == 0) table.rows.push_back({points[i], {}, {}, {}});
    table.rows.back().results.push_back(std::move(results[i]));
  }
  table.honesty = common_honesty(table.rows);
  for (StudyRow& row : table.rows) {
    if (std::ranges::any_of(row.results, [](const JobResult& r) { return !r.error.empty(); }))
      continue;
    for (std::size_t m = 0; m < metric_table().size(); ++m) {
      std::vector<double> values = values_of(row, m);
      row.metrics.push_back(replicated(values));
      if (table.rows[0].metrics.empty()) continue;
      const std::vector<double> first = values_of(table.rows[0], m);
      for (std::size_t r = 0; r < values.size(); ++r) values[r] -= first[r];
      row.difference.push_back(replicated(values));
    }
  }
  choose_shown(table);
  if (!study.pareto.empty()) {
    table.pareto = {*find_metric(study.pareto[0]), *find_metric(study.pareto[1])};
    table.front = pareto_front(table.rows, table.pareto->first, table.pareto->second);
  }
  return table;
}

std::optional<double> level_number(const std::string& name) {
  for (const auto& parse :
       {parse_double, parse_bytes, parse_seconds, parse_bytes_per_second, parse_fraction})
    if (const auto value = parse(name)) return *value;
  return std::nullopt;
}

std::string study_csv(const StudyTable& table) {
  std::string text;
  for (const Axis& axis : table.study.axes) text += csv_field(axis.name) + ",";
  text += "replicate";
  for (const Metric& metric : metric_table()) text += "," + metric.name;
  text += ",verdict,bottleneck,honesty,error\n";
  for (const StudyRow& row : table.rows) {
    for (std::size_t r = 0; r < row.results.size(); ++r) {
      const JobResult& result = row.results[r];
      for (std::size_t a = 0; a < table.study.axes.size(); ++a)
        text += csv_field(table.study.axes[a].levels[row.point.levels[a]].name) + ",";
      text += std::to_string(r);
      for (std::size_t m = 0; m < metric_table().size(); ++m) {
        const bool none = result.metrics.empty() || std::isnan(result.metrics[m]);
        text += "," + (none ? "" : format_shortest(result.metrics[m]));
      }
      std::string honesty = result.honesty;
      std::ranges::replace(honesty, '\n', ';');
      text += "," + csv_field(result.verdict) + "," + csv_field(result.bottleneck) + "," +
              csv_field(honesty) + "," + csv_field(result.error) + "\n";
    }
  }
  return text;
}

}  // namespace scsim::analysis
