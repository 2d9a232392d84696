#include "exec/session/run_session.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "exec/session/prompt_models.h"
#include "traces/check.h"

namespace scsim::exec {
namespace {

// A cache and the tokens it was made of: what a prompt can find again.
struct CachedTokens {
  KvCache cache;
  std::vector<std::int32_t> tokens;
};

std::int32_t greedy(const at::Tensor& logits) {
  return static_cast<std::int32_t>(logits.argmax(-1).item<std::int64_t>());
}

class SessionRun {
 public:
  SessionRun(Model& model, const Tokenizer& tokenizer, Timeline& timeline,
             const TokenSession& session, MethodRuntime& method, const SessionOptions& options)
      : model_(model),
        tokenizer_(tokenizer),
        timeline_(timeline),
        clock_(timeline),
        session_(session),
        method_(method),
        options_(options),
        own_tools_(model, tokenizer),
        tools_(options.tools != nullptr ? *options.tools : own_tools_) {}

  Expected<SessionRecord> run() {
    if (const auto ready = method_.prepare(tools_); !ready) return ready.error();
    CachedTokens held{.cache = model_.make_cache(), .tokens = {}};
    std::vector<std::int32_t> conversation = session_.context;
    std::vector<TokenRange> documents = session_.documents;  // of the conversation
    const bool grows = session_.mode == SessionMode::kMultiTurn && !session_.whole_prompts;
    if (!session_.context.empty()) {
      if (const auto done = prefill_context(held); !done) return done.error();
    }
    for (std::size_t t = 0; t < session_.turns.size(); ++t) {
      const TokenTurn& turn = session_.turns[t];
      std::vector<std::int32_t> prompt = grows ? conversation : session_.context;
      prompt.insert(prompt.end(), turn.prompt.begin(), turn.prompt.end());
      SCSIM_CHECK(!prompt.empty());
      std::vector<TokenRange> known = grows ? documents : session_.documents;
      const std::int64_t before = std::ssize(prompt) - std::ssize(turn.prompt);
      for (const TokenRange& document : turn.documents) {
        known.push_back({.begin = before + document.begin, .end = before + document.end});
      }
      if (const auto done = run_turn(t, {prompt, known}, held); !done) return done.error();
      if (!grows) continue;
      documents = std::move(known);
      conversation = std::move(prompt);
      append_answer(turn, conversation);
    }
    return std::move(record_);
  }

 private:
  // Starts the clock for `record`; gives the moment.
  std::size_t begin(TurnRecord& record) {
    record.counts = {};
    if (options_.before_turn) options_.before_turn();
    clock_.start();
    return timeline_.mark();
  }

  void end(TurnRecord& record) {
    record.times = clock_.stop();
    if (options_.after_turn) options_.after_turn(record);
  }

  Expected<void> prefill_context(CachedTokens& held) {
    TurnRecord record;
    begin(record);
    Measure measure{clock_, record.counts};
    const auto logits = prefill({session_.context, session_.documents}, held, record, measure);
    end(record);
    if (!logits) return logits.error();
    finish(held.cache, record);
    record_.context = std::move(record);
    return {};
  }

