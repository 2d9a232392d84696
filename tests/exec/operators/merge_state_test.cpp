#include <catch2/catch.hpp>

#include "exec/operators/generic.h"
#include "exec/operators/reference.h"
#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 22;

using Merge = Tensors (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                          const at::Tensor&);
const std::vector<std::pair<std::string, Merge>> kMerges = {{"cpu", merge_state},
                                                            {"generic", generic::merge_state}};

Tensors merged(Merge merge, const Tensors& a, const Tensors& b) {
  return merge(std::get<0>(a), std::get<1>(a), std::get<0>(b), std::get<1>(b));
}

// Attention to keys [first, first + count) of a cache with pages of one token.
Tensors part(const PagedCase& c, std::int64_t first, std::int64_t count) {
  PagedCase some = c;
  some.block_table = c.block_table.narrow(2, first, count).contiguous();
  some.kv_lengths = at::full_like(c.kv_lengths, count);
  return implementations()[0].decode(some);
}

TEST_CASE("attention to parts of the keys, merged in any order, is attention to all of them",
          "[exec][operators]") {
  for (std::uint64_t n = 0; n < 20; ++n) {
    Rng rng(kSeed, "merge", n);
    const std::int64_t length = 3 + static_cast<std::int64_t>(rng.below(200));
    const PagedCase c({.kv_heads = 2,
                       .group = 3,
                       .head_dim = 32,
                       .page_tokens = 1,
                       .lengths = {{length, length}},
                       .new_tokens = {0}},
                      rng);
    const std::int64_t first =
        static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(length)));
    const std::int64_t second =
        first +
        static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(length - first + 1)));
    const Tensors a = part(c, 0, first), b = part(c, first, second - first),
                  d = part(c, second, length - second);
    const Tensors expected = expected_decode(c);
    for (const auto& [name, merge] : kMerges) {
      INFO(name << ": " << first << ", " << second << " of " << length);
      CHECK(difference(merged(merge, merged(merge, a, b), d), expected) < kTolerance);
      CHECK(difference(merged(merge, a, merged(merge, b, d)), expected) < kTolerance);
      CHECK(same_bits(merged(merge, a, b), merged(merge, b, a)));
    }
  }
}

TEST_CASE("merging with an empty part changes nothing", "[exec][operators]") {
  Rng rng(kSeed, "empty");
  const Tensors some = {normal(rng, {4, 3, 20}), normal(rng, {4, 3}, 50)};
  const Tensors none = {at::zeros({4, 3, 20}),
                        at::full({4, 3}, -std::numeric_limits<float>::infinity())};
  for (const auto& [name, merge] : kMerges) {
    INFO(name);
    CHECK(same_bits(merged(merge, some, none), some));
    CHECK(same_bits(merged(merge, none, some), some));
    CHECK(same_bits(merged(merge, none, none), none));
  }
}

TEST_CASE("merging parts of very different weight does not overflow", "[exec][operators]") {
  Rng rng(kSeed, "large");
  const Tensors a = {normal(rng, {50, 8}), normal(rng, {50}, 1e4)};
  const Tensors b = {normal(rng, {50, 8}), normal(rng, {50}, 1e4)};
  const Tensors expected =
      reference::merge_state(std::get<0>(a), std::get<1>(a), std::get<0>(b), std::get<1>(b));
  for (const auto& [name, merge] : kMerges) {
    INFO(name);
    // The LSE is rounded to float32, 2^-24 * 1e4, before the generic one takes the shares.
    CHECK(difference(merged(merge, a, b), expected) < 2e-3);
  }
}

TEST_CASE("merge refuses parts of different shapes", "[exec][operators]") {
  const at::Tensor out = at::zeros({4, 3, 20}), lse = at::zeros({4, 3});
  for (const auto& [name, merge] : kMerges) {
    CHECK_THROWS_WITH(merge(out, lse, out, lse.narrow(0, 0, 2)),
                      Catch::Contains("[4, 3, 20] [4, 3] and [4, 3, 20] [2, 3]"));
  }
}

}  // namespace
}  // namespace scsim::exec::test
