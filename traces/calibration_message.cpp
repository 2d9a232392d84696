// Samples as messages, and what must be true of one that is read.
#include "traces/calibration_message.h"

#include <algorithm>
#include <cmath>

#include "traces/text.h"

namespace scsim {
namespace {

bool whole(std::initializer_list<std::int64_t> numbers) { return std::min(numbers) >= 0; }

bool amount(double value) { return std::isfinite(value) && value >= 0; }

void fill_cost(const SampleCost& cost, proto::CalibrationCost& message) {
  message.set_total_seconds(cost.total_seconds);
  for (std::size_t i = 0; i < kNumStages; ++i) {
    const StageCost& stage = cost.stages[i];
    if (stage == StageCost{}) continue;
    proto::CalibrationStageCost& to = *message.add_stages();
    to.set_stage(static_cast<proto::CalibrationStage>(i));
    to.set_seconds(stage.seconds);
    to.set_entries(stage.entries);
    to.set_tokens(stage.tokens);
    to.set_attended_pairs(stage.attended_pairs);
    to.set_operations(stage.operations);
    to.set_bytes_read(stage.bytes_read);
    to.set_bytes_allocated(stage.bytes_allocated);
    to.set_bytes_freed(stage.bytes_freed);
    to.set_bytes_moved(stage.bytes_moved);
  }
  message.set_kv_bytes(cost.kv_bytes);
  message.set_peak_kv_bytes(cost.peak_kv_bytes);
  if (cost.peak_memory_bytes) message.set_peak_memory_bytes(*cost.peak_memory_bytes);
  for (const auto& [source, joules] : cost.energy_joules) {
    proto::CalibrationEnergy& to = *message.add_energy();
    to.set_source(valid_utf8(source));
    to.set_joules(joules);
  }
  for (const auto& [name, value] : cost.covariates) {
    proto::CalibrationCovariate& to = *message.add_covariates();
    to.set_name(valid_utf8(name));
    to.set_value(value);
  }
}

Expected<SampleCost> take_cost(const proto::CalibrationCost& message) {
  SampleCost cost;
  cost.total_seconds = message.total_seconds();
  cost.kv_bytes = message.kv_bytes();
  cost.peak_kv_bytes = message.peak_kv_bytes();
  bool sane = amount(cost.total_seconds) && whole({cost.kv_bytes, cost.peak_kv_bytes});
  for (const proto::CalibrationStageCost& from : message.stages()) {
    if (from.stage() < 0 || from.stage() >= static_cast<int>(kNumStages))
      return Error{"a stage that this version does not know"};
    StageCost& stage = cost.stages[static_cast<std::size_t>(from.stage())];
    stage = {from.seconds(),         from.entries(),     from.tokens(),
             from.attended_pairs(),  from.operations(),  from.bytes_read(),
             from.bytes_allocated(), from.bytes_freed(), from.bytes_moved()};
    sane &= amount(stage.seconds) && amount(stage.operations) &&
            whole({stage.entries, stage.tokens, stage.attended_pairs, stage.bytes_read,
                   stage.bytes_allocated, stage.bytes_freed, stage.bytes_moved});
  }
  if (message.has_peak_memory_bytes()) {
    cost.peak_memory_bytes = message.peak_memory_bytes();
    sane &= whole({*cost.peak_memory_bytes});
  }
  for (const proto::CalibrationEnergy& from : message.energy()) {
    cost.energy_joules.emplace_back(from.source(), from.joules());
    sane &= amount(from.joules());
  }
  for (const proto::CalibrationCovariate& from : message.covariates())
    cost.covariates.emplace_back(from.name(), from.value());
  if (!sane) return Error{"a cost that is negative or no number"};
  return cost;
}

void fill_server(const ServerTurn& server, proto::CalibrationServerTurn& message) {
  message.mutable_itl_seconds()->Add(server.itl_seconds.begin(), server.itl_seconds.end());
  message.set_prompt_tokens(server.prompt_tokens);
  message.set_completion_tokens(server.completion_tokens);
  if (server.cached_tokens) message.set_cached_tokens(*server.cached_tokens);
  message.set_finish_reason(valid_utf8(server.finish_reason));
  message.set_error(valid_utf8(server.error));
}

Expected<ServerTurn> take_server(const proto::CalibrationServerTurn& message) {
  ServerTurn server;
  server.itl_seconds.assign(message.itl_seconds().begin(), message.itl_seconds().end());
  server.prompt_tokens = message.prompt_tokens();
  server.completion_tokens = message.completion_tokens();
  if (message.has_cached_tokens()) server.cached_tokens = message.cached_tokens();
  server.finish_reason = message.finish_reason();
  server.error = message.error();
  if (!std::ranges::all_of(server.itl_seconds, amount) ||
      !whole({server.prompt_tokens, server.completion_tokens, server.cached_tokens.value_or(0)})) {
    return Error{"a server's answer with a time or a count that is negative or no number"};
  }
  return server;
}

void fill_turn(const TurnSample& turn, proto::CalibrationTurn& message) {
  message.set_turn(turn.turn);
  message.set_sub_task(valid_utf8(turn.sub_task));
  message.set_new_tokens(turn.new_tokens);
  message.set_cached_tokens(turn.cached_tokens);
  message.set_output_tokens(turn.output_tokens);
  message.set_max_new_tokens(turn.max_new_tokens);
  message.set_hit_limit(turn.hit_limit);
  message.set_prediction(valid_utf8(turn.prediction));
  message.set_prediction_bytes_cut(turn.prediction_bytes_cut);
  for (const std::string& golden : turn.golden) message.add_golden(valid_utf8(golden));
  if (turn.score_compat) message.set_score_compat(*turn.score_compat);
  if (turn.score_strict) message.set_score_strict(*turn.score_strict);
  if (turn.likelihood) {
    message.set_golden_nll(turn.likelihood->nats);
    message.set_golden_tokens(turn.likelihood->tokens);
  }
  if (turn.agreement) {
    message.set_compared_tokens(turn.agreement->tokens);
    message.set_agreed_tokens(turn.agreement->agreed);
    message.set_kl_sum(turn.agreement->kl_sum);
    if (turn.agreement->kl_quarters)
      message.mutable_kl_quarters()->Add(turn.agreement->kl_quarters->begin(),
                                         turn.agreement->kl_quarters->end());
  }
  if (turn.answer_survived) message.set_answer_survived(*turn.answer_survived);
  if (turn.ttft_seconds) message.set_ttft_seconds(*turn.ttft_seconds);
  message.set_decode_seconds(turn.decode_seconds);
  fill_cost(turn.cost, *message.mutable_cost());
  if (turn.server) fill_server(*turn.server, *message.mutable_server());
}

bool is_score(std::optional<double> score) { return !score || (*score >= 0 && *score <= 1); }

Expected<TurnSample> take_turn(const proto::CalibrationTurn& message) {
  TurnSample turn;
  turn.turn = message.turn();
  turn.sub_task = message.sub_task();
  turn.new_tokens = message.new_tokens();
  turn.cached_tokens = message.cached_tokens();
  turn.output_tokens = message.output_tokens();
  turn.max_new_tokens = message.max_new_tokens();
  turn.hit_limit = message.hit_limit();
  turn.prediction = message.prediction();
  turn.prediction_bytes_cut = message.prediction_bytes_cut();
  turn.golden.assign(message.golden().begin(), message.golden().end());
  if (message.has_score_compat()) turn.score_compat = message.score_compat();
  if (message.has_score_strict()) turn.score_strict = message.score_strict();
  if (message.has_golden_nll()) turn.likelihood = {message.golden_nll(), message.golden_tokens()};
  if (message.compared_tokens() != 0)
    turn.agreement = {message.compared_tokens(), message.agreed_tokens(), message.kl_sum()};
  if (const auto& quarters = message.kl_quarters(); !quarters.empty()) {
    if (!turn.agreement || quarters.size() != 4 ||
        !std::ranges::all_of(quarters, [](double nats) { return std::isfinite(nats); }))
      return Error{"a divergence by quarters that are not four numbers beside their sum"};
    std::ranges::copy(quarters, turn.agreement->kl_quarters.emplace().begin());
  }
  if (message.has_answer_survived()) turn.answer_survived = message.answer_survived();
  if (message.has_ttft_seconds()) turn.ttft_seconds = message.ttft_seconds();
  turn.decode_seconds = message.decode_seconds();
  if (turn.turn < 0 ||
      !whole({turn.new_tokens, turn.cached_tokens, turn.output_tokens, turn.max_new_tokens,
              turn.prediction_bytes_cut, message.golden_tokens()}) ||
      !amount(turn.decode_seconds) || !amount(turn.ttft_seconds.value_or(0))) {
    return Error{"a turn with a count or a time that is negative or no number"};
  }
  if (!is_score(turn.score_compat) || !is_score(turn.score_strict))
    return Error{"a score that is not in 0..1"};
  if (turn.likelihood && (turn.likelihood->tokens == 0 || std::isnan(turn.likelihood->nats)))
    return Error{"a likelihood of no tokens, or that is no number"};
  if (turn.agreement &&
      (turn.agreement->tokens < 0 || turn.agreement->agreed < 0 ||
       turn.agreement->agreed > turn.agreement->tokens || std::isnan(turn.agreement->kl_sum))) {
    return Error{"an agreement of more tokens than were compared"};
  }
  Expected<SampleCost> cost = take_cost(message.cost());
  if (!cost) return cost.error();
  turn.cost = std::move(*cost);
  if (message.has_server()) {
    Expected<ServerTurn> server = take_server(message.server());
    if (!server) return server.error();
    turn.server = std::move(*server);
  }
  return turn;
}

bool within(int position, std::size_t size) {
  return position >= 0 && static_cast<std::size_t>(position) < size;
}

bool lies_in(const SampleKey& key, const CalibrationDesign& design) {
  return key.session >= 0 && key.repeat >= 0 && within(key.method, design.methods.size()) &&
         within(key.task, design.tasks.size()) && within(key.mode, design.modes.size()) &&
         within(key.length, design.lengths.size());
}

}  // namespace

void fill_session(const SessionSample& sample, proto::CalibrationSession& message) {
  proto::CalibrationKey& key = *message.mutable_key();
  key.set_session(sample.key.session);
  key.set_repeat(sample.key.repeat);
  key.set_method(sample.key.method);
  key.set_task(sample.key.task);
  key.set_mode(sample.key.mode);
  key.set_length(sample.key.length);
  key.set_warm_up(sample.key.warm_up);
  message.set_order(sample.order);
  message.set_began_unix_ns(sample.began_unix_ns);
  message.set_context_tokens(sample.context_tokens);
  message.set_truncated_tokens(sample.truncated_tokens);
  for (const TurnSample& turn : sample.turns) fill_turn(turn, *message.add_turns());
  if (sample.context) fill_cost(*sample.context, *message.mutable_context());
}

Expected<SessionSample> take_session(const proto::CalibrationSession& message,
                                     const CalibrationDesign& design) {
  SessionSample sample;
  const proto::CalibrationKey& key = message.key();
  sample.key = {key.session(), key.repeat(), key.method(), key.task(),
                key.mode(),    key.length(), key.warm_up()};
  if (!lies_in(sample.key, design))
    return Error{"a sample of a session, method, task, mode or length that is not in the design"};
  sample.order = message.order();
  sample.began_unix_ns = message.began_unix_ns();
  sample.context_tokens = message.context_tokens();
  sample.truncated_tokens = message.truncated_tokens();
  if (!whole({sample.order, sample.context_tokens, sample.truncated_tokens}))
    return Error{"a sample with a negative count"};
  for (const proto::CalibrationTurn& from : message.turns()) {
    Expected<TurnSample> turn = take_turn(from);
    if (!turn) return turn.error();
    sample.turns.push_back(std::move(*turn));
  }
  if (message.has_context()) {
    Expected<SampleCost> context = take_cost(message.context());
    if (!context) return context.error();
    sample.context = std::move(*context);
  }
  return sample;
}

void fill_operator(const OperatorSample& sample, proto::CalibrationOperator& message) {
  message.set_name(valid_utf8(sample.name));
  message.set_implementation(valid_utf8(sample.implementation));
  message.set_type(valid_utf8(sample.type));
  message.mutable_new_tokens()->Add(sample.new_tokens.begin(), sample.new_tokens.end());
  message.mutable_cached_tokens()->Add(sample.cached_tokens.begin(), sample.cached_tokens.end());
  message.set_query_heads(sample.query_heads);
  message.set_kv_heads(sample.kv_heads);
  message.set_head_dim(sample.head_dim);
  for (const auto& [name, value] : sample.dimensions) {
    proto::CalibrationDimension& to = *message.add_dimensions();
    to.set_name(valid_utf8(name));
    to.set_value(value);
  }
  message.mutable_seconds()->Add(sample.seconds.begin(), sample.seconds.end());
  message.set_bytes_read(sample.bytes_read);
  message.set_bytes_written(sample.bytes_written);
  message.set_operations(sample.operations);
  message.set_attended_pairs(sample.attended_pairs);
  if (sample.largest_error) message.set_largest_error(*sample.largest_error);
  message.set_began_unix_ns(sample.began_unix_ns);
}

Expected<OperatorSample> take_operator(const proto::CalibrationOperator& message) {
  OperatorSample sample;
  sample.name = message.name();
  sample.implementation = message.implementation();
  sample.type = message.type();
  sample.new_tokens.assign(message.new_tokens().begin(), message.new_tokens().end());
  sample.cached_tokens.assign(message.cached_tokens().begin(), message.cached_tokens().end());
  sample.query_heads = message.query_heads();
  sample.kv_heads = message.kv_heads();
  sample.head_dim = message.head_dim();
  for (const proto::CalibrationDimension& from : message.dimensions())
    sample.dimensions.emplace_back(from.name(), from.value());
  sample.seconds.assign(message.seconds().begin(), message.seconds().end());
  sample.bytes_read = message.bytes_read();
  sample.bytes_written = message.bytes_written();
  sample.operations = message.operations();
  sample.attended_pairs = message.attended_pairs();
  if (message.has_largest_error()) sample.largest_error = message.largest_error();
  sample.began_unix_ns = message.began_unix_ns();
  const auto not_negative = [](std::int64_t value) { return value >= 0; };
  if (!std::ranges::all_of(sample.seconds, amount) || !amount(sample.operations) ||
      !std::ranges::all_of(sample.new_tokens, not_negative) ||
      !std::ranges::all_of(sample.cached_tokens, not_negative) ||
      !whole({sample.bytes_read, sample.bytes_written, sample.attended_pairs})) {
    return Error{"a sample of an operator with a number that is negative or none"};
  }
  return sample;
}

}  // namespace scsim
