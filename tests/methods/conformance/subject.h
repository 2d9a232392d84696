// What the laws look at: a method at one setting on one tiny random model, and sessions of random
// tokens driven through it the way exec/session does, with everything open to inspection.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exec/session/loaded_model.h"
#include "exec/session/prompt_models.h"
#include "methods/runtime.h"
#include "tests/exec/api/measured.h"
#include "traces/session_mode.h"

namespace scsim::test {

// The tiny models that every method is run on, loaded once: heads in groups of two on pages of 16
// tokens; three layers with heads in groups of three on pages of 32; a hybrid of four layers, of
// which two attend; and a recurrent network, where no layer does.
std::span<exec::LoadedModel> tiny_models();
// The first one, its prompts prefilled in chunks of 48 tokens.
exec::LoadedModel& tiny_model_in_chunks();

struct Subject {
  Subject(const std::string& method, exec::LoadedModel& model);

  std::string title;  // for messages: the method as written and the model
  exec::LoadedModel& loaded;
  exec::Model& model;
  methods::MethodChoice choice;
  std::unique_ptr<methods::KvContract> contract;
  std::unique_ptr<exec::MethodRuntime> runtime;
  std::unique_ptr<exec::PromptModels> tools;

  std::int64_t layers() const { return model.config().attention_layers(); }  // that attend
  methods::AttentionLayer layer(std::int64_t number) const;
  // What the contract says is kept behind these prompts by the layers that attend, and the states
  // of the others.
  double kept_bytes(std::span<const Tokens> prompts) const;
  double recurrent_reads() const;  // bytes, of a decode step, by the recurrent layers
  // Ahead of the first prompt of a session, whose context has documents: lays ready in the cache
  // what the method makes of them (MethodRuntime::recall), and gives the tokens to prefill.
  std::vector<std::int32_t> first_prompt(std::span<const std::int32_t> prompt, exec::KvCache& cache,
                                         std::int64_t context_tokens);
  // The tokens to prefill for a later one.
  std::vector<std::int32_t> later_prompt(std::span<const std::int32_t> prompt);
  // What a cache has allocated, less the rows of its last pages that hold nothing.
  double allocated_bytes(const exec::KvCache& cache) const;

 private:
  std::vector<std::int32_t> rewritten(const exec::RecalledPrompt& prompt, bool first);
};

// "name:setting" as parse_method() takes it.
std::string written(const methods::MethodEntry& entry, const std::string& setting);
// Its defaults (""), its small settings and its lossless ones.
std::vector<std::string> every_setting(const methods::MethodEntry& entry);
// The method at each of these settings on each model that it can run on.
std::vector<Subject> subjects(const methods::MethodEntry& entry,
                              const std::vector<std::string>& settings);

using Ids = std::vector<std::int32_t>;
// Random tokens of text, the same for the same purpose.
Ids random_ids(std::int64_t count, const std::string& purpose);

struct Script {
  Ids context;
  struct Turn {
    Ids question, answer;
  };
  std::vector<Turn> turns;
};
// Three of a context, behind two tokens that are in none; none of a very short one.
std::vector<exec::TokenRange> some_documents(std::int64_t context_tokens);
// Three questions of 9, 1 and 23 tokens, answers of 6.
Script some_script(std::int64_t context_tokens);

// Logits of one row, or what went wrong as a failed requirement.
at::Tensor value(Expected<at::Tensor> logits);
double distance(const at::Tensor& a, const at::Tensor& b);

// A session on the model, turn by turn, so that others may come in between. In multi-turn mode each
// prompt follows the answer before it in the cache; in multi-request mode each is a fork behind the
// context. Answers are decoded token by token on a fork.
class Dialogue {
 public:
  Dialogue(Subject& subject, const Script& script, SessionMode mode);

  bool done() const { return turn_ == script_.turns.size(); }
  void next_turn();
  // Of each prompt and each answered token, [vocabulary] each.
  const std::vector<at::Tensor>& logits() const { return logits_; }

 private:
  Subject& subject_;
  const Script script_;
  SessionMode mode_;
  Measured measured_;
  exec::KvCache cache_;
  std::size_t turn_ = 0;
  std::vector<at::Tensor> logits_;
};

// All of it at once.
std::vector<at::Tensor> dialogue_logits(Subject& subject, const Script& script, SessionMode mode);

}  // namespace scsim::test
