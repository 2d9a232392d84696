// LLMLingua in sessions: what is rewritten, what is found again, what the ledger says.
#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "exec/session/prompt_models.h"
#include "methods/llmlingua/rule.h"
#include "tests/exec/api/measured.h"
#include "tests/methods/reuse/sessions.h"

namespace scsim::test {
namespace {

using exec::TokenRange;

struct Rewritten {
  Ids ids;
  std::int64_t read = 0;
};

Rewritten rewritten(exec::LoadedModel& model, const std::string& method, const Ids& prompt,
                    const std::vector<TokenRange>& documents, bool first = true) {
  exec::PromptModels tools(*model.model, model.tokenizer);
  Measured measured;
  const auto found =
      runtime(method)->rewrite_prompt({prompt, documents}, first, tools, measured.measure);
  INFO((found ? "" : found.error().message));
  REQUIRE(found.has_value());
  return {*found, measured.of(Stage::kCompression).tokens};
}

bool subsequence(const Ids& part, const Ids& all) {
  auto at = part.begin();
  for (const std::int32_t id : all) at += at != part.end() && *at == id ? 1 : 0;
  return at == part.end();
}

TEST_CASE("a reader knows what the model's logits say, however the tokens come to it",
          "[exec][model]") {
  exec::LoadedModel model = load_tiny_model({});
  const Ids ids = random_ids(600, "read");  // more than a chunk of logits
  Measured measured;
  exec::KvCache cache = model.model->make_cache();
  exec::MethodRuntime full;
  const at::Tensor logits = *model.model->prefill_all_logits(ids, cache, full, measured.measure);
  const at::Tensor expected = logits.log_softmax(-1);
  exec::PromptModels tools(*model.model, model.tokenizer);
  const auto reader = tools.model().reader();
  std::vector<float> found;
  for (const auto& [begin, end] : {std::pair{0, 1}, {1, 2}, {2, 300}, {300, 300}, {300, 600}}) {
    const auto other = reader->fork();  // what it reads is nobody else's
    REQUIRE(other->read(random_ids(9, "other"), measured.measure).has_value());
    const auto more = reader->read(std::span(ids).subspan(begin, end - begin), measured.measure);
    REQUIRE(more.has_value());
    found.insert(found.end(), more->begin(), more->end());
  }
  REQUIRE(found.size() == ids.size());
  CHECK(found[0] == -std::numeric_limits<float>::infinity());
  double apart = 0;
  for (std::int64_t i = 1; i < 600; ++i) {
    const double row = expected[i - 1][ids[static_cast<std::size_t>(i)]].item<double>();
    apart = std::max(apart, std::abs(row - found[static_cast<std::size_t>(i)]));
  }
  CHECK(apart < 1e-4);
  const auto unknown = reader->read(Ids{3, 1'000'000}, measured.measure);
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().message.find("1000000") != std::string::npos);
}

TEST_CASE("LLMLingua compresses documents and leaves what is around them", "[methods][llmlingua]") {
  exec::LoadedModel model = load_tiny_model({});
  const Ids before = random_ids(5, "before"), between = random_ids(3, "between"),
            question = random_ids(7, "question");
  const Ids one = random_ids(90, "one"), two = random_ids(60, "two");
  const Ids prompt = joined(before, one, between, two, question);
  const std::vector<TokenRange> documents = {{5, 95}, {98, 158}};
  const std::string method = "llmlingua:rate=0.4,segment=25,budget_factor=0";
  const Ids found = rewritten(model, method, prompt, documents).ids;
  CHECK(found.size() == 5 + 3 + 7 + 60);  // six segments of 25 tokens
  CHECK(subsequence(found, prompt));
  CHECK(std::ranges::equal(std::span(found).first(5), before));
  CHECK(std::ranges::equal(std::span(found).last(7), question));
  // The question is no part of it.
  const Ids other = joined(before, one, between, two, random_ids(7, "another question"));
  const Ids others = rewritten(model, method, other, documents).ids;
  CHECK(std::ranges::equal(std::span(others).first(68), std::span(found).first(68)));
  // Documents that come later are compressed too, and prompts without any are not.
  CHECK(rewritten(model, method, prompt, documents, false).ids.size() == found.size());
  CHECK((rewritten(model, method, prompt, {}, false).ids == prompt));
  CHECK(rewritten(model, method, prompt, {}, true).ids.size() == 66);
}

TEST_CASE("LLMLingua's budget leaves out whole documents, and the others keep more of theirs",
          "[methods][llmlingua]") {
  exec::LoadedModel model = load_tiny_model({});
  Ids prompt;
  std::vector<TokenRange> documents;
  std::vector<double> surprises;
  exec::PromptModels tools(*model.model, model.tokenizer);
  for (int i = 0; i < 5; ++i) {
    const Ids document = random_ids(80, std::to_string(i));
    Measured measured;
    const auto known = *tools.model().reader()->read(document, measured.measure);
    surprises.push_back(0);
    for (std::size_t t = 1; t < known.size(); ++t) surprises.back() -= known[t] / 79;
    documents.push_back({std::ssize(prompt), std::ssize(prompt) + 80});
    prompt = joined(prompt, document);
  }
  // A budget of 160 tokens: three documents have more.
  const auto chosen = methods::keep_documents(surprises, std::vector<std::int64_t>(5, 80), 160);
  REQUIRE(chosen.size() == 3);
  Ids left;
  for (const std::size_t i : chosen) {
    const auto begin = prompt.begin() + documents[i].begin;
    left.insert(left.end(), begin, begin + 80);
  }
  const Rewritten found = rewritten(model, "llmlingua:rate=0.2,segment=40", prompt, documents);
  CHECK(found.ids.size() == 84);  // of 240 tokens a third, in six segments of 14
  CHECK(subsequence(found.ids, left));
  // Five documents once but for their first tokens, then 240, then what stays of five segments.
  CHECK(found.read == 5 * 79 + 239 + (5 * 14 - 1));
}

TEST_CASE("a rewritten context is found again by the prompts behind it", "[methods][llmlingua]") {
  exec::LoadedModel model = load_tiny_model({});
  const Ids context = random_ids(120, "context"), question = random_ids(8, "question");
  exec::TokenSession session{
      .mode = SessionMode::kMultiTurn, .context = {}, .turns = {}, .whole_prompts = false};
  for (int t = 0; t < 3; ++t) {
    exec::TokenTurn turn;
    turn.prompt = t == 0 ? joined(context, question) : question;
    if (t == 0) turn.documents = {{0, 120}};
    turn.golden = random_ids(5, "golden");
    turn.max_new_tokens = 3;
    session.turns.push_back(turn);
  }
  const auto method = runtime("llmlingua:rate=0.25,segment=40");
  const exec::SessionRecord record = run(model, *method, session);
  CHECK(record.turns[0].fresh_tokens == 30 + 8);
  CHECK(record.turns[1].cached_tokens == 30 + 8);
  CHECK(record.turns[1].fresh_tokens == 5 + 8);
  CHECK(record.turns[2].cached_tokens == 30 + 8 + 5 + 8);
  const auto compression = static_cast<std::size_t>(Stage::kCompression);
  const auto generation = static_cast<std::size_t>(Stage::kGeneration);
  CHECK(record.turns[0].counts[compression].tokens == 119 + (20 - 1));
  CHECK(record.turns[0].counts[compression].operations > 0);
  CHECK(record.turns[0].counts[generation].tokens == 38);
  CHECK(record.turns[0].times.seconds[compression] > 0);
  CHECK(record.turns[1].counts[compression].tokens == 0);

  // What full attention makes of the compressed prompt.
  Ids prompt =
      rewritten(model, "llmlingua:rate=0.25,segment=40", joined(context, question), {{0, 120}}).ids;
  exec::TokenSession shorter = session;
  shorter.turns[0].prompt = prompt;
  shorter.turns[0].documents = {};
  const exec::SessionRecord expected = run(model, *runtime("full"), shorter);
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(apart(record.turns[t].target_logits, expected.turns[t].target_logits) < 1e-4);
    CHECK((record.turns[t].output == expected.turns[t].output));
  }

