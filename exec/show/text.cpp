// The tables for a terminal: what a reader asks first. Scores of each turn side by side, the
// interval for all turns; medians of seconds. CSV, JSON and HTML have every number.
#include "traces/text.h"

#include <algorithm>
#include <cmath>

#include "exec/show/tables.h"
#include "traces/report/text_table.h"

namespace scsim::exec {
namespace {

constexpr int kMostTurns = 6;  // columns; further ones are left to the other forms

std::string score(const std::optional<Mean>& mean) {
  return mean ? format_fixed(mean->value, 2) : "-";
}

std::string with_interval(const std::optional<Mean>& mean, int decimals) {
  if (!mean) return "-";
  std::string text = format_fixed(mean->value, decimals);
  if (!mean->interval) return text;
  return text + " [" + format_fixed(mean->interval->low, decimals) + ", " +
         format_fixed(mean->interval->high, decimals) + "]";
}

std::string notes_text(const std::vector<std::string>& notes) {
  std::string text;
  for (const std::string& note : notes) text += wrapped("  note: ", note);
  return text;
}

// What was measured.
std::string subject(const CalibrationDesign& design) {
  if (!design.server.empty()) {
    std::string text = design.model.name + " at " + design.server;
    if (!design.device.library.empty()) text += " (" + design.device.library + ")";
    return text + ", lengths by the tokenizer of " + design.model.tokenizer;
  }
  std::string text = design.model.name + " (" + design.model.weights_format + ") on " +
                     design.device.name + ", " + design.device.kind;
  if (design.device.threads > 0) text += ", " + std::to_string(design.device.threads) + " threads";
  return text;
}

std::string head_text(const Tables& tables) {
  const CalibrationDesign& design = tables.design;
  std::string text = wrapped("", tables.path + ": " + subject(design));
  text +=
      wrapped("", format_integer(static_cast<std::int64_t>(tables.sessions)) + " of " +
                      format_integer(static_cast<std::int64_t>(tables.planned)) +
                      " samples: " + std::to_string(design.sessions) + " sessions, " +
                      std::to_string(design.repeats) + " repeats, prompts " + design.prompt_style +
                      ", " + (design.golden_answers ? "golden" : "the model's own") +
                      " answers in later turns, seed " + std::to_string(design.seed) + ", commit " +
                      design.commit);
  return text;
}

bool same_group(const Cell& a, const Cell& b) {
  return a.task == b.task && a.mode == b.mode && a.length == b.length;
}

// Of several methods a table sets them side by side at one task; of one method the tasks, with the
// likelihood of the golden answers beside them.
std::string scores_text(const Tables& tables) {
  const bool by_task = tables.methods.size() == 1;
  const auto same_table = [&](const Cell& a, const Cell& b) {
    return a.mode == b.mode && a.length == b.length && (by_task || a.task == b.task);
  };
  std::vector<std::vector<const ScoreRow*>> groups;
  for (const ScoreRow& row : tables.scores) {
    const auto group = std::ranges::find_if(
        groups, [&](const auto& rows) { return same_table(rows.front()->cell, row.cell); });
    if (group == groups.end()) {
      groups.push_back({&row});
    } else {
      group->push_back(&row);
    }
  }
  const int turns = std::min(tables.design.turns, kMostTurns);
  const std::size_t label_width = by_task ? 29 : turns > 5 ? 14 : 18;
  std::string text;
  for (const auto& rows : groups) {
    const Cell& cell = rows.front()->cell;
    text += "\n" + wrapped("", (by_task ? cell.method : cell.task) + ", " + cell.mode + ", " +
                                   format_integer(cell.length) + " tokens: strict score by turn");
    std::vector<std::string> header = {by_task ? "task" : "method"};
    for (int turn = 0; turn < turns; ++turn) header.push_back(turn_name(turn));
    header.insert(header.end(), {"all, 95 %", "compat"});
    header.emplace_back(by_task ? "nats/token" : "minus full, 95 %");
    header.emplace_back("n");
    TextTable table(header);
    bool any_cut = false;
    for (const ScoreRow* row : rows) {
      if (row->cell.turn != kAllTurns) continue;
      std::vector<std::string> line = {
          shortened(by_task ? row->cell.task : row->cell.method, label_width)};
      for (int turn = 0; turn < turns; ++turn) {
        const auto found = std::ranges::find_if(rows, [&](const ScoreRow* other) {
          return other->cell.method == row->cell.method && other->cell.task == row->cell.task &&
                 other->cell.turn == turn;
        });
        line.push_back(found != rows.end() ? score((*found)->strict) : "-");
      }
      line.push_back(with_interval(row->strict, 2));
      line.push_back(score(row->compat));
      line.push_back(by_task ? score(row->nll) : with_interval(row->strict_gain, 2));
      line.push_back(std::to_string(row->strict ? row->strict->sessions : 0));
      table.add(line);
      any_cut |= row->answers_cut > 0;
    }
    text += table.text(2);
    if (any_cut) text += "  note: some answers were cut away with the middle of their context\n";
    text += notes_text(tables.notes);
    if (!by_task) text += notes_text(task_notes(tables.design, cell.task));
  }
  if (by_task && !text.empty()) {
    for (const CalibrationTask& task : tables.design.tasks)
      text += notes_text(task_notes(tables.design, task.name));
  }
  return text;
}

std::string likelihoods_text(const Tables& tables) {
  if (tables.methods.size() == 1) return {};  // they stand with the scores
  TextTable table(
      {"method: task, tokens, mode", "NLL/token, 95 %", "minus full, 95 %", "agree", "KL/token"});
  bool any = false;
  for (const ScoreRow& row : tables.scores) {
    if (row.cell.turn != kAllTurns || (!row.nll && !row.agreement)) continue;
    any = true;
    table.add({shortened(row.cell.method + ": " + row.cell.task + " " +
                             std::to_string(row.cell.length) + " " + row.cell.mode,
                         34),
               with_interval(row.nll, 2), with_interval(row.nll_gain, 2),
               row.agreement ? format_percent(row.agreement->value) : "-",
               row.kl ? format_fixed(row.kl->value, 3) : "-"});
  }
  if (!any) return {};
  return "\nlikelihood of the golden answers (nats), and how far from full attention\n" +
         table.text(2) + notes_text(score_notes(tables));
}

std::string rate(double per_second) { return per_second > 0 ? format_rate(per_second) : "-"; }

std::string median(const Spread& spread) {
  return spread.count > 0 ? format_seconds(spread.median) : "-";
}

// What a client sees; what the server does inside is not there.
std::string server_text(const Tables& tables) {
  std::string text;
  const auto& rows = tables.costs;
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    while (end < rows.size() && same_group(rows[begin].cell, rows[end].cell)) ++end;
    const Cell& cell = rows[begin].cell;
    text += "\nserver, " + cell.mode + ", " + format_integer(cell.length) +
            " tokens: median seconds, mean tokens of a request\n";
    TextTable table(
        {"turn", "TTFT", "ITL", "tok/s", "in all", "prompt", "cached", "answer", "requests"});
    const auto mean = [](double tokens) { return format_integer(std::llround(tokens)); };
    for (std::size_t i = begin; i < end; ++i) {
      const CostRow& row = rows[i];
      table.add({turn_name(row.cell.turn), median(row.ttft), median(row.itl),
                 rate(row.decode_tokens_per_second), median(row.total),
                 mean(row.new_tokens + row.cached_tokens),
                 row.said_cached ? mean(*row.said_cached) : "not said", mean(row.output_tokens),
                 std::to_string(row.total.count)});
    }
    text += table.text(2) + notes_text(tables.notes);
  }
  return text;
}

std::string costs_text(const Tables& tables) {
  if (!tables.design.server.empty()) return server_text(tables);
  std::string text;
  const auto& rows = tables.costs;
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    while (end < rows.size() && same_group(rows[begin].cell, rows[end].cell)) ++end;
    const Cell& cell = rows[begin].cell;
    text += "\ncosts, " + cell.mode + ", " + format_integer(cell.length) +
            " tokens: median seconds by stage\n";
    TextTable table(
        {"method", "turn", "TTFT", "generate", "tok/s", "compr.", "load", "decode", "tok/s", "KV"});
    for (std::size_t i = begin; i < end; ++i) {
      const CostRow& row = rows[i];
      const auto stage = [&](Stage which) -> const StageRow& {
        return row.stages[static_cast<std::size_t>(which)];
      };
      table.add({shortened(row.cell.method, 13) + (row.emulated ? "*" : ""),
                 turn_name(row.cell.turn), median(row.ttft),
                 median(stage(Stage::kGeneration).seconds),
                 rate(stage(Stage::kGeneration).tokens_per_second),
                 median(stage(Stage::kCompression).seconds), median(stage(Stage::kLoading).seconds),
                 median(stage(Stage::kDecode).seconds), rate(row.decode_tokens_per_second),
                 format_bytes(row.kv_bytes)});
    }
    text += table.text(2) + notes_text(tables.notes);
  }
  return text;
}

std::string operators_text(const Tables& tables) {
  if (tables.operators.empty()) return {};
  TextTable table({"operator", "median", "least", "bytes/s", "operations/s"});
  for (const OperatorRow& row : tables.operators)
    table.add({shortened(row.key, 56), median(row.seconds), format_seconds(row.seconds.least),
               rate(row.bytes_per_second), rate(row.operations_per_second)});
  return "\noperators\n" + table.text(2) + notes_text(tables.notes);
}

}  // namespace

std::string tables_text(const Tables& tables) {
  return head_text(tables) + scores_text(tables) + likelihoods_text(tables) + costs_text(tables) +
         operators_text(tables);
}

}  // namespace scsim::exec
