#include "exec/engine/engine.h"

#include <map>

#include "tests/exec/engine/served.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

using test::Alone;
using test::Served;

struct Asked {
  std::vector<std::int32_t> prompt, answer;
  std::int64_t output_tokens = 0;
  JobId job = -1;
};

EngineKnobs small_knobs() {
  EngineKnobs knobs{.block_tokens = 8, .num_blocks = 40, .max_batched_tokens = 24};
  knobs.max_sequences = 6;
  return knobs;
}

// Some prompts that share beginnings, one after another or all at once.
std::vector<Asked> some_requests(std::int64_t vocabulary, int count) {
  Rng rng(3, "tests.exec.engine");
  const auto token = [&] {
    return static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary)));
  };
  std::vector<std::vector<std::int32_t>> documents(3);
  for (auto& document : documents) {
    for (int i = 0; i < 70; ++i) document.push_back(token());
  }
  std::vector<Asked> all(static_cast<std::size_t>(count));
  for (Asked& one : all) {
    const std::vector<std::int32_t>& document = documents[rng.below(3)];
    const auto shared = static_cast<std::ptrdiff_t>(rng.below(70));
    one.prompt.assign(document.begin(), document.begin() + shared);
    for (std::uint64_t own = 1 + rng.below(30); own > 0; --own) one.prompt.push_back(token());
    one.output_tokens = static_cast<std::int64_t>(1 + rng.below(25));
  }
  return all;
}

// Pages in use are those of the blocks that are used or cached, no more and no fewer.
void check_pages(const Served& served) {
  const BlockPool& pool = served.engine->pool();
  CHECK(served.model->memory().pool(KvMemory::kDevice).pages_in_use() ==
        (pool.used_blocks() + pool.cached_blocks()) * served.engine->block_pages());
}

}  // namespace

TEST_CASE("answers are those of each request alone without any cache", "[exec][engine]") {
  Alone alone;
  for (const auto visible : {EngineKnobs::Visible::kScheduled, EngineKnobs::Visible::kComputed}) {
    for (const bool caching : {true, false}) {
      EngineKnobs knobs = small_knobs();
      knobs.visible = visible;
      knobs.prefix_caching = caching;
      Served served(knobs);
      std::vector<Asked> asked = some_requests(alone.vocabulary(), 60);
      std::size_t arrived = 0;
      std::int64_t found = 0, preemptions = 0, ended = 0;
      for (int step = 0; ended < std::ssize(asked); ++step) {
        while (arrived < asked.size() && static_cast<int>(arrived) <= step / 3) {
          asked[arrived].job =
              served.engine->submit({.tag = arrived,
                                     .prompt = asked[arrived].prompt,
                                     .output_tokens = asked[arrived].output_tokens});
          ++arrived;
        }
        const Expected<bool> ran = served.engine->step();
        REQUIRE(ran);
        const StepRecord& record = served.engine->record();
        for (const StepRecord::Admitted& one : record.admitted) found += one.found;
        preemptions += std::ssize(record.preempted);
        for (const StepRecord::Token& token : record.tokens) {
          asked[token.tag].answer.push_back(token.token);
          ended += token.last ? 1 : 0;
        }
        check_pages(served);
      }
      for (const Asked& one : asked) {
        INFO("caching " << caching);
        REQUIRE((one.answer == alone.answer(one.prompt, one.output_tokens)));
      }
      CHECK((found > 0) == caching);
      CHECK(preemptions > 0);
    }
  }
}

TEST_CASE("who finds blocks of the very step that computes them is computed behind it",
          "[exec][engine]") {
  Alone alone;
  EngineKnobs knobs = small_knobs();
  knobs.max_batched_tokens = 200;
  Served served(knobs);
  std::vector<std::int32_t> document, answer;
  for (std::int32_t i = 0; i < 40; ++i) document.push_back(i * 7 % 90);
  std::map<std::uint64_t, std::vector<std::int32_t>> prompts, answers;
  for (std::uint64_t tag = 0; tag < 3; ++tag) {
    prompts[tag] = document;
    for (std::uint64_t more = 0; more <= tag; ++more)  // the third follows the second's block
      for (std::int32_t i = 0; i < 9; ++i)
        prompts[tag].push_back(static_cast<std::int32_t>(more + 1) * 5 + i);
    served.engine->submit({.tag = tag, .prompt = prompts[tag], .output_tokens = 4});
  }
  while (true) {
    const Expected<bool> ran = served.engine->step();
    REQUIRE(ran);
    if (!*ran) break;
    const StepRecord& record = served.engine->record();
    if (!record.admitted.empty()) {
      CHECK(record.passes == 3);
      CHECK(record.admitted.size() == 3);
      CHECK(record.admitted[1].found == 48);  // 49 tokens are common, 48 in whole blocks
      CHECK(record.admitted[2].found == 56);
    } else {
      CHECK(record.passes == 1);
    }
    for (const StepRecord::Token& token : record.tokens) answers[token.tag].push_back(token.token);
    check_pages(served);
  }
  for (std::uint64_t tag = 0; tag < 3; ++tag)
    CHECK((answers[tag] == alone.answer(prompts[tag], 4)));
}

TEST_CASE("a request that is cancelled leaves its memory to others at once", "[exec][engine]") {
  Served served(small_knobs());
  std::vector<std::int32_t> prompt(20, 5);
  const JobId job = served.engine->submit({.tag = 0, .prompt = prompt, .output_tokens = 9});
  REQUIRE(served.engine->step());
  REQUIRE(served.engine->step());
  CHECK(served.engine->pool().used_blocks() == 3);
  served.engine->cancel(job);
  CHECK(served.engine->pool().used_blocks() == 0);
  check_pages(served);
  const Expected<bool> ran = served.engine->step();
  REQUIRE(ran);
  CHECK(!*ran);
}

TEST_CASE("an answer ends where it is said to end", "[exec][engine]") {
  Alone alone;
  const std::vector<std::int32_t> prompt = {1, 2, 3, 4, 5};
  const std::vector<std::int32_t> whole = alone.answer(prompt, 6);
  Served served(small_knobs());
  served.engine->set_ending([&](std::uint64_t, std::int32_t token) { return token == whole[2]; });
  served.engine->submit({.tag = 0, .prompt = prompt, .output_tokens = 6});
  std::vector<std::int32_t> answer;
  while (*served.engine->step()) {
    for (const StepRecord::Token& token : served.engine->record().tokens)
      answer.push_back(token.token);
  }
  const auto first = std::ranges::find(whole, whole[2]);
  CHECK((answer == std::vector<std::int32_t>(whole.begin(), first + 1)));
}

TEST_CASE("what the engine cannot serve is refused by name", "[exec][engine]") {
  EngineKnobs knobs = small_knobs();
  const Served served(knobs);
  knobs.order = EngineKnobs::Order::kPriority;
  const auto by_priority = Engine::make(*served.model, knobs, served.clock->timeline(), "tiny");
  REQUIRE(!by_priority);
  CHECK_THAT(by_priority.error().message, Catch::Contains("engine.order"));
  // What the blocks cannot hold could never run.
  CHECK(served.engine->refuse(40 * 8).has_value());
  CHECK(!served.engine->refuse(40 * 8 - 1).has_value());
}

}  // namespace scsim::exec