  Expected<void> run_turn(std::size_t t, const RecalledPrompt& prompt, CachedTokens& held) {
    TurnRecord record;
    const std::size_t arrived = begin(record);
    Measure measure{clock_, record.counts};
    // What the turn leaves for the next one: in multi-turn mode the conversation so far, in
    // multi-request mode nothing.
    CachedTokens working{.cache = held.cache.fork(), .tokens = held.tokens};
    const Expected<at::Tensor> logits = prefill(prompt, working, record, measure);
    if (!logits) return stop_with(logits.error());
    std::optional<KvCache> before;  // the prompt's cache, for what is measured outside of the clock
    if (options_.measure_likelihood) before.emplace(working.cache.fork());
    std::optional<KvCache> answer;
    const bool keeps_own = session_.mode == SessionMode::kMultiTurn && !options_.golden_answers;
    if (!keeps_own) answer.emplace(working.cache.fork());
    KvCache& decoding = keeps_own ? working.cache : *answer;
    if (options_.decode) {
      const auto decoded = decode(t, *logits, decoding, arrived, record, measure);
      if (!decoded) return stop_with(decoded.error());
    }
    end(record);
    if (keeps_own) {
      // The last token was said and not read: it is not in the cache.
      working.tokens.insert(working.tokens.end(), record.output.begin(),
                            record.output.empty() ? record.output.end() : record.output.end() - 1);
    }
    answer.reset();
    if (before) {
      if (const auto done = measure_target(t, *logits, *before, record); !done) return done.error();
      finish(*before, record);
      before.reset();
    } else {
      finish(working.cache, record);
    }
    if (session_.mode == SessionMode::kMultiTurn) held = std::move(working);
    record_.turns.push_back(std::move(record));
    return {};
  }

  // Finds what `held` has of the prompt, and what the method knows of it from others, prefills the
  // rest behind it; gives the last token's logits.
  Expected<at::Tensor> prefill(const RecalledPrompt& prompt, CachedTokens& held, TurnRecord& record,
                               Measure& measure) {
    const Expected<std::int64_t> found = retrieve(prompt, held, measure);
    if (!found) return found.error();
    SCSIM_CHECK_LT(*found, std::ssize(prompt.tokens));
    record.cached_tokens = held.cache.tokens_seen();
    const Expected<std::vector<std::int32_t>> rest = rewrite(prompt, *found, measure);
    if (!rest) return rest.error();
    record.fresh_tokens = std::ssize(*rest);
    Expected<at::Tensor> logits = model_.prefill(*rest, held.cache, method_, measure);
    if (!logits) return logits;
    held.tokens.assign(prompt.tokens.begin(), prompt.tokens.end());
    const MeasuredStage stage(measure, Stage::kRetrieval);
    method_.remember(held.cache, prompt.tokens, measure);
    return logits;
  }

  // How many of the prompt's first tokens the cache stands for now.
  Expected<std::int64_t> retrieve(const RecalledPrompt& prompt, CachedTokens& held,
                                  Measure& measure) {
    const MeasuredStage stage(measure, Stage::kRetrieval);
    std::int64_t found = 0;
    if (held.cache.tokens_seen() > 0) {
      found = method_.retrieve(held.cache, held.tokens, prompt.tokens, measure);
      if (found == 0) {
        held.cache = model_.make_cache();
      } else if (found < std::ssize(held.tokens)) {
        held.cache = held.cache.fork_prefix(found);
      }
    }
    const std::int64_t before = held.cache.tokens_seen();
    const auto recalled =
        method_.recall(held.cache, prompt, model_.prefill_alone(measure), measure);
    if (!recalled) return recalled.error();
    measure.now().tokens += held.cache.tokens_seen();
    return found + held.cache.tokens_seen() - before;
  }

  // What is prefilled of the tokens behind the first `found`.
  Expected<std::vector<std::int32_t>> rewrite(const RecalledPrompt& prompt, std::int64_t found,
                                              Measure& measure) {
    std::vector<TokenRange> documents;
    for (const TokenRange& document : prompt.documents) {
      if (document.end <= found) continue;
      documents.push_back({.begin = std::max<std::int64_t>(0, document.begin - found),
                           .end = document.end - found});
    }
    return method_.rewrite_prompt(
        {prompt.tokens.subspan(static_cast<std::size_t>(found)), documents}, found == 0, tools_,
        measure);
  }

