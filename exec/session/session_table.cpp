#include "exec/session/session_table.h"

#include <algorithm>
#include <vector>

#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

std::vector<std::size_t> stages_with_time(const SessionRecord& record) {
  std::vector<std::size_t> stages;
  for (std::size_t stage = 0; stage < kNumStages; ++stage) {
    const auto took = [stage](const TurnRecord& turn) { return turn.times.seconds[stage] > 0; };
    if (std::ranges::any_of(record.turns, took) || (record.context && took(*record.context))) {
      stages.push_back(stage);
    }
  }
  return stages;
}

std::vector<std::string> cells(const std::string& name, const TurnRecord& turn,
                               const std::vector<std::size_t>& stages) {
  const auto later = std::ssize(turn.output) - 1;
  std::vector<std::string> row = {
      name,
      format_integer(turn.cached_tokens),
      format_integer(turn.fresh_tokens),
      format_integer(std::ssize(turn.output)),
      turn.output.empty() ? "-" : format_seconds(turn.ttft),
      later > 0 ? format_seconds(turn.decode_seconds / static_cast<double>(later)) : "-",
      format_seconds(turn.times.total)};
  for (const std::size_t stage : stages) row.push_back(format_seconds(turn.times.seconds[stage]));
  row.push_back(format_bytes(static_cast<double>(turn.cache_bytes)));
  return row;
}

}  // namespace

std::string session_table(const SessionRecord& record, const SessionSample* scores) {
  const std::vector<std::size_t> stages = stages_with_time(record);
  std::vector<std::string> header = {"turn", "found", "new", "said", "TTFT", "TPOT", "total"};
  for (const std::size_t stage : stages) header.emplace_back(kStageNames[stage]);
  header.emplace_back("KV");
  if (scores != nullptr) {
    header.emplace_back("score");
    header.emplace_back("NLL/token");
  }
  TextTable table(header);
  if (record.context) {
    std::vector<std::string> row = cells("context", *record.context, stages);
    row.resize(header.size());
    table.add(std::move(row));
  }
  for (std::size_t t = 0; t < record.turns.size(); ++t) {
    std::vector<std::string> row = cells(std::to_string(t + 1), record.turns[t], stages);
    if (scores != nullptr) {
      const TurnSample& sample = scores->turns[t];
      row.push_back(sample.score_strict ? format_fixed(*sample.score_strict, 2) : "-");
      row.push_back(
          sample.likelihood && sample.likelihood->tokens > 0
              ? format_fixed(
                    sample.likelihood->nats / static_cast<double>(sample.likelihood->tokens), 2)
              : "-");
    }
    table.add(std::move(row));
  }
  return table.text(0);
}

}  // namespace scsim::exec
