#include <catch2/catch.hpp>

#include "methods/method.h"
#include "methods/retrieval_attention/options.h"

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

TEST_CASE("what leaves the device leaves in whole blocks between sinks and window",
          "[methods][retrieval_attention]") {
  const RetrievalOptions options{.sinks = 100, .recent = 500, .block = 64};
  for (std::int64_t tokens = 0; tokens < 3000; ++tokens) {
    const TokenRange away = options.on_host(tokens);
    CHECK(away.begin == 128);
    CHECK(away.size() % 64 == 0);
    if (away.size() == 0) {
      CHECK(tokens < 128 + 500 + 64);
    } else {
      CHECK(tokens - away.end >= 500);
      CHECK(tokens - away.end < 500 + 64);
    }
  }
}

TEST_CASE("retrieved tokens are those of token after token, added up",
          "[methods][retrieval_attention]") {
  for (const std::int64_t sinks : {0, 10, 100}) {
    for (const std::int64_t block : {1, 7, 64}) {
      const RetrievalOptions options{.sinks = sinks, .recent = 50, .block = block};
      for (const std::int64_t from : {1, 59, 60, 150, 1000}) {
        for (const std::int64_t to : {from, from + 1, from + 90, from + 500}) {
          for (const std::int64_t most : {std::int64_t{1}, std::int64_t{64}, to}) {
            INFO(sinks << " " << block << " " << from << " " << to << " " << most);
            std::int64_t there = 0;
            for (std::int64_t held = from + 1; held <= to; ++held) {
              there += std::min(options.on_host(held).size(), most);
            }
            CHECK(options.sum_on_host(from, to, most) == there);
          }
        }
      }
    }
  }
}

TEST_CASE("a step reads the window, and for each query head what was retrieved",
          "[methods][retrieval_attention]") {
  const double row = 2.0 * 64 * 4;
  const auto method = contract("retrieval_attention");
  // 128 sinks, 512 recent tokens; 360 between, of which 5 blocks of 64 are away.
  const DecodeReads reads = method->decode_reads(kLayer, Tokens{1000});
  CHECK(reads.hbm == Bytes{(1000 - 320) * 3 * row});
  CHECK(reads.resident == reads.hbm);
  CHECK(reads.host == Bytes{100 * 9 * row});
  CHECK(contract("retrieval_attention:preset=released")->decode_reads(kLayer, Tokens{1000}).host ==
        Bytes{320 * 9 * row});
  CHECK(method->decode_reads(kLayer, Tokens{600}).host == Bytes{0});
}

TEST_CASE("an index of fixed links costs the same for every key",
          "[methods][retrieval_attention]") {
  const auto bytes = [](const std::string& text, std::int64_t tokens) {
    return contract("retrieval_attention:" + text)->metadata_bytes(kLayer, Tokens{tokens});
  };
  CHECK(bytes("index=flat", 5000) == Bytes{0});
  CHECK(bytes("index=graph", 640) == Bytes{0});
  CHECK(bytes("index=graph", 640 + 128) == Bytes{3 * 128.0 * (33 * 4 + 4)});
  CHECK(bytes("index=graph,degree=16", 640 + 128) == Bytes{3 * 128.0 * (17 * 4 + 4)});
  CHECK(bytes("index=hnsw", 640 + 128) > bytes("index=graph", 640 + 128));
}

TEST_CASE("a later prompt attends window and retrieved, token by token",
          "[methods][retrieval_attention]") {
  double pairs = 0;
  for (std::int64_t held = 1001; held <= 1100; ++held) {
    const std::int64_t away = (held - 640) / 64 * 64;
    pairs += 9.0 * static_cast<double>(held - away + std::min<std::int64_t>(away, 100));
  }
  const PairBounds exact =
      contract("retrieval_attention")->prefill_pairs(kLayer, Tokens{100}, Tokens{1000});
  CHECK(exact.exact());
  CHECK(exact.least == pairs);
  // hnswlib may find fewer.
  const PairBounds hnsw =
      contract("retrieval_attention:index=hnsw")->prefill_pairs(kLayer, Tokens{100}, Tokens{1000});
  CHECK(hnsw.most == pairs);
  CHECK(hnsw.least == pairs - 9 * 100 * 100);
}

TEST_CASE("an indexed prompt serves others as a whole", "[methods][retrieval_attention]") {
  const auto method = contract("retrieval_attention");
  CHECK(method->reuse(SessionMode::kMultiRequest) == ReuseClass::kExact);
  CHECK(method->reuse(SessionMode::kMultiTurn) == ReuseClass::kLossy);
  CHECK(method->addressable() == Addressable::kWhole);
}

}  // namespace
}  // namespace scsim::methods
