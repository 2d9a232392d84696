#include "exec/session/session_sample.h"

#include "exec/scorers/scorer.h"

namespace scsim::exec {
namespace {

TurnSample make_turn(const TaskSession& session, const EncodedSession& encoded, std::size_t t,
                     const TurnRecord& record) {
  const Turn& turn = session.turns[t];
  TurnSample sample;
  sample.turn = static_cast<int>(t);
  sample.sub_task = turn.sub_task;
  sample.new_tokens = record.fresh_tokens;
  sample.cached_tokens = record.cached_tokens;
  sample.output_tokens = static_cast<std::int64_t>(record.output.size());
  sample.max_new_tokens = encoded.tokens.turns[t].max_new_tokens;
  sample.hit_limit = record.reached_limit;
  keep_prediction(record.text, kMostPredictionBytes, sample);
  sample.golden = turn.answers;
  sample.likelihood = record.likelihood;
  sample.agreement = record.agreement;
  sample.answer_survived = encoded.answer_survived[t];
  if (!record.output.empty()) sample.ttft_seconds = record.ttft;
  sample.decode_seconds = record.decode_seconds;
  sample.cost = make_cost(record);
  return sample;
}

Expected<void> score_turn(const TaskSession& session, std::size_t t, SessionMode mode,
                          TurnSample& sample) {
  const Turn& turn = session.turns[t];
  const ScoredTurn scored{.prediction = sample.prediction,
                          .answers = turn.answers,
                          .options = turn.options,
                          .task = turn.sub_task,
                          .language = session.language,
                          .function_name = turn.function_name,
                          .needles = session.needles,
                          .mode = mode};
  const Expected<double> compat = score(session.task, ScoreRule::kScbenchCompat, scored);
  if (!compat) return compat.error();
  const Expected<double> strict = score(session.task, ScoreRule::kStrict, scored);
  if (!strict) return strict.error();
  sample.score_compat = *compat;
  sample.score_strict = *strict;
  return {};
}

}  // namespace

SampleCost make_cost(const TurnRecord& record) {
  SampleCost cost;
  cost.total_seconds = record.times.total;
  for (std::size_t i = 0; i < kNumStages; ++i) {
    const StageCounts& counts = record.counts[i];
    cost.stages[i] = {.seconds = record.times.seconds[i],
                      .entries = record.times.entries[i],
                      .tokens = counts.tokens,
                      .attended_pairs = counts.attended_pairs,
                      .operations = counts.operations,
                      .bytes_read = counts.bytes_read,
                      .bytes_allocated = counts.bytes_allocated,
                      .bytes_freed = counts.bytes_freed,
                      .bytes_moved = counts.bytes_moved};
  }
  cost.kv_bytes = record.cache_bytes;
  cost.peak_kv_bytes = record.peak_bytes;
  cost.energy_joules = record.energy_joules;
  cost.peak_memory_bytes = record.peak_memory_bytes;
  return cost;
}

Expected<SessionSample> make_sample(const TaskSession& session, const EncodedSession& encoded,
                                    const SessionRecord& record) {
  SessionSample sample;
  sample.context_tokens = encoded.context_tokens;
  sample.truncated_tokens = encoded.truncated_tokens;
  if (record.context) sample.context = make_cost(*record.context);
  for (std::size_t t = 0; t < record.turns.size(); ++t) {
    TurnSample turn = make_turn(session, encoded, t, record.turns[t]);
    if (const auto scored = score_turn(session, t, encoded.tokens.mode, turn); !scored) {
      return Error{session.task + ", " + session.id + ", turn " + std::to_string(t) + ": " +
                   scored.error().message};
    }
    sample.turns.push_back(std::move(turn));
  }
  return sample;
}

}  // namespace scsim::exec
