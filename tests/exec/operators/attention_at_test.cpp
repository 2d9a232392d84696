#include <catch2/catch.hpp>

#include "exec/operators/generic.h"
#include "exec/operators/reference.h"
#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 31;

struct At {
  PagedCase c;
  at::Tensor positions;
};

Tensors cpu(const At& a) {
  return attention_at(a.c.q, a.positions, a.c.pool, a.c.block_table, a.c.kv_lengths, a.c.scale);
}
Tensors generically(const At& a) {
  return generic::attention_at(a.c.q, a.positions, a.c.pool, a.c.block_table, a.c.kv_lengths,
                               a.c.scale);
}
Tensors expected(const At& a) {
  return reference::attention_at(a.c.q, a.positions, a.c.pool, a.c.block_table, a.c.kv_lengths,
                                 a.c.scale);
}

// One sequence whose heads hold `tokens` or a few more; rows at positions taken by chance.
At random_case(std::int64_t tokens, double chance, Rng& rng) {
  PagedShape shape = random_shape(rng);
  shape.lengths = {{}};
  for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
    shape.lengths[0].push_back(tokens + static_cast<std::int64_t>(rng.below(4)));
  }
  std::vector<std::int64_t> positions;
  for (std::int64_t p = 0; p < tokens; ++p) {
    if (rng.chance(chance)) positions.push_back(p);
  }
  shape.new_tokens = {std::ssize(positions)};
  return {PagedCase(shape, rng), int32s(positions)};
}

TEST_CASE("rows at scattered positions attend what stands before them", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 60; ++n) {
    Rng rng(kSeed, "at", n);
    const At a =
        random_case(static_cast<std::int64_t>(rng.below(500)), rng.chance(0.5) ? 0.1 : 0.7, rng);
    INFO("case " << n << ", " << a.positions.size(0) << " rows");
    CHECK(difference(cpu(a), expected(a)) < kTolerance);
    CHECK(difference(generically(a), expected(a)) < kTolerance);
  }
}

TEST_CASE("rows at the last positions, one after another, are a prefill's, to the bit",
          "[exec][operators]") {
  for (const std::int64_t cached : {0, 1, 77}) {
    for (const std::int64_t rows : {1, 5, 200}) {
      Rng rng(kSeed, "prefill", static_cast<std::uint64_t>(cached * 1000 + rows));
      PagedShape shape;
      shape.kv_heads = 2;
      shape.group = 3;
      shape.lengths = {{cached + rows, cached + rows}};
      shape.new_tokens = {rows};
      At a{PagedCase(shape, rng), at::arange(cached, cached + rows, at::kInt)};
      const Tensors prefill = attention_prefill(a.c.q, a.c.query_offsets, a.c.pool, a.c.block_table,
                                                a.c.kv_lengths, a.c.scale);
      CHECK(same_bits(cpu(a), prefill));
    }
  }
}

TEST_CASE("positions that do not fit are refused", "[exec][operators]") {
  Rng rng(kSeed, "refused", 0);
  PagedShape shape;
  shape.kv_heads = 2;
  shape.group = 2;
  shape.lengths = {{10, 12}};
  shape.new_tokens = {3};
  At a{PagedCase(shape, rng), int32s({0, 4, 9})};
  CHECK_NOTHROW(cpu(a));
  for (const std::vector<std::int64_t>& wrong :
       {std::vector<std::int64_t>{0, 4, 10}, {4, 4, 5}, {5, 4, 6}, {-1, 2, 3}, {1, 2}}) {
    a.positions = int32s(wrong);
    CHECK_THROWS_AS(cpu(a), c10::Error);
    CHECK_THROWS_AS(generically(a), c10::Error);
  }
}

}  // namespace
}  // namespace scsim::exec::test