  // Requests find the context's cache.
  exec::TokenSession requests{
      .mode = SessionMode::kMultiRequest, .context = context, .turns = {}, .whole_prompts = false};
  for (exec::TokenTurn turn : session.turns) {
    turn.prompt = question;
    turn.documents = {};
    requests.turns.push_back(turn);
  }
  const exec::SessionRecord forks = run(model, *method, requests);
  CHECK(forks.context->fresh_tokens == 30);
  for (const exec::TurnRecord& turn : forks.turns) {
    CHECK(turn.cached_tokens == 30);
    CHECK(turn.fresh_tokens == 8);
  }
  CHECK(apart(forks.turns[1].target_logits, record.turns[0].target_logits) < 1e-4);
}

TEST_CASE("another model can score in its own tokens", "[methods][llmlingua]") {
  exec::LoadedModel model = load_tiny_model({});
  const TemporaryFolder folder;
  write_tiny_model(folder.path(), {.seed = 9});
  const std::string same = "llmlingua:rate=0.3,segment=40,model=" + folder.path();
  // Its tokens are bytes of text too.
  const Ids prompt = model.tokenizer.encode(
      "A context of plain words, which any model of bytes can read, and no more than that.",
      exec::SpecialTokens::kAsText);
  const Rewritten found = rewritten(model, same, prompt, {});
  CHECK(found.ids.size() < prompt.size());
  CHECK(subsequence(found.ids, prompt));
  CHECK(found.read >= std::ssize(prompt) - 1);
  exec::LoadedModel other = load_tiny_model({.seed = 9});
  CHECK((found.ids == rewritten(other, "llmlingua:rate=0.3,segment=40", prompt, {}).ids));
}

}  // namespace
}  // namespace scsim::test
