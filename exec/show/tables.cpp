#include "exec/show/tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace scsim::exec {
namespace {

// Order of rows: that of the design, then of sub-tasks and turns.
using CellKey = std::tuple<int, std::string, int, int, int, int>;  // task, sub-task, mode, length,
                                                                   // method, turn
using BySession = std::map<std::int32_t, SessionSum>;

struct ScoreSums {
  BySession strict, compat, nll, agreement, kl;
  std::int64_t answers_cut = 0;
  bool fractional = false;  // a score that is neither 0 nor 1 was seen
  double least = 1, most = 0;
};

void add(BySession& sums, std::int32_t session, double sum, double weight) {
  SessionSum& to = sums[session];
  to.sum += sum;
  to.weight += weight;
  ++to.samples;
}

void add_turn(const TurnSample& turn, std::int32_t session, ScoreSums& sums) {
  for (const auto& [score, to] :
       {std::pair(turn.score_strict, &sums.strict), std::pair(turn.score_compat, &sums.compat)}) {
    if (!score) continue;
    add(*to, session, *score, 1);
    sums.fractional |= *score != 0 && *score != 1;
    sums.least = std::min(sums.least, *score);
    sums.most = std::max(sums.most, *score);
  }
  if (turn.likelihood) {
    add(sums.nll, session, turn.likelihood->nats, static_cast<double>(turn.likelihood->tokens));
  }
  if (turn.agreement) {
    const double tokens = static_cast<double>(turn.agreement->tokens);
    add(sums.agreement, session, static_cast<double>(turn.agreement->agreed), tokens);
    add(sums.kl, session, turn.agreement->kl_sum, tokens);
  }
  sums.answers_cut += turn.answer_survived == false ? 1 : 0;
}

std::vector<SessionSum> values(const BySession& sums) {
  std::vector<SessionSum> values;
  for (const auto& [session, sum] : sums) values.push_back(sum);
  return values;
}

template <class MeanOf>
std::optional<Mean> mean_of(const BySession& sums, MeanOf mean) {
  if (sums.empty()) return std::nullopt;
  return mean(values(sums));
}

// Session by session, where both have one.
std::vector<double> differences(const BySession& sums, const BySession& full) {
  std::vector<double> differences;
  for (const auto& [session, sum] : sums) {
    const auto other = full.find(session);
    if (other == full.end()) continue;
    differences.push_back(sum.sum / sum.weight - other->second.sum / other->second.weight);
  }
  return differences;
}

std::optional<Mean> gain(const BySession& sums, const BySession& full, double scale, Rng rng) {
  const std::vector<double> paired = differences(sums, full);
  if (paired.empty()) return std::nullopt;
  return paired_difference(paired, scale, rng);
}

// Without bounds there is no `scale`; Student's does.
std::optional<Mean> unbounded_gain(const BySession& sums, const BySession& full) {
  std::vector<SessionSum> paired;
  for (const double difference : differences(sums, full)) paired.push_back({difference, 1, 1});
  if (paired.empty()) return std::nullopt;
  return ratio_mean(paired);
}

int full_method(const CalibrationDesign& design) {
  const auto found =
      std::ranges::find(design.methods, design.full_method, &CalibrationMethod::name);
  return found == design.methods.end() ? -1 : static_cast<int>(found - design.methods.begin());
}

std::vector<ScoreRow> score_rows(const Calibration& calibration, const Tables& tables) {
  const CalibrationDesign& design = calibration.design;
  std::map<CellKey, ScoreSums> cells;
  for (const SessionSample& sample : calibration.sessions) {
    const SampleKey& key = sample.key;
    if (key.warm_up) continue;
    for (const TurnSample& turn : sample.turns) {
      for (const int which : {turn.turn, kAllTurns}) {
        const CellKey cell(key.task, turn.sub_task, key.mode, key.length, key.method, which);
        add_turn(turn, key.session, cells[cell]);
      }
    }
  }
  const int full = full_method(design);
  std::vector<ScoreRow> rows;
  for (const auto& [key, sums] : cells) {
    const auto& [task, sub_task, mode, length, method, turn] = key;
    const auto at = [](int position) { return static_cast<std::size_t>(position); };
    ScoreRow& row = rows.emplace_back();
    row.cell = {design.tasks[at(task)].name + (sub_task.empty() ? "" : "/" + sub_task),
                std::string(kSessionModeNames[at(static_cast<int>(design.modes[at(mode)]))]),
                tables.methods[at(method)], design.lengths[at(length)], turn};
    row.strict = mean_of(sums.strict, bounded_mean);
    row.compat = mean_of(sums.compat, bounded_mean);
    row.agreement = mean_of(sums.agreement, bounded_mean);
    row.nll = mean_of(sums.nll, ratio_mean);
    row.kl = mean_of(sums.kl, ratio_mean);
    row.answers_cut = sums.answers_cut;
    const auto other = cells.find(CellKey(task, sub_task, mode, length, full, turn));
    if (method == full || other == cells.end()) continue;
    const ScoreSums& base = other->second;
    const bool fractional = sums.fractional || base.fractional;
    const double scale =
        fractional ? std::max(sums.most, base.most) - std::min(sums.least, base.least) : 1;
    const auto rng = [&](std::string_view purpose) {
      return Rng(design.seed, purpose, rows.size());
    };
    row.strict_gain = gain(sums.strict, base.strict, scale, rng("exec.show.strict"));
    row.compat_gain = gain(sums.compat, base.compat, scale, rng("exec.show.compat"));
    row.nll_gain = unbounded_gain(sums.nll, base.nll);
  }
  return rows;
}

struct CostSums {
  std::vector<double> total, ttft, decode;
  PerStage<std::vector<double>> seconds;
  PerStage<StageCost> stages{};
  double new_tokens = 0, cached_tokens = 0, output_tokens = 0, kv_bytes = 0, peak_kv_bytes = 0;
  double decoded = 0, joules = 0;
  std::int64_t with_energy = 0;
  std::vector<double> itl;
  double said_cached = 0;
  std::int64_t with_cached = 0;
  BySession by_session;
};

void add_cost(const SampleCost& cost, std::int32_t session, CostSums& sums) {
  sums.total.push_back(cost.total_seconds);
  add(sums.by_session, session, cost.total_seconds, 1);
  for (std::size_t i = 0; i < kNumStages; ++i) {
    const StageCost& from = cost.stages[i];
    StageCost& to = sums.stages[i];
    sums.seconds[i].push_back(from.seconds);
    to.seconds += from.seconds;
    to.tokens += from.tokens;
    to.attended_pairs += from.attended_pairs;
    to.operations += from.operations;
    to.bytes_read += from.bytes_read;
    to.bytes_allocated += from.bytes_allocated;
    to.bytes_freed += from.bytes_freed;
    to.bytes_moved += from.bytes_moved;
  }
  sums.kv_bytes += static_cast<double>(cost.kv_bytes);
  sums.peak_kv_bytes += static_cast<double>(cost.peak_kv_bytes);
  sums.with_energy += cost.energy_joules.empty() ? 0 : 1;
  for (const auto& [source, joules] : cost.energy_joules) sums.joules += joules;
}

void add_server(const ServerTurn& server, CostSums& sums) {
  sums.itl.insert(sums.itl.end(), server.itl_seconds.begin(), server.itl_seconds.end());
  if (!server.cached_tokens) return;
  sums.said_cached += static_cast<double>(*server.cached_tokens);
  ++sums.with_cached;
}

CostRow cost_row(CostSums& sums) {
  CostRow row;
  const double n = static_cast<double>(sums.total.size());
  row.total = spread(sums.total);
  row.ttft = spread(sums.ttft);
  row.decode = spread(sums.decode);
  const double decode_seconds = row.decode.mean * static_cast<double>(row.decode.count);
  if (decode_seconds > 0) row.decode_tokens_per_second = sums.decoded / decode_seconds;
  for (std::size_t i = 0; i < kNumStages; ++i) {
    const StageCost& from = sums.stages[i];
    StageRow& to = row.stages[i];
    to.seconds = spread(sums.seconds[i]);
    if (from.seconds > 0) to.tokens_per_second = static_cast<double>(from.tokens) / from.seconds;
    to.tokens = static_cast<double>(from.tokens) / n;
    to.attended_pairs = static_cast<double>(from.attended_pairs) / n;
    to.operations = from.operations / n;
    to.bytes_read = static_cast<double>(from.bytes_read) / n;
    to.bytes_allocated = static_cast<double>(from.bytes_allocated) / n;
    to.bytes_freed = static_cast<double>(from.bytes_freed) / n;
    to.bytes_moved = static_cast<double>(from.bytes_moved) / n;
  }
  row.new_tokens = sums.new_tokens / n;
  row.cached_tokens = sums.cached_tokens / n;
  row.output_tokens = sums.output_tokens / n;
  row.kv_bytes = sums.kv_bytes / n;
  row.peak_kv_bytes = sums.peak_kv_bytes / n;
  if (sums.with_energy > 0) row.joules = sums.joules / static_cast<double>(sums.with_energy);
  row.itl = spread(sums.itl);
  if (sums.with_cached > 0)
    row.said_cached = sums.said_cached / static_cast<double>(sums.with_cached);
  row.seconds = ratio_mean(values(sums.by_session));
  return row;
}

std::vector<CostRow> cost_rows(const Calibration& calibration, const Tables& tables) {
  const CalibrationDesign& design = calibration.design;
  std::map<std::tuple<int, int, int, int>, CostSums> cells;  // mode, length, method, turn
  for (const SessionSample& sample : calibration.sessions) {
    const SampleKey& key = sample.key;
    if (key.warm_up) continue;
    if (sample.context) {
      CostSums& sums = cells[{key.mode, key.length, key.method, kContext}];
      add_cost(*sample.context, key.session, sums);
      sums.new_tokens += static_cast<double>(sample.context_tokens);
    }
    for (const TurnSample& turn : sample.turns) {
      CostSums& sums = cells[{key.mode, key.length, key.method, turn.turn}];
      add_cost(turn.cost, key.session, sums);
      if (turn.ttft_seconds) sums.ttft.push_back(*turn.ttft_seconds);
      sums.decode.push_back(turn.decode_seconds);
      sums.decoded += static_cast<double>(std::max<std::int64_t>(turn.output_tokens - 1, 0));
      sums.new_tokens += static_cast<double>(turn.new_tokens);
      sums.cached_tokens += static_cast<double>(turn.cached_tokens);
      sums.output_tokens += static_cast<double>(turn.output_tokens);
      if (turn.server) add_server(*turn.server, sums);
    }
  }
  std::vector<CostRow> rows;
  for (auto& [key, sums] : cells) {
    const auto& [mode, length, method, turn] = key;
    const auto m = static_cast<std::size_t>(method);
    CostRow& row = rows.emplace_back(cost_row(sums));
    row.cell = {"",
                std::string(kSessionModeNames[static_cast<std::size_t>(
                    design.modes[static_cast<std::size_t>(mode)])]),
                tables.methods[m], design.lengths[static_cast<std::size_t>(length)], turn};
    row.emulated = design.methods[m].emulated;
  }
  return rows;
}

std::vector<OperatorRow> operator_rows(const Calibration& calibration) {
  std::vector<OperatorRow> rows;
  for (const OperatorSample& sample : calibration.operators) {
    std::vector<double> seconds = sample.seconds;
    OperatorRow& row = rows.emplace_back(OperatorRow{operator_key(sample), spread(seconds)});
    if (row.seconds.median <= 0) continue;
    row.bytes_per_second =
        static_cast<double>(sample.bytes_read + sample.bytes_written) / row.seconds.median;
    row.operations_per_second = sample.operations / row.seconds.median;
  }
  std::ranges::sort(rows, {}, &OperatorRow::key);
  return rows;
}

std::vector<std::string> notes_of(const Tables& tables, bool partial) {
  const CalibrationDesign& design = tables.design;
  std::vector<std::string> notes = design.honesty;
  if (design.model.random_weights)
    notes.push_back("random weights: the model was never trained; its scores mean nothing");
  for (std::size_t i = 0; i < design.methods.size(); ++i) {
    if (design.methods[i].emulated) {
      notes.push_back("emulated: " + tables.methods[i] +
                      " is done by masking; its seconds and bytes are not those of the method");
    }
  }
  if (partial || tables.sessions < tables.planned) {
    notes.push_back("not complete: " + std::to_string(tables.sessions) + " of " +
                    std::to_string(tables.planned) + " samples");
  }
  return notes;
}

}  // namespace

