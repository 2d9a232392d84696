// Prefix caching over several sessions: what is found, and that nothing else changes by it.
#include "tests/methods/reuse/sessions.h"

namespace scsim::test {
namespace {

constexpr double kSame = 1e-4;

TEST_CASE("another session goes on from the longest beginning that any had, in whole blocks",
          "[methods][prefix_cache]") {
  exec::LoadedModel model = load_tiny_model({});
  const auto prefix = runtime("prefix_cache"), full = runtime("full");
  const Ids system = random_ids(40, "system"), a = random_ids(50, "a"), b = random_ids(30, "b");
  const Ids question = random_ids(9, "question");
  const std::vector<std::pair<Ids, std::int64_t>> sessions = {
      {joined(system, a, question), 0},      // nothing was there
      {joined(system, b, question), 32},     // 40 in common: two blocks of 16
      {joined(system, a, b, question), 80},  // 90 with the first, 40 with the second
      {joined(system, a, question), 96},     // 99 tokens, of which the last must be computed
      {joined(a, system, question), 0},      // the same, elsewhere
  };
  for (const auto& [prompt, found] : sessions) {
    const exec::SessionRecord record = run(model, *prefix, prompts({prompt}));
    const exec::SessionRecord expected = run(model, *full, prompts({prompt}));
    CHECK(record.turns[0].cached_tokens == found);
    CHECK(record.turns[0].fresh_tokens == std::ssize(prompt) - found);
    CHECK(record.turns[0].output == expected.turns[0].output);
    CHECK(apart(record.turns[0].target_logits, expected.turns[0].target_logits) < kSame);
    CHECK(model.model->memory().live_bytes() == prefix->remembered_bytes());
  }
}

TEST_CASE("what sessions have in common is held once, and what was used last stays",
          "[methods][prefix_cache]") {
  exec::LoadedModel model = load_tiny_model({});
  // 2 layers of 2 heads of pages of 16 tokens, keys and values of 32 numbers of 4 bytes.
  const std::int64_t block = 2 * 2 * 16 * 2 * 32 * 4;
  const auto prefix = runtime("prefix_cache:capacity=0.2");  // 12 blocks
  const Ids a = random_ids(64, "a"), b = random_ids(64, "b"), c = random_ids(64, "c");
  const Ids question = random_ids(16, "question");
  run(model, *prefix, prompts({joined(a, question), joined(a, random_ids(16, "another"))}));
  CHECK(prefix->remembered_bytes() == 6 * block);  // four of `a`, and a question each
  run(model, *prefix, prompts({joined(b, question)}));
  CHECK(prefix->remembered_bytes() == 11 * block);
  const auto found = [&](const Ids& prompt) {
    return run(model, *prefix, prompts({prompt})).turns[0].cached_tokens;
  };
  CHECK(found(joined(a, question)) == 64);  // 80 are there; the last token's block is computed
  CHECK(found(joined(c, question)) == 0);
  CHECK(prefix->remembered_bytes() <= 12 * block);
  CHECK(found(joined(a, question)) == 64);
  CHECK(found(joined(b, question)) == 0);
}

TEST_CASE("a recurrent model goes on from where its state was saved", "[methods][prefix_cache]") {
  const TinyFamily family = GENERATE(TinyFamily::kMamba2, TinyFamily::kJamba);
  exec::LoadedModel model =
      load_tiny_model({.family = family, .layers = 4}, {.page_tokens = 16, .saved_every = 25});
  const auto prefix = runtime("prefix_cache"), full = runtime("full");
  const Ids context = random_ids(60, "context");
  const std::vector<std::pair<Ids, std::int64_t>> sessions = {
      {context, 0},
      {joined(context, random_ids(9, "one")), 60},  // all of the context, whose state is its own
      {joined(Ids(context.begin(), context.begin() + 57), random_ids(9, "two")), 50},
      {joined(Ids(context.begin(), context.begin() + 20), random_ids(9, "three")), 0}};
  for (const auto& [prompt, found] : sessions) {
    const exec::SessionRecord record = run(model, *prefix, prompts({prompt}));
    const exec::SessionRecord expected = run(model, *full, prompts({prompt}));
    CHECK(record.turns[0].cached_tokens == found);
    CHECK(apart(record.turns[0].target_logits, expected.turns[0].target_logits) < kSame);
  }
}

TEST_CASE("a cache that is remembered is not changed by the session that goes on from it",
          "[methods][prefix_cache]") {
  exec::LoadedModel model = load_tiny_model({});
  const auto prefix = runtime("prefix_cache:block=1"), full = runtime("full");
  const Ids shared = random_ids(37, "shared");
  const auto ask = [&](const std::string& purpose) {
    return prompts({joined(shared, random_ids(5, purpose))});
  };
  const exec::SessionRecord before = run(model, *prefix, ask("one"));
  for (const std::string purpose : {"two", "three", "one"}) {
    const exec::SessionRecord record = run(model, *prefix, ask(purpose));
    CHECK(record.turns[0].cached_tokens == (purpose == "one" ? 41 : 37));
    const exec::SessionRecord expected = run(model, *full, ask(purpose));
    CHECK(apart(record.turns[0].target_logits, expected.turns[0].target_logits) < kSame);
    if (purpose == "one") CHECK(record.turns[0].output == before.turns[0].output);
  }
}

}  // namespace
}  // namespace scsim::test
