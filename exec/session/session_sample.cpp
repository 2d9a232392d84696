#include "exec/session/session_sample.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "exec/scorers/scorer.h"

namespace scsim::exec {
namespace {

TurnSample begin_turn(const TaskSession& session, std::size_t t) {
  TurnSample sample;
  sample.turn = static_cast<int>(t);
  sample.sub_task = session.turns[t].sub_task;
  sample.golden = session.turns[t].answers;
  return sample;
}

TurnSample make_turn(const TaskSession& session, const EncodedSession& encoded, std::size_t t,
                     const TurnRecord& record) {
  TurnSample sample = begin_turn(session, t);
  sample.new_tokens = record.fresh_tokens;
  sample.cached_tokens = record.cached_tokens;
  sample.output_tokens = static_cast<std::int64_t>(record.output.size());
  sample.max_new_tokens = encoded.tokens.turns[t].max_new_tokens;
  sample.hit_limit = record.reached_limit;
  keep_prediction(record.text, kMostPredictionBytes, sample);
  sample.likelihood = record.likelihood;
  sample.agreement = record.agreement;
  sample.answer_survived = encoded.answer_survived[t];
  if (!record.output.empty()) sample.ttft_seconds = record.ttft;
  sample.decode_seconds = record.decode_seconds;
  sample.cost = make_cost(record);
  return sample;
}

TurnSample make_server_turn(const TaskSession& session, const WordedSession& worded, std::size_t t,
                            const RemoteAnswer& answer, const Tokenizer& counter) {
  TurnSample sample = begin_turn(session, t);
  ServerTurn server{.itl_seconds = answer.itl_seconds,
                    .prompt_tokens = 0,
                    .completion_tokens = 0,
                    .cached_tokens = std::nullopt,
                    .finish_reason = answer.finish_reason,
                    .error = ""};
  std::int64_t prompt_tokens = worded.prompt_tokens[t];
  std::optional<std::int64_t> output_tokens;
  if (answer.usage) {
    server.prompt_tokens = prompt_tokens = answer.usage->prompt_tokens;
    server.completion_tokens = answer.usage->completion_tokens;
    server.cached_tokens = answer.usage->cached_tokens;
    // What it said behind a stop is not of the answer.
    if (!answer.went_on) output_tokens = answer.usage->completion_tokens;
  }
  if (!output_tokens) {
    output_tokens = std::ssize(counter.encode(answer.text, SpecialTokens::kAsText));
  }
  sample.cached_tokens =
      std::clamp<std::int64_t>(server.cached_tokens.value_or(0), 0, prompt_tokens);
  sample.new_tokens = prompt_tokens - sample.cached_tokens;
  sample.output_tokens = *output_tokens;
  sample.max_new_tokens = worded.plan.turns[t].max_new_tokens;
  sample.hit_limit = answer.finish_reason == "length" && !answer.went_on;
  keep_prediction(answer.text, kMostPredictionBytes, sample);
  sample.answer_survived = worded.answer_survived[t];
  sample.ttft_seconds = answer.ttft_seconds;
  sample.decode_seconds =
      std::accumulate(answer.itl_seconds.begin(), answer.itl_seconds.end(), 0.0);
  sample.cost.total_seconds = answer.total_seconds;
  StageCost& other = sample.cost.stages[static_cast<std::size_t>(Stage::kOther)];
  other.seconds = answer.total_seconds;
  other.entries = 1;
  sample.server = std::move(server);
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

Expected<void> score_turns(const TaskSession& session, SessionMode mode, SessionSample& sample) {
  for (TurnSample& turn : sample.turns) {
    const auto t = static_cast<std::size_t>(turn.turn);
    if (const auto scored = score_turn(session, t, mode, turn); !scored) {
      return Error{session.task + ", " + session.id + ", turn " + std::to_string(t) + ": " +
                   scored.error().message};
    }
  }
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
    sample.turns.push_back(make_turn(session, encoded, t, record.turns[t]));
  }
  if (const auto scored = score_turns(session, encoded.tokens.mode, sample); !scored)
    return scored.error();
  return sample;
}

Expected<SessionSample> make_server_sample(const TaskSession& session, const WordedSession& worded,
                                           const std::vector<RemoteAnswer>& answers,
                                           const Tokenizer& counter) {
  SessionSample sample;
  sample.context_tokens = worded.context_tokens;
  sample.truncated_tokens = worded.truncated_tokens;
  for (std::size_t t = 0; t < answers.size(); ++t) {
    sample.turns.push_back(make_server_turn(session, worded, t, answers[t], counter));
  }
  if (const auto scored = score_turns(session, worded.mode, sample); !scored) return scored.error();
  return sample;
}

}  // namespace scsim::exec
