#include "exec/show/numbers.h"

#include <cmath>
#include <utility>

#include "traces/text.h"

namespace scsim::exec {
namespace {

using Use = std::function<void(const Number&)>;

void use_scores(const ScoreRow& row, const Use& use) {
  const auto give = [&](std::string what, const std::optional<Mean>& mean) {
    if (mean)
      use({"scores", row.cell, std::move(what), mean->value, mean->interval, mean->sessions});
  };
  give("strict", row.strict);
  give("compat", row.compat);
  give("strict_minus_full", row.strict_gain);
  give("compat_minus_full", row.compat_gain);
  give("nll_nats_per_token", row.nll);
  give("nll_minus_full", row.nll_gain);
  give("greedy_agreement", row.agreement);
  give("kl_nats_per_token", row.kl);
  use({"scores", row.cell, "answers_cut", static_cast<double>(row.answers_cut), {}, 0});
}

void use_costs(const CostRow& row, const Use& use) {
  const auto give = [&](std::string what, double value) {
    use({"costs", row.cell, std::move(what), value, {}, 0});
  };
  const auto give_spread = [&](const std::string& what, const Spread& spread) {
    if (spread.count == 0) return;
    give(what + "_mean", spread.mean);
    give(what + "_median", spread.median);
    give(what + "_least", spread.least);
  };
  if (row.seconds) {
    use({"costs", row.cell, "total_seconds", row.seconds->value, row.seconds->interval,
         row.seconds->sessions});
  }
  give_spread("total_seconds", row.total);
  give_spread("ttft_seconds", row.ttft);
  give_spread("decode_seconds_after_first", row.decode);
  give_spread("itl_seconds", row.itl);
  for (std::size_t i = 0; i < kNumStages; ++i) {
    const StageRow& stage = row.stages[i];
    const std::string name(kStageNames[i]);
    if (stage.seconds.mean == 0 && stage.tokens == 0) continue;
    give_spread(name + "_seconds", stage.seconds);
    give(name + "_tokens_per_second", stage.tokens_per_second);
    give(name + "_tokens", stage.tokens);
    give(name + "_attended_pairs", stage.attended_pairs);
    give(name + "_operations", stage.operations);
    give(name + "_bytes_read", stage.bytes_read);
    give(name + "_bytes_allocated", stage.bytes_allocated);
    give(name + "_bytes_freed", stage.bytes_freed);
    give(name + "_bytes_moved", stage.bytes_moved);
  }
  give("decode_tokens_per_second_after_first", row.decode_tokens_per_second);
  give("new_tokens", row.new_tokens);
  give("cached_tokens", row.cached_tokens);
  give("output_tokens", row.output_tokens);
  give("kv_bytes", row.kv_bytes);
  give("peak_kv_bytes", row.peak_kv_bytes);
  if (row.joules) give("joules", *row.joules);
  if (row.said_cached) give("server_cached_tokens", *row.said_cached);
}

// JSON has no infinity, which a likelihood may be.
std::string json_number(double value) {
  return std::isfinite(value) ? format_shortest(value) : "null";
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : "; ") + text;
  return all;
}

std::string file_json(const Tables& tables) {
  const CalibrationDesign& design = tables.design;
  std::string json =
      "{\"path\": " + json_quote(tables.path) + ", \"model\": " + json_quote(design.model.name) +
      ", \"device\": " + json_quote(design.device.name) +
      ", \"server\": " + json_quote(design.server) + ", \"commit\": " + json_quote(design.commit) +
      ", \"seed\": " + std::to_string(design.seed) +
      ", \"samples\": " + std::to_string(tables.sessions) +
      ", \"planned\": " + std::to_string(tables.planned) + ",\n \"notes\": [";
  const std::vector<std::string> notes = score_notes(tables);
  for (std::size_t i = 0; i < notes.size(); ++i) json += (i > 0 ? ", " : "") + json_quote(notes[i]);
  json += "],\n \"numbers\": [";
  bool first = true;
  for_each_number(tables, [&](const Number& number) {
    const Cell& cell = number.cell;
    json += std::exchange(first, false) ? "\n" : ",\n";
    json += "  {\"table\": " + json_quote(number.table) + ", \"task\": " + json_quote(cell.task) +
            ", \"mode\": " + json_quote(cell.mode) +
            ", \"length\": " + std::to_string(cell.length) +
            ", \"method\": " + json_quote(cell.method) +
            ", \"turn\": " + json_quote(turn_name(cell.turn)) +
            ", \"what\": " + json_quote(number.what) + ", \"value\": " + json_number(number.value);
    if (number.interval) {
      json += ", \"low\": " + json_number(number.interval->low) +
              ", \"high\": " + json_number(number.interval->high);
    }
    if (number.sessions > 0) json += ", \"sessions\": " + std::to_string(number.sessions);
    json += "}";
  });
  return json + "\n]}";
}

}  // namespace

void for_each_number(const Tables& tables, const Use& use) {
  for (const ScoreRow& row : tables.scores) use_scores(row, use);
  for (const CostRow& row : tables.costs) use_costs(row, use);
  for (const OperatorRow& row : tables.operators) {
    const Cell cell = {"", "", row.key, 0, kAllTurns};
    use({"operators", cell, "seconds_mean", row.seconds.mean, {}, 0});
    use({"operators", cell, "seconds_median", row.seconds.median, {}, 0});
    use({"operators", cell, "seconds_least", row.seconds.least, {}, 0});
    use({"operators", cell, "bytes_per_second", row.bytes_per_second, {}, 0});
    use({"operators", cell, "operations_per_second", row.operations_per_second, {}, 0});
  }
}

std::string tables_csv(const std::vector<Tables>& files) {
  std::string csv =
      "file,model,table,task,mode,length,method,turn,what,value,low,high,sessions,notes\n";
  for (const Tables& tables : files) {
    const std::string head = csv_field(tables.path) + "," + csv_field(tables.design.model.name);
    for_each_number(tables, [&](const Number& number) {
      const Cell& cell = number.cell;
      std::vector<std::string> notes = tables.notes;
      for (std::string& note : task_notes(tables.design, cell.task))
        notes.push_back(std::move(note));
      csv += head + "," + std::string(number.table) + "," + csv_field(cell.task) + "," + cell.mode +
             "," + std::to_string(cell.length) + "," + csv_field(cell.method) + "," +
             turn_name(cell.turn) + "," + number.what + "," + format_shortest(number.value) + ",";
      if (number.interval) {
        csv += format_shortest(number.interval->low) + "," + format_shortest(number.interval->high);
      } else {
        csv += ",";
      }
      csv += "," + (number.sessions > 0 ? std::to_string(number.sessions) : "") + "," +
             csv_field(joined(notes)) + "\n";
    });
  }
  return csv;
}

std::string tables_json(const std::vector<Tables>& files) {
  std::string json = "{\"files\": [";
  for (std::size_t i = 0; i < files.size(); ++i)
    json += (i > 0 ? ",\n" : "\n") + file_json(files[i]);
  return json + "\n]}\n";
}

}  // namespace scsim::exec
