// report.html of a study: small multiples, one chart for each metric and each combination of the
// axes beyond two; the trade-off of the two metrics of `pareto`; the rows.
#include <algorithm>
#include <cmath>

#include "analysis/chart_json.h"
#include "analysis/study/html_assets.h"
#include "analysis/study/table.h"
#include "traces/report/html_elements.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kMostFacets = 24, kMostRows = 300, kMostLines = 8;

// Which axis is across a chart, which one makes its lines; the others make charts.
struct Layout {
  std::optional<std::size_t> across, lines;
  std::vector<std::size_t> facets;  // axes
};

bool numeric(const Axis& axis) {
  return std::ranges::all_of(
      axis.levels, [](const Level& level) { return level_number(level.name).has_value(); });
}

Layout lay_out(const Study& study) {
  Layout layout;
  const auto better = [&](std::size_t a, const std::optional<std::size_t>& than) {
    if (!than) return true;
    const auto key = [&](std::size_t axis) {
      return std::pair(numeric(study.axes[axis]), study.axes[axis].levels.size());
    };
    return key(a) > key(*than);
  };
  for (std::size_t a = 0; a < study.axes.size(); ++a)
    if (study.axes[a].levels.size() > 1 && better(a, layout.across)) layout.across = a;
  for (std::size_t a = 0; a < study.axes.size(); ++a) {
    const std::size_t levels = study.axes[a].levels.size();
    if (a == layout.across || levels < 2 || levels > kMostLines) continue;
    if (!layout.lines || levels > study.axes[*layout.lines].levels.size()) layout.lines = a;
  }
  for (std::size_t a = 0; a < study.axes.size(); ++a)
    if (a != layout.across && a != layout.lines && study.axes[a].levels.size() > 1)
      layout.facets.push_back(a);
  return layout;
}

class SmallMultiples {
 public:
  explicit SmallMultiples(const StudyTable& table) : table_(table), layout_(lay_out(table.study)) {
    for (const StudyRow& row : table.rows) {
      std::vector<std::size_t> facet;
      for (const std::size_t a : layout_.facets) facet.push_back(row.point.levels[a]);
      if (std::ranges::find(facets_, facet) == facets_.end()) facets_.push_back(facet);
    }
  }

  std::string html() {
    if (!layout_.across) return "";
    std::string out;
    for (const std::size_t metric : table_.shown) {
      std::string charts;
      for (std::size_t f = 0; f < std::min(facets_.size(), kMostFacets); ++f)
        charts += chart(id(metric, f), title(metric, f), "by " + across().name);
      out += figures(charts);
    }
    if (facets_.size() > kMostFacets)
      out += element("p", "The first " + std::to_string(kMostFacets) + " of " +
                              std::to_string(facets_.size()) + " combinations are drawn.");
    return section("By " + across().name, out);
  }

  std::string json() const {
    if (!layout_.across) return "[]";
    std::vector<std::string> charts;
    for (const std::size_t metric : table_.shown)
      for (std::size_t f = 0; f < std::min(facets_.size(), kMostFacets); ++f)
        charts.push_back(chart_json(metric, f));
    return array(charts);
  }

 private:
  const Axis& across() const { return table_.study.axes[*layout_.across]; }
  static std::string id(std::size_t metric, std::size_t facet) {
    return "study_" + std::to_string(metric) + "_" + std::to_string(facet);
  }
  std::string title(std::size_t metric, std::size_t f) const {
    std::string text = metric_table()[metric].name;
    for (std::size_t i = 0; i < layout_.facets.size(); ++i) {
      const Axis& axis = table_.study.axes[layout_.facets[i]];
      text += ", " + axis.name + " " + axis.levels[facets_[f][i]].name;
    }
    return text;
  }

  std::string chart_json(std::size_t metric, std::size_t f) const {
    std::vector<std::string> labels, lines;
    std::vector<double> places;
    for (const Level& level : across().levels) {
      labels.push_back(level.name);
      if (numeric(across())) places.push_back(*level_number(level.name));
    }
    const std::size_t count = layout_.lines ? table_.study.axes[*layout_.lines].levels.size() : 1;
    for (std::size_t line = 0; line < count; ++line) {
      std::vector<std::optional<double>> values(labels.size());
      for (const StudyRow& row : table_.rows)
        if (on_line(row, f, line) && !row.metrics.empty() && !std::isnan(row.metrics[metric].mean))
          values[row.point.levels[*layout_.across]] = row.metrics[metric].mean;
      const std::string name = layout_.lines
                                   ? table_.study.axes[*layout_.lines].name + " " +
                                         table_.study.axes[*layout_.lines].levels[line].name
                                   : metric_table()[metric].name;
      lines.push_back(
          object({member("name", json_quote(name)), member("values", numbers_or_null(values))}));
    }
    return object({member("id", json_quote(id(metric, f))), unit(metric),
                   member("across", json_quote(across().name)), member("labels", texts(labels)),
                   member("places", numbers(places)), member("lines", array(lines))});
  }

