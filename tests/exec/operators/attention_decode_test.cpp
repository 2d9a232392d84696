#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <limits>

#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 21;

PagedShape long_shape() {
  return {.kv_heads = 3,
          .group = 3,
          .head_dim = 64,
          .page_tokens = 64,
          .lengths = {{2100, 256, 257}, {0, 1, 1000}},
          .new_tokens = {0, 0}};
}

TEST_CASE("decode of random shapes is what its definition says", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 100; ++n) {
    Rng rng(kSeed, "decode", n);
    const PagedShape shape = random_shape(rng);
    const PagedCase c(shape, rng);
    const Tensors expected = expected_decode(c);
    for (const Implementation& i : implementations()) {
      INFO(i.name << ", case " << n << ", group " << shape.group << ", head_dim " << shape.head_dim
                  << ", pages of " << shape.page_tokens);
      CHECK(difference(i.decode(c), expected) < kTolerance);
    }
  }
}

TEST_CASE("decode of long and ragged sequences is what its definition says", "[exec][operators]") {
  Rng rng(kSeed, "long");
  const PagedCase c(long_shape(), rng);
  for (const Implementation& i : implementations()) {
    CHECK(difference(i.decode(c), expected_decode(c)) < kTolerance);
  }
}

TEST_CASE("decode of a head without keys is zero with an LSE of minus infinity",
          "[exec][operators]") {
  Rng rng(kSeed, "empty");
  const PagedCase c({.kv_heads = 2, .group = 4, .lengths = {{0, 0}, {0, 5}}, .new_tokens = {0, 0}},
                    rng);
  for (const Implementation& i : implementations()) {
    const auto [out, lse] = i.decode(c);
    CHECK(at::equal(out[0], at::zeros_like(out[0])));
    CHECK(at::equal(lse[0], at::full_like(lse[0], -std::numeric_limits<double>::infinity())));
    CHECK(difference({out, lse}, expected_decode(c)) < kTolerance);
  }
}

TEST_CASE("decode has the same bits for any number of threads, and alone or in a batch",
          "[exec][operators]") {
  Rng rng(kSeed, "threads");
  const PagedCase c(long_shape(), rng);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto [out, lse] = implementations()[0].decode(c);
  for (const int n : {2, 3}) {
    at::set_num_threads(n);
    CHECK(same_bits(implementations()[0].decode(c), {out, lse}));
    for (std::int64_t s = 0; s < 2; ++s) {
      CHECK(same_bits(implementations()[0].decode(c.sequence(s)),
                      {out.narrow(0, s, 1), lse.narrow(0, s, 1)}));
    }
  }
  at::set_num_threads(threads);
}

TEST_CASE("decode is the last row of a prefill", "[exec][operators]") {
  Rng rng(kSeed, "last row");
  PagedCase c({.kv_heads = 2, .group = 2, .lengths = {{200, 200}}, .new_tokens = {200}}, rng);
  c.decode_q = c.q.narrow(0, 199, 1);
  const auto [out, lse] = expected_prefill(c);
  for (const Implementation& i : implementations()) {
    CHECK(difference(i.decode(c), {out.narrow(0, 199, 1), lse.narrow(0, 199, 1)}) < kTolerance);
  }
}

TEST_CASE("large and infinite logits do not overflow a decode", "[exec][operators]") {
  Rng rng(kSeed, "large");
  PagedCase c({.kv_heads = 1, .group = 4, .lengths = {{600}}, .new_tokens = {0}}, rng);
  c.decode_q.mul_(1000);
  for (const Implementation& i : implementations()) {
    CHECK(difference(i.decode(c), expected_decode(c)) < 4e-3);
  }
  c.decode_q.div_(1000).select(2, 0).fill_(1);
  for (std::int64_t p = 0; p < 600;
       ++p) {  // the first part has no key of weight, the rest has some
    if (p >= 300 && p % 2 == 0) continue;
    c.pool[c.block_table[0][0][p / 16].item<std::int64_t>()][0][p % 16][0] =
        -std::numeric_limits<float>::infinity();
  }
  for (const Implementation& i : implementations()) {
    CHECK(difference(i.decode(c), expected_decode(c)) < kTolerance);
  }
}

TEST_CASE("decode refuses what does not fit, by name", "[exec][operators]") {
  Rng rng(kSeed, "refused");
  const PagedCase good({.kv_heads = 1, .group = 4, .lengths = {{60}}, .new_tokens = {0}}, rng);
  PagedCase c = good;
  c.kv_lengths = at::full({1, 1}, 65, at::kInt);
  PagedCase wide = good;
  wide.decode_q = at::cat({good.decode_q, good.decode_q});
  PagedCase longs = good;
  longs.kv_lengths = good.kv_lengths.to(at::kLong);
  for (const Implementation& i : implementations()) {
    CHECK_THROWS_WITH(i.decode(c), Catch::Contains("holds 65 tokens, and block_table has room for "
                                                   "4 pages of 16"));
    CHECK_THROWS_WITH(i.decode(wide), Catch::Contains("q must have one row per sequence, 1; found "
                                                      "[2, 4, 64]"));
    CHECK_THROWS_WITH(i.decode(longs), Catch::Contains("kv_lengths must be int32 with 2 "
                                                       "dimension(s); found Long [1, 1]"));
  }
}

}  // namespace
}  // namespace scsim::exec::test
