#include "tests/methods/conformance/subject.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <set>

#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

exec::LoadedModel load(const TinyModel& shape, const exec::ModelOptions& options) {
  static std::vector<std::unique_ptr<TemporaryFolder>> folders;  // a calibration hashes the weights
  folders.push_back(std::make_unique<TemporaryFolder>());
  const std::string path = folders.back()->path();
  write_tiny_model(path, shape);
  Expected<exec::LoadedModel> model = exec::load_model(path, options);
  INFO((model ? "" : model.error().message));
  REQUIRE(model.has_value());
  return *std::move(model);
}

constexpr std::int64_t kTextTokens = 256;  // a tiny model's vocabulary without the special ones

}  // namespace

std::span<exec::LoadedModel> tiny_models() {
  static std::vector<exec::LoadedModel> models = [] {
    std::vector<exec::LoadedModel> loaded;
    loaded.push_back(load({}, {.page_tokens = 16}));
    loaded.push_back(load({.layers = 3,
                           .query_heads = 6,
                           .kv_heads = 2,
                           .head_dim = 32,
                           .hidden = 96,
                           .intermediate = 64,
                           .seed = 2},
                          {.page_tokens = 32}));
    loaded.push_back(
        load({.family = TinyFamily::kJamba, .layers = 4, .seed = 3}, {.page_tokens = 16}));
    loaded.push_back(load({.family = TinyFamily::kMamba2, .seed = 4}, {.page_tokens = 16}));
    return loaded;
  }();
  return models;
}

exec::LoadedModel& tiny_model_in_chunks() {
  static exec::LoadedModel model = load({}, {.page_tokens = 16, .chunk_tokens = 48});
  return model;
}

Subject::Subject(const std::string& method, exec::LoadedModel& tiny)
    : title(method), loaded(tiny), model(*tiny.model) {
  const Expected<methods::MethodChoice> parsed = methods::parse_method(method);
  INFO((parsed ? "" : parsed.error().message));
  REQUIRE(parsed.has_value());
  choice = *parsed;
  title += " on " + std::to_string(layers()) + " layers of " +
           std::to_string(model.config().attention.query_heads) + " heads";
  if (layers() < model.config().layers) title += " beside recurrent ones";
  contract = methods::make_contract(choice);
  runtime = methods::make_runtime(choice);
  tools = std::make_unique<exec::PromptModels>(model, loaded.tokenizer);
}

methods::AttentionLayer Subject::layer(std::int64_t number) const {
  const exec::AttentionConfig& heads = model.config().attention;
  return {.layer = number,
          .num_layers = layers(),
          .query_heads = heads.query_heads,
          .kv_heads = heads.kv_heads,
          .head_dim = heads.head_dim,
          .element_bytes = 4};
}

namespace {
methods::RecurrentLayer recurrent_layer(const exec::Model& model) {
  return {.state = Bytes{static_cast<double>(model.config().mamba.state_bytes())}};
}
}  // namespace

double Subject::kept_bytes(std::span<const Tokens> prompts) const {
  double bytes = 0;
  for (std::int64_t i = 0; i < layers(); ++i) {
    bytes += contract->kept_bytes_behind(layer(i), prompts).value();
  }
  Tokens seen{0};
  for (const Tokens prompt : prompts) seen = seen + prompt;
  bytes += static_cast<double>(model.config().recurrent_layers()) *
           methods::kept_bytes(recurrent_layer(model), seen).value();
  return bytes;
}

double Subject::recurrent_reads() const {
  return static_cast<double>(model.config().recurrent_layers()) *
         methods::decode_reads(recurrent_layer(model)).hbm.value();
}

std::vector<exec::TokenRange> some_documents(std::int64_t context_tokens) {
  const std::int64_t n = context_tokens;
  if (n < 5) return {};
  return {{.begin = 2, .end = n / 2},
          {.begin = n / 2, .end = 3 * n / 4},
          {.begin = 3 * n / 4, .end = n}};
}

Ids Subject::first_prompt(std::span<const std::int32_t> prompt, exec::KvCache& cache,
                          std::int64_t context_tokens) {
  Measured aside;
  const std::vector<exec::TokenRange> documents = some_documents(context_tokens);
  REQUIRE(
      runtime->recall(cache, {prompt, documents}, model.prefill_alone(aside.measure), aside.measure)
          .has_value());
  return rewritten({prompt, documents}, true);
}

Ids Subject::later_prompt(std::span<const std::int32_t> prompt) {
  return rewritten({prompt, {}}, false);
}

// Holds what the method makes of a prompt to its contract on the way.
Ids Subject::rewritten(const exec::RecalledPrompt& prompt, bool first) {
  const std::int64_t live = model.memory().live_bytes();
  Measured measured;
  const Expected<Ids> found = runtime->rewrite_prompt(prompt, first, *tools, measured.measure);
  INFO((found ? "" : found.error().message));
  REQUIRE(found.has_value());
  CHECK(model.memory().live_bytes() == live);
  std::int64_t compressible = first && prompt.documents.empty() ? std::ssize(prompt.tokens) : 0;
  for (const exec::TokenRange& document : prompt.documents) {
    compressible += document.end - document.begin;
  }
  const methods::Rewriting bounds = contract->rewrite(Tokens{compressible});
  CHECK(bounds.least <= bounds.aimed);
  CHECK(bounds.aimed <= bounds.most);
  CHECK(bounds.most <= Tokens{compressible});
  const std::int64_t instead = std::ssize(*found) - (std::ssize(prompt.tokens) - compressible);
  CHECK(instead >= bounds.least.value());
  CHECK(instead <= bounds.most.value());
  // All of the scorer's work is compression; where the model itself scores, every token but the
  // first of each document goes through it.
  const std::int64_t read = measured.of(Stage::kCompression).tokens;
  CHECK((read > 0) == (bounds.read > Tokens{0} && compressible > 1));
  if (bounds.read == Tokens{0}) CHECK(std::ranges::equal(*found, prompt.tokens));
  if (contract->extra_passes() > 0) {
    CHECK(read <= bounds.read.value());
    CHECK(read >= compressible - std::max<std::int64_t>(1, std::ssize(prompt.documents)));
  }
  for (const Stage stage : {Stage::kGeneration, Stage::kDecode, Stage::kLoading}) {
    CHECK(measured.of(stage).tokens == 0);
  }
  return *found;
}

