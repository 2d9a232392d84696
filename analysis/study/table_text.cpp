// The table of a study in the terminal.
#include <algorithm>
#include <cmath>

#include "analysis/study/table.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kMostRows = 60;

std::string counted(std::size_t count, const std::string& thing) {
  return format_integer(static_cast<std::int64_t>(count)) + " " + thing + (count == 1 ? "" : "s");
}

std::string cell(std::size_t metric, const Replicated& value) {
  const Metric& m = metric_table()[metric];
  std::string text = metric_text(m, value.mean);
  if (value.half_width && !std::isnan(value.mean)) text += " ±" + metric_text(m, *value.half_width);
  return text;
}

std::vector<std::string> level_cells(const StudyTable& table, const StudyRow& row) {
  std::vector<std::string> cells;
  for (std::size_t a = 0; a < table.study.axes.size(); ++a)
    cells.push_back(table.study.axes[a].levels[row.point.levels[a]].name);
  if (cells.empty()) cells.emplace_back("the one point");
  return cells;
}

TextTable headed(const StudyTable& table) {
  std::vector<std::string> header;
  for (const Axis& axis : table.study.axes) header.push_back(axis.name);
  if (header.empty()) header.emplace_back("");
  for (const std::size_t metric : table.shown) header.push_back(metric_table()[metric].name);
  return TextTable(std::move(header));
}

std::string rows_text(const StudyTable& table) {
  TextTable text = headed(table);
  std::string notes;
  std::size_t printed = 0, left_out = 0;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const StudyRow& row = table.rows[i];
    const bool on_front = std::ranges::find(table.front, i) != table.front.end();
    if (printed >= kMostRows && !on_front) {
      ++left_out;
      continue;
    }
    ++printed;
    std::vector<std::string> cells = level_cells(table, row);
    if (on_front) cells[0] += " *";
    for (const std::size_t metric : table.shown)
      cells.push_back(row.metrics.empty() ? "-" : cell(metric, row.metrics[metric]));
    text.add(std::move(cells));
    for (const JobResult& result : row.results) {
      if (result.error.empty()) continue;
      notes += wrapped("! ", table.study.name_of(row.point) + ": no result: " + result.error);
      break;
    }
  }
  std::string out = text.text(0);
  if (left_out > 0) out += "... " + counted(left_out, "more row") + "; --csv has them\n";
  return out + notes;
}

std::string front_text(const StudyTable& table) {
  if (!table.pareto) return "";
  const Metric& a = metric_table()[table.pareto->first];
  const Metric& b = metric_table()[table.pareto->second];
  std::string points;
  for (const std::size_t i : table.front) {
    const StudyRow& row = table.rows[i];
    points += (points.empty() ? "" : "; ") + table.study.name_of(row.point) + " (" +
              metric_text(a, row.metrics[table.pareto->first].mean) + ", " +
              metric_text(b, row.metrics[table.pareto->second].mean) + ")";
  }
  return "\n" + wrapped("Pareto front * ", "of " + a.name + " and " + b.name + ": " +
                                               (points.empty() ? "none" : points));
}

// What the replicates say of differences: what all points share does not blur them.
std::string differences_text(const StudyTable& table) {
  if (table.study.replicates < 2 || table.rows.size() < 2 || table.rows[0].metrics.empty())
    return "";
  TextTable text = headed(table);
  for (std::size_t i = 1; i < std::min(table.rows.size(), kMostRows); ++i) {
    const StudyRow& row = table.rows[i];
    if (row.difference.empty()) continue;
    std::vector<std::string> cells = level_cells(table, row);
    for (const std::size_t metric : table.shown)
      cells.push_back((row.difference[metric].mean > 0 ? "+" : "") +
                      cell(metric, row.difference[metric]));
    text.add(std::move(cells));
  }
  return "\n" +
         wrapped("Less the first ", "row, replicate by replicate, with 95 % intervals (" +
                                        table.study.name_of(table.rows[0].point) + ")") +
         text.text(0);
}

}  // namespace

std::string study_text(const StudyTable& table) {
  std::string size = counted(table.rows.size(), "point");
  if (table.study.axes.size() > 1) {
    std::string product;
    for (const Axis& axis : table.study.axes)
      product += (product.empty() ? "" : " x ") + std::to_string(axis.levels.size());
    size += " (" + product + ")";
  }
  std::string text = table.study.name + ": " + size;
  if (table.study.replicates > 1)
    text += ", " + std::to_string(table.study.replicates) + " replicates each";
  text += "\n";
  for (const std::string& line : table.honesty) text += wrapped("! ", line);
  text += "\n" + rows_text(table);
  return text + front_text(table) + differences_text(table);
}

}  // namespace scsim::analysis