std::vector<std::string> method_labels(const CalibrationDesign& design) {
  std::vector<std::string> labels;
  for (const CalibrationMethod& method : design.methods)
    labels.push_back(method.name + (method.preset.empty() ? "" : " " + method.preset));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (std::ranges::count(labels, labels[i]) < 2) continue;
    const std::string same = labels[i];
    std::vector<std::size_t> alike;
    for (std::size_t j = i; j < labels.size(); ++j) {
      if (labels[j] == same) alike.push_back(j);
    }
    for (const auto& parameter : design.methods[i].parameters) {  // by what tells them apart
      if (std::ranges::all_of(alike, [&](std::size_t j) {
            return std::ranges::count(design.methods[j].parameters, parameter) > 0;
          })) {
        continue;
      }
      for (const std::size_t j : alike) {
        const auto given = std::ranges::find(design.methods[j].parameters, parameter.first,
                                             &std::pair<std::string, std::string>::first);
        if (given == design.methods[j].parameters.end()) continue;
        labels[j].append(" ").append(given->first).append("=").append(given->second);
      }
    }
  }
  return labels;
}

std::string turn_name(int turn) {
  if (turn == kAllTurns) return "all";
  if (turn == kContext) return "context";
  return std::to_string(turn + 1);
}

std::vector<std::string> task_notes(const CalibrationDesign& design, std::string_view task) {
  std::vector<std::string> notes;
  for (const CalibrationTask& from : design.tasks) {
    if (from.name != task && !task.starts_with(from.name + "/")) continue;
    if (!from.source.empty()) notes.push_back(from.name + ": " + from.source);
    for (const std::string& note : from.notes) notes.push_back(from.name + ": " + note);
  }
  return notes;
}

std::vector<std::string> score_notes(const Tables& tables) {
  std::vector<std::string> notes = tables.notes;
  for (const CalibrationTask& task : tables.design.tasks) {
    for (std::string& note : task_notes(tables.design, task.name)) notes.push_back(std::move(note));
  }
  return notes;
}

Tables make_tables(const Calibration& calibration, std::string path, bool partial) {
  const CalibrationDesign& design = calibration.design;
  Tables tables;
  tables.path = std::move(path);
  tables.design = design;
  tables.methods = method_labels(design);
  for (const SessionSample& sample : calibration.sessions)
    ++(sample.key.warm_up ? tables.warm_ups : tables.sessions);
  tables.planned = design.methods.size() * design.tasks.size() * design.modes.size() *
                   design.lengths.size() * static_cast<std::size_t>(design.sessions) *
                   static_cast<std::size_t>(design.repeats);
  tables.notes = notes_of(tables, partial);
  tables.scores = score_rows(calibration, tables);
  tables.costs = cost_rows(calibration, tables);
  tables.operators = operator_rows(calibration);
  return tables;
}

}  // namespace scsim::exec
