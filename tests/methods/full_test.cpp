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

TEST_CASE("full attention attends every causal pair, counted one by one", "[methods][full]") {
  const auto full = make_contract(*parse_method("full"));
  for (const std::int64_t fresh : {0, 1, 7, 64}) {
    for (const std::int64_t cached : {0, 1, 100}) {
      double pairs = 0;
      for (std::int64_t query = cached; query < cached + fresh; ++query) {
        for (std::int64_t key = 0; key <= query; ++key) pairs += kLayer.query_heads;
      }
      const PairBounds bounds = full->prefill_pairs(kLayer, Tokens{fresh}, Tokens{cached});
      CHECK(bounds.exact());
      CHECK(bounds.least == pairs);
    }
  }
}

TEST_CASE("full attention in chunks attends what it attends at once", "[methods][full]") {
  const auto full = make_contract(*parse_method("full"));
  const double at_once = full->prefill_pairs(kLayer, Tokens{1000}, Tokens{0}).least;
  double in_chunks = 0;
  for (std::int64_t done = 0; done < 1000; done += 250) {
    in_chunks += full->prefill_pairs(kLayer, Tokens{250}, Tokens{done}).least;
  }
  CHECK(in_chunks == at_once);
}

TEST_CASE("full attention keeps and reads all of K and V", "[methods][full]") {
  const auto full = make_contract(*parse_method("full"));
  const double bytes = 2.0 * 100 * 3 * 64 * 4;  // K and V, tokens, kv heads, head_dim, float32
  CHECK(full->kept_bytes(kLayer, Tokens{100}) == Bytes{bytes});
  CHECK(full->peak_bytes(kLayer, Tokens{100}) == Bytes{bytes});
  CHECK(full->metadata_bytes(kLayer, Tokens{100}) == Bytes{0});
  CHECK(full->bits_per_element(kLayer) == 32);
  const DecodeReads reads = full->decode_reads(kLayer, Tokens{100});
  CHECK(reads.hbm == Bytes{bytes});
  CHECK(reads.host == Bytes{0});
  CHECK(reads.resident == Bytes{bytes});
}

TEST_CASE("a full cache serves anybody with the same prefix", "[methods][full]") {
  const auto full = make_contract(*parse_method("full"));
  for (const SessionMode mode : {SessionMode::kMultiTurn, SessionMode::kMultiRequest}) {
    CHECK(full->reuse(mode) == ReuseClass::kExact);
  }
  CHECK(full->addressable() == Addressable::kEveryPrefix);
  CHECK(full->compresses() == Compresses::kNever);
  CHECK(full->allows_chunked_prefill());
}

TEST_CASE("a recurrent layer keeps its state, and those saved at shorter lengths",
          "[methods][full]") {
  for (const std::int64_t every : {0, 1, 3, 4}) {
    const RecurrentLayer layer{.state = Bytes{100}, .saved_every = Tokens{every}};
    CHECK(kept_bytes(layer, Tokens{0}) == Bytes{0});
    for (std::int64_t tokens = 1; tokens < 20; ++tokens) {
      double bytes = 100;
      for (std::int64_t point = 1; point < tokens; ++point) {
        if (every > 0 && point % every == 0) bytes += 100;
      }
      CHECK(kept_bytes(layer, Tokens{tokens}) == Bytes{bytes});
    }
    CHECK(decode_reads(layer).hbm == Bytes{100});
  }
}

TEST_CASE("on recurrent layers an exact cache is a snapshot, at saved points", "[methods][full]") {
  CHECK(reuse_of_recurrent(ReuseClass::kExact) == ReuseClass::kSnapshot);
  CHECK(reuse_of_recurrent(ReuseClass::kQueryBound) == ReuseClass::kQueryBound);
  CHECK(reuse_of_recurrent(ReuseClass::kPositionFree) == ReuseClass::kNone);
  CHECK(addressable_of_recurrent(Addressable::kEveryPrefix, Tokens{512}) ==
        Addressable::kSavedPoints);
  CHECK(addressable_of_recurrent(Addressable::kEveryPrefix, Tokens{0}) == Addressable::kWhole);
  CHECK(addressable_of_recurrent(Addressable::kWhole, Tokens{512}) == Addressable::kWhole);
}

TEST_CASE("every method says whether it can run where no layer attends", "[methods]") {
  for (const MethodEntry& entry : method_table()) {
    INFO(entry.name);
    const auto choice = parse_method(entry.name);
    REQUIRE(choice.has_value());
    CHECK(check_layers(*choice, {.model = "some Llama", .attention = 30}).has_value());
    const auto recurrent = check_layers(*choice, {.model = "some Mamba", .recurrent = 24});
    CHECK(recurrent.has_value() == !entry.needs_attention);
    if (recurrent) continue;
    CHECK(recurrent.error().message.find("some Mamba has none, but 24 recurrent layers; methods "
                                         "for it: full") != std::string::npos);
  }
}

}  // namespace
}  // namespace scsim::methods
