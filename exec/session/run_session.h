// Runs one shared-context session with one method on a model, the way SCBench does, and records
// what each turn cost and said.
//
//   SessionRecord record = *run_session(model, tokenizer, session, method, options);
//   record.turns[2].times.seconds[...];
//
// Multi-turn mode: turn t is prefilled behind the context and all earlier turns. The model's own
// answer is decoded on a fork of the cache and dropped; the golden answer takes its place in front
// of the next question (SCBench's way, so that errors do not add up), or with `golden_answers` off
// the own answer stays in the cache. Multi-request mode: the context is prefilled once without any
// question, and each request forks it, decodes, and drops its fork.
//
// A turn's clock runs from the arrival of its question to the last token of its answer. What is
// measured beside it (the likelihood of the golden answer) happens on a fork outside of the clock.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exec/api/measure.h"
#include "exec/model/model.h"
#include "exec/session/likelihood.h"
#include "exec/session/token_session.h"
#include "exec/text/tokenizer.h"
#include "traces/expected.h"

namespace scsim::exec {

struct TurnRecord {
  std::int64_t fresh_tokens = 0;   // prefilled in this turn, after rewriting
  std::int64_t cached_tokens = 0;  // in the cache before, likewise, for the start of the prompt
  std::vector<std::int32_t> output;
  std::string text;            // of the output, without end tokens and without what follows a stop
  bool reached_stop = false;   // one of the turn's stops ended it
  bool reached_limit = false;  // max_new_tokens ended it
  StageTimes times;
  PerStage<StageCounts> counts{};
  double ttft = 0;            // seconds from the question to the first token
  double decode_seconds = 0;  // from the first token to the last
  std::int64_t cache_bytes =
      0;                        // of the session's cache behind the prompt, method's state included
  std::int64_t peak_bytes = 0;  // of all KV while the turn ran
  // Where meters are at hand (exec/session/meters.h).
  std::optional<std::int64_t> peak_memory_bytes;
  std::vector<std::pair<std::string, double>> energy_joules;
  std::optional<AnswerLikelihood> likelihood;  // of the golden answer
  std::optional<FullAgreement> agreement;      // with the reference
  at::Tensor target_logits;                    // [target tokens, vocabulary]; undefined unless kept
};

struct SessionOptions {
  bool golden_answers = true;
  bool measure_likelihood = true;
  bool keep_logits = false;  // TurnRecord::target_logits: what others are compared with
  // Logits of full attention behind the same tokens, one tensor a turn; null: not compared.
  const std::vector<at::Tensor>* reference = nullptr;
  bool decode = true;  // false: prompts and likelihoods only
  // What methods that rewrite prompts ask; null: made for the session, which opens other models
  // anew.
  PromptTools* tools = nullptr;
  // Called around each turn, outside of its clock: for meters of energy and memory.
  std::function<void()> before_turn = nullptr;
  std::function<void(TurnRecord&)> after_turn = nullptr;
  // Hears each piece of the answer as soon as it is known; null: nobody listens.
  std::function<void(std::size_t turn, std::string_view text)> on_text = nullptr;
};

struct SessionRecord {
  // Where there is a context: its prefill, which no turn pays for.
  std::optional<TurnRecord> context;
  std::vector<TurnRecord> turns;
};

// `timeline` is the clock. REQUIRES: a turn has a prompt. Errors: a token outside the vocabulary,
// no page left.
Expected<SessionRecord> run_session(Model& model, const Tokenizer& tokenizer, Timeline& timeline,
                                    const TokenSession& session, MethodRuntime& method,
                                    const SessionOptions& options);

}  // namespace scsim::exec