  Expected<void> decode(std::size_t t, const at::Tensor& first_logits, KvCache& cache,
                        std::size_t arrived, TurnRecord& record, Measure& measure) {
    const std::int64_t limit = session_.turns[t].max_new_tokens;
    TextStream stream(tokenizer_);
    std::int32_t token = greedy(first_logits);
    const std::size_t first = timeline_.mark();
    std::size_t last = first;
    while (true) {
      record.output.push_back(token);
      if (tokenizer_.is_end(token)) break;
      if (hear(t, stream.push(token), record)) {
        record.reached_stop = true;
        break;
      }
      if (static_cast<std::int64_t>(record.output.size()) >= limit) {
        record.reached_limit = true;
        break;
      }
      const Expected<at::Tensor> logits = model_.decode(token, cache, method_, measure);
      if (!logits) return logits.error();
      token = greedy(*logits);
      last = timeline_.mark();
    }
    hear(t, stream.finish(), record);
    record.ttft = timeline_.seconds(arrived, first);
    record.decode_seconds = timeline_.seconds(first, last);
    return {};
  }

  // Adds to the answer's text up to the first stop; whether one was met.
  bool hear(std::size_t t, const std::string& piece, TurnRecord& record) {
    const std::size_t heard = record.text.size();
    record.text += piece;
    std::size_t end = std::string::npos;
    for (const std::string& stop : session_.turns[t].stops) {
      end = std::min(end, record.text.find(stop));
    }
    if (end != std::string::npos) record.text.resize(end);
    if (options_.on_text && record.text.size() > heard) {
      options_.on_text(t, std::string_view(record.text).substr(heard));
    }
    return end != std::string::npos;
  }

  Expected<void> measure_target(std::size_t t, const at::Tensor& first_logits,
                                const KvCache& before, TurnRecord& record) {
    const std::vector<std::int32_t>& target = session_.turns[t].golden;
    if (target.empty()) return {};
    at::Tensor logits = first_logits.unsqueeze(0);
    if (target.size() > 1) {
      PerStage<StageCounts> uncounted{};
      KvCache fork = before.fork();
      clock_.start();
      Measure measure{clock_, uncounted};
      const auto rest = model_.prefill_all_logits(std::span(target).first(target.size() - 1), fork,
                                                  method_, measure);
      clock_.stop();
      if (!rest) return rest.error();
      logits = at::cat({logits, *rest});
    }
    record.likelihood = answer_likelihood(logits, target);
    if (options_.reference != nullptr) {
      SCSIM_CHECK_LT(t, options_.reference->size());
      record.agreement = full_agreement((*options_.reference)[t], logits);
    }
    if (options_.keep_logits) record.target_logits = logits;
    return {};
  }

  void append_answer(const TokenTurn& turn, std::vector<std::int32_t>& conversation) const {
    const TurnRecord& record = record_.turns.back();
    if (options_.golden_answers) {
      conversation.insert(conversation.end(), turn.golden.begin(), turn.golden.end());
    } else {
      const bool ended = !record.output.empty() && tokenizer_.is_end(record.output.back());
      conversation.insert(conversation.end(), record.output.begin(),
                          record.output.end() - (ended ? 1 : 0));
      if (record.reached_stop) return;
    }
    conversation.insert(conversation.end(), turn.closing.begin(), turn.closing.end());
  }

  static void finish(const KvCache& cache, TurnRecord& record) {
    record.cache_bytes = cache.bytes().total();
    for (const StageCounts& counts : record.counts) {
      record.peak_bytes = std::max(record.peak_bytes, counts.peak_bytes);
    }
  }

  Error stop_with(const Error& error) {
    clock_.stop();
    return error;
  }

  Model& model_;
  const Tokenizer& tokenizer_;
  Timeline& timeline_;
  StageClock clock_;
  const TokenSession& session_;
  MethodRuntime& method_;
  const SessionOptions& options_;
  PromptModels own_tools_;
  PromptTools& tools_;
  SessionRecord record_;
};

}  // namespace

Expected<SessionRecord> run_session(Model& model, const Tokenizer& tokenizer, Timeline& timeline,
                                    const TokenSession& session, MethodRuntime& method,
                                    const SessionOptions& options) {
  return SessionRun(model, tokenizer, timeline, session, method, options).run();
}

}  // namespace scsim::exec