  bool on_line(const StudyRow& row, std::size_t f, std::size_t line) const {
    for (std::size_t i = 0; i < layout_.facets.size(); ++i)
      if (row.point.levels[layout_.facets[i]] != facets_[f][i]) return false;
    return !layout_.lines || row.point.levels[*layout_.lines] == line;
  }

 public:
  static std::string unit(std::size_t metric) {
    const MetricUnit unit = metric_table()[metric].unit;
    return member("unit",
                  json_quote(unit == MetricUnit::kSeconds                                 ? "s"
                             : unit == MetricUnit::kFraction || unit == MetricUnit::kFlag ? "%"
                                                                                          : ""));
  }

 private:
  const StudyTable& table_;
  Layout layout_;
  std::vector<std::vector<std::size_t>> facets_;  // levels of the facets' axes
};

std::string pareto_json(const StudyTable& table) {
  if (!table.pareto) return "null";
  const auto [a, b] = *table.pareto;
  std::vector<std::string> points;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const StudyRow& row = table.rows[i];
    if (row.metrics.empty() || std::isnan(row.metrics[a].mean) || std::isnan(row.metrics[b].mean))
      continue;
    const bool front = std::ranges::find(table.front, i) != table.front.end();
    points.push_back(object({member("x", format_shortest(row.metrics[a].mean)),
                             member("y", format_shortest(row.metrics[b].mean)),
                             member("front", front ? "true" : "false"),
                             member("name", json_quote(table.study.name_of(row.point)))}));
  }
  const auto axis = [&](std::size_t metric) {
    return object(
        {member("name", json_quote(metric_table()[metric].name)), SmallMultiples::unit(metric)});
  };
  return object({member("x", axis(a)), member("y", axis(b)), member("points", array(points))});
}

std::string rows_html(const StudyTable& table) {
  std::vector<std::string> header = {"point"};
  for (const std::size_t metric : table.shown) header.push_back(metric_table()[metric].name);
  HtmlTable rows(header);
  for (std::size_t i = 0; i < std::min(table.rows.size(), kMostRows); ++i) {
    const StudyRow& row = table.rows[i];
    const bool front = std::ranges::find(table.front, i) != table.front.end();
    std::vector<std::string> cells = {table.study.name_of(row.point) + (front ? " *" : "")};
    for (const std::size_t m : table.shown) {
      if (row.metrics.empty()) {
        cells.emplace_back("-");
        continue;
      }
      cells.push_back(metric_text(metric_table()[m], row.metrics[m].mean));
      if (row.metrics[m].half_width)
        cells.back() += " ±" + metric_text(metric_table()[m], *row.metrics[m].half_width);
    }
    rows.add(cells);
    if (row.metrics.empty()) {
      for (const JobResult& result : row.results)
        if (!result.error.empty()) {
          rows.add({"no result: " + result.error});
          break;
        }
    }
  }
  std::string out = rows.html();
  if (table.rows.size() > kMostRows)
    out += element("p", "The first " + std::to_string(kMostRows) + " of " +
                            std::to_string(table.rows.size()) + " points; --csv has all.");
  return out;
}

}  // namespace

std::string study_html(const StudyTable& table) {
  std::string size = std::to_string(table.rows.size()) + " points";
  if (table.study.replicates > 1)
    size += ", " + std::to_string(table.study.replicates) + " replicates each";
  std::string content =
      element("header", element("h1", escaped(table.study.name)) + element("p", escaped(size)));
  if (!table.honesty.empty()) {
    std::string items;
    for (const std::string& line : table.honesty) items += element("li", escaped(line));
    content += element("aside", element("b", "What these numbers rest on") + element("ul", items));
  }
  SmallMultiples multiples(table);
  content += multiples.html();
  if (table.pareto)
    content +=
        section("Trade-off", figures(chart("study_pareto",
                                           metric_table()[table.pareto->first].name + " against " +
                                               metric_table()[table.pareto->second].name,
                                           "the line joins points that no other beats")));
  content += section("Points", rows_html(table));
  std::string definitions;
  for (const std::size_t metric : table.shown)
    definitions += element("dt", escaped(metric_table()[metric].name)) +
                   element("dd", escaped(metric_table()[metric].sentence));
  content += section("Metrics", element("dl", definitions));
  content += section("All points", element("pre", escaped(table.study.common())));
  const std::string data = object(
      {member("study",
              object({member("charts", multiples.json()), member("pareto", pareto_json(table))}))});
  return html_page(table.study.name, content, data, {study_js()});
}

}  // namespace scsim::analysis
