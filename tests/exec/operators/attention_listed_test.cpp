#include <ATen/Parallel.h>

#include <catch2/catch.hpp>

#include "exec/operators/generic.h"
#include "exec/operators/reference.h"
#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 27;

Tensors cpu(const PagedCase& c, const KeyLists& lists) {
  return attention_listed(c.decode_q, c.pool, c.block_table, c.kv_lengths, c.scale, lists);
}

Tensors generically(const PagedCase& c, const KeyLists& lists) {
  return generic::attention_listed(c.decode_q, c.pool, c.block_table, c.kv_lengths, c.scale,
                                   lists.offsets, lists.units, lists.unit);
}

Tensors expected(const PagedCase& c, const KeyLists& lists) {
  return reference::attention_listed(c.decode_q, c.pool, c.block_table, c.kv_lengths, c.scale,
                                     lists);
}

// A list for each query head, or each kv head, with units taken by chance.
KeyLists random_lists(const PagedCase& c, std::int64_t unit, bool per_query_head, double chance,
                      Rng& rng) {
  const std::int64_t kv_heads = c.block_table.size(1), heads = c.decode_q.size(1);
  const std::int64_t lists = per_query_head ? heads : kv_heads;
  std::vector<std::int64_t> offsets = {0}, units;
  for (std::int64_t s = 0; s < c.block_table.size(0); ++s) {
    for (std::int64_t l = 0; l < lists; ++l) {
      const std::int64_t held = c.kv_lengths[s][l / (lists / kv_heads)].item<std::int64_t>();
      for (std::int64_t u = 0; u * unit < held; ++u) {
        if (rng.chance(chance)) units.push_back(u);
      }
      offsets.push_back(static_cast<std::int64_t>(units.size()));
    }
  }
  return {.unit = unit, .offsets = int32s(offsets), .units = int32s(units)};
}

TEST_CASE("attention over listed keys is what its definition says", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 100; ++n) {
    Rng rng(kSeed, "listed", n);
    const PagedCase c(random_shape(rng), rng);
    const std::vector<std::int64_t> sizes = {1, 5, 16, 64, 200};  // no relation to the pages'
    const bool per_query_head = rng.chance(0.5);
    const KeyLists lists =
        random_lists(c, sizes[rng.below(sizes.size())], per_query_head, 0.4, rng);
    INFO("case " << n << ", units of " << lists.unit << ", per query head " << per_query_head);
    CHECK(difference(cpu(c, lists), expected(c, lists)) < kTolerance);
    CHECK(difference(generically(c, lists), expected(c, lists)) < kTolerance);
  }
}

TEST_CASE("attention over a list of all keys has the bits of a decode", "[exec][operators]") {
  Rng rng(kSeed, "all");
  const PagedCase c({.kv_heads = 3,
                     .group = 3,
                     .page_tokens = 64,
                     .lengths = {{2100, 256, 257}, {0, 1, 1000}},
                     .new_tokens = {0, 0}},
                    rng);
  const Tensors all = implementations()[0].decode(c);
  const int threads = at::get_num_threads();
  for (const std::int64_t unit : {1, 16, 50}) {
    for (const bool per_query_head : {false, true}) {
      for (const int n : {1, 3}) {
        at::set_num_threads(n);
        CHECK(same_bits(cpu(c, random_lists(c, unit, per_query_head, 2, rng)), all));
      }
    }
  }
  at::set_num_threads(threads);
}

TEST_CASE("keys that no list names may be on pages that are not there", "[exec][operators]") {
  Rng rng(kSeed, "elsewhere");
  PagedCase c({.kv_heads = 1, .group = 2, .lengths = {{60}}, .new_tokens = {0}}, rng);
  const KeyLists lists{.unit = 16, .offsets = int32s({0, 2}), .units = int32s({0, 3})};
  const Tensors before = cpu(c, lists);
  c.block_table[0][0][1] = 1000;
  c.block_table[0][0][2] = -7;
  CHECK(same_bits(cpu(c, lists), before));
  CHECK(difference(generically(c, lists), expected(c, lists)) < kTolerance);
}

TEST_CASE("attention over lists refuses what does not fit, by name", "[exec][operators]") {
  Rng rng(kSeed, "refused");
  const PagedCase c({.kv_heads = 2, .group = 2, .lengths = {{60, 60}}, .new_tokens = {0}}, rng);
  const auto both = [&](const KeyLists& lists, const std::string& message) {
    CHECK_THROWS_WITH(cpu(c, lists), Catch::Contains(message));
    CHECK_THROWS_WITH(generically(c, lists), Catch::Contains(message));
  };
  both({.unit = 16, .offsets = int32s({0, 1, 1, 1}), .units = int32s({0})},
       "a list for each of 2 kv heads or of 4 query heads; found [4]");
  both({.unit = 16, .offsets = int32s({0, 2, 2}), .units = int32s({1, 1})},
       "units of list 0 must ascend; found 1 behind 1");
  both({.unit = 16, .offsets = int32s({0, 0, 1}), .units = int32s({4})},
       "list 1 names unit 4 of 16 tokens, and its kv head holds 60 tokens");
  both({.unit = 0, .offsets = int32s({0, 0, 1}), .units = int32s({4})}, "unit must be positive");
}

}  // namespace
}  // namespace scsim::exec::test