double Subject::allocated_bytes(const exec::KvCache& cache) const {
  const std::int64_t row = 2 * model.config().attention.head_dim * 4;
  std::int64_t empty = 0;
  for (std::int64_t l = 0; l < layers(); ++l) {
    std::set<std::pair<std::uint8_t, std::int32_t>> seen;  // pages that heads share count once
    for (std::int64_t h = 0; h < cache.heads(l); ++h) {
      const std::int64_t pages = cache.num_pages(l, h);
      if (pages == 0) continue;
      const exec::PageRef last = cache.page(l, h, pages - 1);
      if (!seen.insert({last.pool, last.page}).second) continue;
      const std::int64_t in_pages = cache.length(l, h) - cache.packed(l, h);
      empty += pages * model.options().page_tokens - in_pages;
    }
  }
  return static_cast<double>(cache.bytes().total() - empty * row);
}

std::string written(const methods::MethodEntry& entry, const std::string& setting) {
  return setting.empty() ? entry.name : entry.name + ":" + setting;
}

std::vector<Subject> subjects(const methods::MethodEntry& entry,
                              const std::vector<std::string>& settings) {
  std::vector<Subject> all;
  for (const std::string& setting : settings) {
    const std::string method = written(entry, setting);
    for (exec::LoadedModel& model : tiny_models()) {
      const exec::ModelConfig& config = model.model->config();
      const methods::ModelLayers layers{.model = config.name,
                                        .attention = config.attention_layers(),
                                        .recurrent = config.recurrent_layers()};
      const auto choice = methods::parse_method(method);
      if (choice && !methods::check_layers(*choice, layers)) continue;
      all.emplace_back(method, model);
    }
  }
  return all;
}

std::vector<std::string> every_setting(const methods::MethodEntry& entry) {
  std::vector<std::string> settings = {""};
  settings.insert(settings.end(), entry.small.begin(), entry.small.end());
  settings.insert(settings.end(), entry.lossless.begin(), entry.lossless.end());
  return settings;
}

Ids random_ids(std::int64_t count, const std::string& purpose) {
  Rng rng(5, "test.conformance." + purpose);
  Ids ids;
  for (std::int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<std::int32_t>(rng.below(kTextTokens)));
  }
  return ids;
}

Script some_script(std::int64_t context_tokens) {
  Script script{.context = random_ids(context_tokens, "context"), .turns = {}};
  for (const std::int64_t question : {9, 1, 23}) {
    const std::string number = std::to_string(question);
    script.turns.push_back({random_ids(question, "question" + number), random_ids(6, number)});
  }
  return script;
}

at::Tensor value(Expected<at::Tensor> logits) {
  INFO((logits ? "" : logits.error().message));
  REQUIRE(logits.has_value());
  return *logits;
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a - b).abs().max().item<double>();
}

Dialogue::Dialogue(Subject& subject, const Script& script, SessionMode mode)
    : subject_(subject), script_(script), mode_(mode), cache_(subject.model.make_cache()) {
  if (mode == SessionMode::kMultiTurn || script_.context.empty()) return;
  const Ids prompt = subject.first_prompt(script_.context, cache_, std::ssize(script_.context));
  logits_.push_back(
      value(subject.model.prefill(prompt, cache_, *subject.runtime, measured_.measure)));
}

void Dialogue::next_turn() {
  exec::Model& model = subject_.model;
  const Script::Turn& turn = script_.turns[turn_];
  Ids prompt = turn.question;
  exec::KvCache working = cache_.fork();
  if (mode_ == SessionMode::kMultiTurn) {
    const Ids& before = turn_ == 0 ? script_.context : script_.turns[turn_ - 1].answer;
    prompt.insert(prompt.begin(), before.begin(), before.end());
  }
  const bool first = turn_ == 0 && mode_ == SessionMode::kMultiTurn;
  prompt = first ? subject_.first_prompt(prompt, working, std::ssize(script_.context))
                 : subject_.later_prompt(prompt);
  logits_.push_back(value(model.prefill(prompt, working, *subject_.runtime, measured_.measure)));
  exec::KvCache answer = working.fork();
  for (const std::int32_t token : turn.answer) {
    logits_.push_back(value(model.decode(token, answer, *subject_.runtime, measured_.measure)));
  }
  if (mode_ == SessionMode::kMultiTurn) cache_ = std::move(working);
  ++turn_;
}

std::vector<at::Tensor> dialogue_logits(Subject& subject, const Script& script, SessionMode mode) {
  Dialogue dialogue(subject, script, mode);
  while (!dialogue.done()) dialogue.next_turn();
  return dialogue.logits();
}

}  // namespace scsim::test
