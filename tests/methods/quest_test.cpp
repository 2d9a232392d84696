#include "methods/quest/quest.h"

#include <catch2/catch.hpp>

#include "methods/method.h"

namespace scsim::methods {
namespace {

const AttentionLayer kLayer{.layer = 3,
                            .num_layers = 30,
                            .query_heads = 9,
                            .kv_heads = 3,
                            .head_dim = 64,
                            .element_bytes = 4};

std::unique_ptr<KvContract> contract(const std::string& text) {
  const auto choice = parse_method(text);
  INFO((choice ? "" : choice.error().message));
  REQUIRE(choice.has_value());
  return make_contract(*choice);
}

TEST_CASE("a first prompt attends everything, a later one some pages for each token",
          "[methods][quest]") {
  const auto quest = contract("quest:budget=64");
  const PairBounds first = quest->prefill_pairs(kLayer, Tokens{500}, Tokens{0});
  CHECK(first.exact());
  CHECK(first.least == 9 * 500.0 * 501 / 2);
  // Token by token: 64 tokens of 4 pages of 16, of which the newest may hold less.
  double pairs = 0;
  for (std::int64_t held = 501; held <= 520; ++held) pairs += 9 * (3 * 16 + (held - 1) % 16 + 1);
  const PairBounds later = quest->prefill_pairs(kLayer, Tokens{20}, Tokens{500});
  CHECK(later.exact());
  CHECK(later.least == pairs);
  // Where the newest page is read only if it is chosen, all pages read may be full.
  const PairBounds either =
      contract("quest:budget=64,newest=if_chosen")->prefill_pairs(kLayer, Tokens{20}, Tokens{500});
  CHECK(either.least == pairs);
  CHECK(either.most == 9 * 20 * 64);
}

TEST_CASE("Quest's pairs are those of token after token, added up", "[methods][quest]") {
  for (const std::int64_t page : {1, 5, 16}) {
    for (const std::int64_t budget : {1, 20, 64, 300}) {
      const QuestOptions options{.page = page, .budget = budget};
      const std::string text =
          "quest:page=" + std::to_string(page) + ",budget=" + std::to_string(budget);
      INFO(text);
      for (const std::int64_t cached : {1, 15, 63, 64, 65, 299, 1000}) {
        for (const std::int64_t fresh : {0, 1, 7, 130}) {
          INFO(fresh << " tokens behind " << cached);
          std::int64_t pairs = 0, all_full = 0, shared = 0;
          for (std::int64_t held = cached + 1; held <= cached + fresh; ++held) {
            const std::int64_t pages = (held + page - 1) / page, chosen = options.chosen(held);
            const std::int64_t full_pages = chosen * page, missing = pages * page - held;
            pairs += full_pages - missing;
            all_full += chosen == pages ? held : full_pages;
            shared += std::min(options.chosen(cached + fresh) * page, held);
          }
          const auto pairs_of = [&](const std::string& more) {
            return contract(text + more)->prefill_pairs(kLayer, Tokens{fresh}, Tokens{cached});
          };
          CHECK(pairs_of("").least == 9.0 * static_cast<double>(pairs));
          CHECK(pairs_of("").exact());
          CHECK(pairs_of(",newest=if_chosen").least == 9.0 * static_cast<double>(pairs));
          CHECK(pairs_of(",newest=if_chosen").most == 9.0 * static_cast<double>(all_full));
          CHECK(pairs_of(",follow_up=shared_sign").least == 9.0 * static_cast<double>(fresh));
          CHECK(pairs_of(",follow_up=shared_sign").most == 9.0 * static_cast<double>(shared));
        }
      }
    }
  }
}

TEST_CASE("Quest reads at least three pages, and all where the budget reaches",
          "[methods][quest]") {
  const QuestOptions options{.page = 16, .budget = 20};
  CHECK(options.chosen(1) == 1);
  CHECK(options.chosen(20) == 2);
  CHECK(options.chosen(40) == 3);
  CHECK(options.chosen(1000) == 3);
  CHECK(QuestOptions{.page = 16, .budget = 1024}.chosen(1020) == 64);
  CHECK(QuestOptions{.page = 16, .budget = 1024}.chosen(100000) == 64);
}

TEST_CASE("the first layers are full attention and have no bounds", "[methods][quest]") {
  const auto quest = contract("quest:budget=64"), full = contract("full");
  AttentionLayer first = kLayer;
  first.layer = 1;
  CHECK(quest->metadata_bytes(first, Tokens{1000}) == Bytes{0});
  CHECK(quest->decode_reads(first, Tokens{1000}).hbm ==
        full->decode_reads(first, Tokens{1000}).hbm);
  CHECK(contract("quest:preset=released")->metadata_bytes(first, Tokens{1000}) > Bytes{0});
}

TEST_CASE("bounds are a sixteenth of the cache, and a step reads them and the chosen pages",
          "[methods][quest]") {
  const Tokens tokens{4096};
  const double row = 2.0 * 64 * 4;  // key and value of a head, or maximum and minimum of a page
  const auto quest = contract("quest");
  CHECK(quest->metadata_bytes(kLayer, tokens) == Bytes{256 * 3 * row});
  CHECK(quest->kept_bytes(kLayer, tokens) == Bytes{(4096 + 256) * 3 * row});
  const DecodeReads reads = quest->decode_reads(kLayer, tokens);
  CHECK(reads.hbm == Bytes{1024 * 9 * row + 256 * 3 * row});
  CHECK(reads.host == Bytes{0});
  CHECK(reads.resident == quest->kept_bytes(kLayer, tokens));
  CHECK(contract("quest:heads=kv")->decode_reads(kLayer, tokens).hbm ==
        Bytes{1024 * 3 * row + 256 * 3 * row});
}

TEST_CASE("a prompt that Quest prefilled serves others, a conversation does not",
          "[methods][quest]") {
  CHECK(contract("quest")->reuse(SessionMode::kMultiRequest) == ReuseClass::kExact);
  CHECK(contract("quest")->reuse(SessionMode::kMultiTurn) == ReuseClass::kLossy);
  CHECK(contract("quest:follow_up=dense")->reuse(SessionMode::kMultiTurn) == ReuseClass::kExact);
}

}  // namespace
}  // namespace scsim::methods
