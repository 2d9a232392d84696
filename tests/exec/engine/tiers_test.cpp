// Blocks that come back from RAM and disk are what was evicted, or they are computed again.
#include <filesystem>
#include <fstream>
#include <map>

#include "exec/engine/block_store.h"
#include "tests/exec/engine/served.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

namespace fs = std::filesystem;
using Tier = BlockStore::Tier;
using Answers = std::map<std::uint64_t, std::vector<std::int32_t>>;

EngineKnobs small_knobs() {
  EngineKnobs knobs{.block_tokens = 8, .num_blocks = 24, .max_batched_tokens = 48};
  knobs.max_sequences = 3;
  return knobs;
}

// Eight documents, asked about in turn, far more than the engine's own blocks hold.
std::vector<std::vector<std::int32_t>> prompts(std::int64_t vocabulary, int count) {
  Rng rng(11, "tests.exec.tiers");
  const auto token = [&] {
    return static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary)));
  };
  std::vector<std::vector<std::int32_t>> documents(8), all;
  for (auto& document : documents) {
    for (int i = 0; i < 80; ++i) document.push_back(token());
  }
  for (int i = 0; i < count; ++i) {
    all.push_back(documents[static_cast<std::size_t>(i) % 8]);
    for (int more = 0; more < 5; ++more) all.back().push_back(token());
  }
  return all;
}

struct Sum {
  std::int64_t found = 0, host = 0, disk = 0;
};

Sum run(test::Served& served, const std::vector<std::vector<std::int32_t>>& asked,
        Answers& answers) {
  Sum sum;
  for (std::uint64_t tag = 0; tag < asked.size(); ++tag) {
    served.engine->submit({.tag = tag, .prompt = asked[tag], .output_tokens = 6});
    if (tag % 2 == 0) continue;  // two at a time
    while (true) {
      const Expected<bool> ran = served.engine->step();
      REQUIRE(ran);
      if (!*ran) break;
      const StepRecord& record = served.engine->record();
      for (const StepRecord::Admitted& one : record.admitted) {
        sum.found += one.found;
        sum.host += one.loaded[0];
        sum.disk += one.loaded[1];
      }
      for (const StepRecord::Token& token : record.tokens)
        answers[token.tag].push_back(token.token);
      const BlockPool& pool = served.engine->pool();
      CHECK(served.model->memory().pool(KvMemory::kDevice).pages_in_use() ==
            (pool.used_blocks() + pool.cached_blocks()) * served.engine->block_pages());
    }
  }
  return sum;
}

}  // namespace

TEST_CASE("what comes back from RAM and disk answers as without any cache, damaged or not",
          "[exec][engine]") {
  test::Alone alone;
  const auto asked = prompts(alone.vocabulary(), 48);
  Answers expected;
  for (std::uint64_t tag = 0; tag < asked.size(); ++tag)
    expected[tag] = alone.answer(asked[tag], 6);
  const test::TemporaryFolder folder;
  // Four documents fit RAM or so, all fit the disk. The second run finds what the first left; the
  // third finds every other file damaged.
  for (int start = 0; start < 3; ++start) {
    INFO("start " << start);
    test::Served served(small_knobs());
    const std::int64_t block = served.engine->block_bytes();
    Expected<std::unique_ptr<BlockStore>> store = BlockStore::open({.block_bytes = block,
                                                                    .host_bytes = 40 * block,
                                                                    .disk_bytes = 400 * block,
                                                                    .folder = folder.path()});
    REQUIRE(store);
    served.engine->set_store(store->get());
    Answers answers;
    const Sum sum = run(served, asked, answers);
    CHECK((answers == expected));
    // Of the first round nothing can be known; behind it 80 tokens of each prompt are somewhere.
    if (start == 0) CHECK(sum.found + sum.host + sum.disk == 40 * 80);
    if (start == 1) CHECK(sum.found + sum.host + sum.disk == 48 * 80);
    CHECK(sum.disk > 0);
    CHECK((*store)->use(Tier::kHost).stored > 0);
    CHECK(((*store)->use(Tier::kDisk).damaged > 0) == (start == 2));
    served.engine.reset();
    store->reset();
    int number = 0;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      if (start != 1 || entry.path().extension() != ".block" || number++ % 2 == 0) continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(5000);
      file.put('x').put('y').put('z');
    }
  }
}

TEST_CASE("RAM alone keeps what the engine has no room for", "[exec][engine]") {
  test::Alone alone;
  const auto asked = prompts(alone.vocabulary(), 24);
  test::Served served(small_knobs());
  const std::int64_t block = served.engine->block_bytes();
  Expected<std::unique_ptr<BlockStore>> store =
      BlockStore::open({.block_bytes = block, .host_bytes = 200 * block});
  REQUIRE(store);
  served.engine->set_store(store->get());
  Answers answers;
  const Sum sum = run(served, asked, answers);
  CHECK(sum.host > 0);
  CHECK(sum.disk == 0);
  CHECK(sum.found + sum.host == 16 * 80);
  for (std::uint64_t tag = 0; tag < asked.size(); ++tag)
    CHECK((answers[tag] == alone.answer(asked[tag], 6)));
  served.engine.reset();
}

}  // namespace scsim::exec
