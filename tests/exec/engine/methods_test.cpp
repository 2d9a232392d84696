// The engine with every method there is: it answers as the method does alone, request by request,
// or it refuses the method by name; and its memory is what its blocks say.
#include <set>

#include "methods/runtime.h"
#include "tests/exec/engine/served.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

EngineMethod method_of(const methods::MethodChoice& choice) {
  return {methods::method_text(choice), methods::make_contract(choice),
          methods::make_runtime(choice)};
}

// Prompts of two documents and questions of their own.
std::vector<std::vector<std::int32_t>> some_prompts(std::int64_t vocabulary) {
  Rng rng(5, "tests.exec.methods");
  const auto token = [&] {
    return static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary)));
  };
  std::vector<std::vector<std::int32_t>> documents(2), all(12);
  for (auto& document : documents)
    for (int i = 0; i < 64; ++i) document.push_back(token());
  for (auto& prompt : all) {
    prompt = documents[rng.below(2)];
    for (std::uint64_t own = 1 + rng.below(20); own > 0; --own) prompt.push_back(token());
  }
  return all;
}

}  // namespace

namespace {

struct ServedBy {
  std::string refused;  // why, if it was
  std::vector<std::vector<std::int32_t>> answers;
  std::int64_t found = 0;
  bool compresses = false;
};

// Every prompt for nine tokens, all there from the beginning.
ServedBy serve(const methods::MethodChoice& choice, const EngineKnobs& knobs,
               const std::vector<std::vector<std::int32_t>>& prompts) {
  ServedBy result;
  result.answers.resize(prompts.size());
  test::Parts parts(knobs);
  auto engine =
      Engine::make(*parts.model, knobs, parts.clock->timeline(), "tiny", method_of(choice));
  if (!engine) {
    result.refused = engine.error().message;
    return result;
  }
  result.compresses = (*engine)->scheduler().compresses();
  for (std::uint64_t tag = 0; tag < prompts.size(); ++tag) {
    const std::string salt = (*engine)->caches_are_private() ? std::to_string(tag) : "";
    (*engine)->submit({.tag = tag, .prompt = prompts[tag], .output_tokens = 9, .salt = salt});
  }
  while (true) {
    const Expected<bool> ran = (*engine)->step();
    if (!ran) result.refused = ran.error().message;
    if (!ran || !*ran) break;
    const StepRecord& record = (*engine)->record();
    CHECK(record.preempted.empty());
    for (const StepRecord::Admitted& one : record.admitted) result.found += one.found;
    for (const StepRecord::Token& token : record.tokens)
      result.answers[token.tag].push_back(token.token);
  }
  if (result.refused.empty()) CHECK((*engine)->pool().used_blocks() == 0);
  return result;
}

}  // namespace

TEST_CASE("a method is served as it answers alone, or refused by name", "[exec][engine]") {
  test::Alone alone;
  const auto prompts = some_prompts(alone.vocabulary());
  std::set<std::string> served, private_caches, finding;
  for (const methods::MethodEntry& entry : methods::method_table()) {
    for (const std::string& small : entry.small) {
      const auto choice = methods::parse_method(entry.name + ":" + small);
      REQUIRE(choice);
      INFO(methods::method_text(*choice));
      const auto contract = methods::make_contract(*choice);
      // Whole prompts, nothing reused.
      EngineKnobs knobs{.block_tokens = 8, .num_blocks = 120, .max_batched_tokens = 400};
      knobs.max_sequences = 4;
      knobs.prefix_caching = knobs.chunked_prefill = false;
      const ServedBy whole = serve(*choice, knobs, prompts);
      if (!whole.refused.empty()) {
        CHECK_THAT(whole.refused, Catch::Contains("method " + entry.name));
        continue;
      }
      served.insert(entry.name);
      if (whole.compresses) private_caches.insert(entry.name);
      std::vector<std::vector<std::int32_t>> expected;
      for (const auto& prompt : prompts) {
        const auto runtime = methods::make_runtime(*choice);
        expected.push_back(alone.answer(prompt, 9, runtime.get()));
      }
      CHECK((whole.answers == expected));
      // In chunks, behind what others left, where that is as good.
      knobs.prefix_caching = true;
      if (contract->allows_chunked_prefill()) {
        knobs.chunked_prefill = true;
        knobs.max_batched_tokens = 40;
      }
      const ServedBy reusing = serve(*choice, knobs, prompts);
      REQUIRE(reusing.refused.empty());
      if (reusing.found > 0) finding.insert(entry.name);
      if (contract->reuse(SessionMode::kMultiTurn) != methods::ReuseClass::kExact) continue;
      int others = 0;
      for (std::size_t i = 0; i < prompts.size(); ++i)
        others += reusing.answers[i] == expected[i] ? 0 : 1;
      CHECK(others <= 1);  // a near tie in what is selected may fall either way
    }
  }
  for (const std::string name : {"quest", "a_shape", "tri_shape", "minference", "snapkv"}) {
    INFO(name);
    CHECK(served.contains(name));
    CHECK(private_caches.contains(name) == (name == "snapkv"));
    CHECK(finding.contains(name) == (name == "quest" || name.ends_with("_shape")));
  }
  for (const std::string name : {"h2o", "tova", "retrieval_attention", "kivi"}) {
    INFO(name);
    CHECK(!served.contains(name));
  }
}

TEST_CASE("a compressed prompt gives back the blocks of what it dropped", "[exec][engine]") {
  const auto choice = methods::parse_method("snapkv:budget=24,window=8,kernel=3");
  REQUIRE(choice);
  EngineKnobs knobs{.block_tokens = 8, .num_blocks = 40, .max_batched_tokens = 40};
  test::Parts parts(knobs);
  auto engine =
      Engine::make(*parts.model, knobs, parts.clock->timeline(), "tiny", method_of(*choice));
  REQUIRE(engine);
  std::vector<std::int32_t> prompt;
  for (std::int32_t i = 0; i < 100; ++i) prompt.push_back(i * 7 % 90);
  (*engine)->submit({.tag = 0, .prompt = prompt, .output_tokens = 18});
  std::vector<std::int64_t> used;
  while (true) {
    const Expected<bool> ran = (*engine)->step();
    REQUIRE(ran);
    if (!*ran) break;
    const auto pages = parts.model->memory().pool(KvMemory::kDevice).pages_in_use();
    CHECK(pages == (*engine)->pool().used_blocks() * (*engine)->block_pages());
    used.push_back((*engine)->pool().used_blocks());
  }
  // Chunks of 40, 40 and 20 tokens; then 24 that are kept, and a token more with every step, of
  // which the ninth and the seventeenth begin blocks.
  REQUIRE(used.size() == 20);
  CHECK(used[0] == 5);
  CHECK(used[1] == 10);
  CHECK(used[2] == 3);
  CHECK(used[3] == 4);
  CHECK(used[10] == 4);
  CHECK(used[11] == 5);
  CHECK(used.back() == 0);
}

}  // namespace scsim::exec
