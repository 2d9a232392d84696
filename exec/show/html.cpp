// The tables as a page that fetches nothing. A bar chart for each task and mode shows the strict
// score of every method by turn; behind it stand the tables with every interval.
#include <algorithm>
#include <map>
#include <set>

#include "exec/show/html_assets.h"
#include "exec/show/tables.h"
#include "traces/report/html_elements.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

std::string cell_text(const std::optional<Mean>& mean, int decimals) {
  if (!mean) return "";
  std::string text = format_fixed(mean->value, decimals);
  if (!mean->interval) return text;
  return text + " [" + format_fixed(mean->interval->low, decimals) + ", " +
         format_fixed(mean->interval->high, decimals) + "]";
}

std::string notes_html(const std::vector<std::string>& notes) {
  std::string content;
  for (const std::string& note : notes) content += paragraph("note: ", note);
  return content;
}

class Charts {
 public:
  // `values` by method, one per label; gives the chart's place in the page.
  std::string add(const std::string& title, std::string_view type, std::string_view x,
                  std::string_view y, const std::vector<std::string>& labels,
                  const std::map<std::string, std::vector<std::string>>& values) {
    const std::string id = "chart" + std::to_string(count_++);
    json_ += json_.empty() ? "" : ",";
    json_ += "{\"id\":" + json_quote(id) + ",\"type\":" + json_quote(type) +
             ",\"x\":" + json_quote(x) + ",\"y\":" + json_quote(y) + ",\"labels\":[";
    for (std::size_t i = 0; i < labels.size(); ++i)
      json_ += (i > 0 ? "," : "") + json_quote(labels[i]);
    json_ += "],\"sets\":[";
    bool first = true;
    for (const auto& [name, set] : values) {
      json_ += std::string(first ? "" : ",") + "{\"name\":" + json_quote(name) + ",\"values\":[";
      first = false;
      for (std::size_t i = 0; i < set.size(); ++i) json_ += (i > 0 ? "," : "") + set[i];
      json_ += "]}";
    }
    json_ += "]}";
    return chart(id, title);
  }
  std::string json() const { return "{\"charts\":[" + json_ + "]}"; }

 private:
  std::string json_;
  int count_ = 0;
};

std::string scores_html(const Tables& tables, Charts& charts) {
  std::string content;
  HtmlTable table({"task", "mode", "tokens", "method", "turn", "strict", "compat",
                   "strict minus full", "NLL/token", "NLL minus full", "agree", "KL/token",
                   "sessions"});
  struct Group {
    std::set<int> turns;
    std::map<std::string, std::map<int, double>> scores;  // by method and turn
  };
  std::map<std::string, Group> groups;
  for (const ScoreRow& row : tables.scores) {
    const Cell& cell = row.cell;
    table.add({cell.task, cell.mode, format_integer(cell.length), cell.method, turn_name(cell.turn),
               cell_text(row.strict, 2), cell_text(row.compat, 2), cell_text(row.strict_gain, 2),
               cell_text(row.nll, 2), cell_text(row.nll_gain, 2), cell_text(row.agreement, 2),
               cell_text(row.kl, 3), row.strict ? std::to_string(row.strict->sessions) : ""});
    if (cell.turn < 0 || !row.strict) continue;
    Group& group =
        groups[cell.task + ", " + cell.mode + ", " + format_integer(cell.length) + " tokens"];
    group.turns.insert(cell.turn);
    group.scores[cell.method][cell.turn] = row.strict->value;
  }
  std::string places;
  for (const auto& [title, group] : groups) {
    std::vector<std::string> labels;
    for (const int turn : group.turns) labels.push_back(turn_name(turn));
    std::map<std::string, std::vector<std::string>> values;
    for (const auto& [method, by_turn] : group.scores) {
      for (const int turn : group.turns) {
        const auto found = by_turn.find(turn);
        values[method].push_back(found == by_turn.end() ? "null" : format_shortest(found->second));
      }
    }
    places += charts.add(title, "bar", "turn", "strict score", labels, values);
  }
  return section("Scores", places + table.html() + notes_html(score_notes(tables)));
}

std::string costs_html(const Tables& tables, Charts& charts) {
  HtmlTable table({"mode", "tokens", "method", "turn", "total s (median)", "TTFT s", "generation s",
                   "tokens/s", "attended pairs", "compression s", "retrieval s", "loading s",
                   "decode s", "decoded/s", "bytes read to decode", "KV", "J"});
  HtmlTable server({"mode", "tokens", "turn", "total s (median)", "TTFT s", "ITL s", "tokens/s",
                    "prompt tokens", "cached tokens", "answer tokens", "requests"});
  std::map<std::string, std::map<std::string, std::map<std::int64_t, double>>> by_length;
  std::set<std::int64_t> lengths;
  for (const CostRow& row : tables.costs) {
    const Cell& cell = row.cell;
    const auto stage = [&](Stage which) -> const StageRow& {
      return row.stages[static_cast<std::size_t>(which)];
    };
    const auto seconds = [](const Spread& spread) {
      return spread.count > 0 ? format_seconds(spread.median) : std::string();
    };
    table.add({cell.mode, format_integer(cell.length),
               cell.method + (row.emulated ? " (emulated)" : ""), turn_name(cell.turn),
               seconds(row.total), seconds(row.ttft), seconds(stage(Stage::kGeneration).seconds),
               format_rate(stage(Stage::kGeneration).tokens_per_second),
               format_rate(stage(Stage::kGeneration).attended_pairs),
               seconds(stage(Stage::kCompression).seconds),
               seconds(stage(Stage::kRetrieval).seconds), seconds(stage(Stage::kLoading).seconds),
               seconds(stage(Stage::kDecode).seconds), format_rate(row.decode_tokens_per_second),
               format_bytes(stage(Stage::kDecode).bytes_read), format_bytes(row.kv_bytes),
               row.joules ? format_fixed(*row.joules, 2) : ""});
    const auto mean = [](double tokens) { return format_fixed(tokens, 1); };
    server.add({cell.mode, format_integer(cell.length), turn_name(cell.turn), seconds(row.total),
                seconds(row.ttft), seconds(row.itl), format_rate(row.decode_tokens_per_second),
                mean(row.new_tokens + row.cached_tokens),
                row.said_cached ? mean(*row.said_cached) : "not said", mean(row.output_tokens),
                std::to_string(row.total.count)});
    lengths.insert(cell.length);
    if (cell.turn == 0) by_length[cell.mode][cell.method][cell.length] = row.total.median;
  }
  std::vector<std::string> labels;
  for (const std::int64_t length : lengths) labels.push_back(format_integer(length));
  std::string places;
  for (const auto& [mode, methods] : by_length) {
    std::map<std::string, std::vector<std::string>> values;
    for (const auto& [method, medians] : methods) {
      for (const std::int64_t length : lengths) {
        const auto found = medians.find(length);
        values[method].push_back(found == medians.end() ? "null" : format_shortest(found->second));
      }
    }
    places += charts.add("First turn, " + mode, "line", "tokens of context", "seconds (median)",
                         labels, values);
  }
  const bool of_server = !tables.design.server.empty();
  return section(of_server ? "Server" : "Costs",
                 places + (of_server ? server : table).html() + notes_html(tables.notes));
}

std::string operators_html(const Tables& tables) {
  if (tables.operators.empty()) return {};
  HtmlTable table({"operator", "median", "least", "bytes/s", "operations/s"});
  for (const OperatorRow& row : tables.operators)
    table.add({row.key, format_seconds(row.seconds.median), format_seconds(row.seconds.least),
               format_rate(row.bytes_per_second), format_rate(row.operations_per_second)});
  return section("Operators", table.html() + notes_html(tables.notes));
}

}  // namespace

std::string tables_html(const std::vector<Tables>& files) {
  Charts charts;
  std::string content;
  for (const Tables& tables : files) {
    const CalibrationDesign& design = tables.design;
    content += element("h1", escaped(tables.path));
    content += figures(
        card("model", design.model.name, design.model.weights_format) +
        card("device", design.device.name, design.device.kind) +
        card("samples", std::to_string(tables.sessions), "of " + std::to_string(tables.planned)) +
        card("sessions", std::to_string(design.sessions),
             std::to_string(design.repeats) + " repeats"));
    content += scores_html(tables, charts);
    content += costs_html(tables, charts);
    content += operators_html(tables);
  }
  return html_page("calibration", content, charts.json(), {show_js()});
}

}  // namespace scsim::exec
