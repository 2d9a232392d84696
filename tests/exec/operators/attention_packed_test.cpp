#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <limits>

#include "exec/operators/generic.h"
#include "exec/operators/reference.h"
#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 23;

// A pool of random blocks, more than are used, and queries of each sequence.
struct PackedCase {
  QuantisedFormat format;
  at::Tensor pool, block_table, kv_lengths, q, query_offsets;
  double scale = 0;

  PackedCase(Rng& rng, const QuantisedFormat& of, std::int64_t head_dim, std::int64_t kv_heads,
             std::int64_t group, const std::vector<std::vector<std::int64_t>>& lengths,
             const std::vector<std::int64_t>& rows)
      : format(of), scale(1 / std::sqrt(static_cast<double>(head_dim))) {
    std::int64_t blocks = 1, most = 1;
    const auto blocks_of = [&](std::int64_t length) {
      return (length + format.group - 1) / format.group;
    };
    for (const auto& heads : lengths) {
      for (const std::int64_t length : heads) {
        blocks += blocks_of(length);
        most = std::max(most, blocks_of(length));
      }
    }
    pool = pack_blocks(normal(rng, {blocks, 2, format.group, head_dim}), format);
    const std::int64_t sequences = static_cast<std::int64_t>(lengths.size());
    block_table = at::full({sequences, kv_heads, most}, -1, at::kInt);
    kv_lengths = at::zeros({sequences, kv_heads}, at::kInt);
    std::int32_t next = static_cast<std::int32_t>(blocks) - 1;  // the last comes first
    for (std::int64_t s = 0; s < sequences; ++s) {
      for (std::int64_t h = 0; h < kv_heads; ++h) {
        const std::int64_t length =
            lengths[static_cast<std::size_t>(s)][static_cast<std::size_t>(h)];
        kv_lengths[s][h] = length;
        for (std::int64_t b = 0; b < blocks_of(length); ++b) block_table[s][h][b] = next--;
      }
    }
    std::vector<std::int64_t> offsets = {0};
    for (const std::int64_t n : rows) offsets.push_back(offsets.back() + n);
    query_offsets = int32s(offsets);
    q = normal(rng, {offsets.back(), kv_heads * group, head_dim});
  }

  Tensors cpu() const {
    return attention_packed(q, query_offsets, pool, block_table, kv_lengths, scale, format);
  }
  Tensors generic() const {
    return generic::attention_packed(q, query_offsets, pool, block_table, kv_lengths, scale,
                                     format.group, format.key_bits, format.value_bits);
  }
  Tensors expected() const {
    return reference::attention_packed(q, query_offsets, pool, block_table, kv_lengths, scale,
                                       format);
  }
};

PackedCase random_case(Rng& rng) {
  const std::vector<int> bits = {2, 4, 8};
  const std::vector<std::int64_t> groups = {32, 16, 8, 64, 128, 12, 5},
                                  dims = {64, 128, 32, 96, 20, 80};
  const QuantisedFormat format{.key_bits = bits[rng.below(3)],
                               .value_bits = bits[rng.below(3)],
                               .group = groups[rng.below(groups.size())]};
  const std::int64_t kv_heads = 1 + static_cast<std::int64_t>(rng.below(3));
  std::vector<std::vector<std::int64_t>> lengths;
  std::vector<std::int64_t> rows;
  for (std::uint64_t s = 0; s <= rng.below(3); ++s) {
    lengths.emplace_back();
    for (std::int64_t h = 0; h < kv_heads; ++h) {
      lengths.back().push_back(rng.chance(0.15) ? 0 : static_cast<std::int64_t>(rng.below(400)));
    }
    rows.push_back(rng.chance(0.5) ? 1 : static_cast<std::int64_t>(rng.below(40)));
  }
  return {rng,
          format,
          dims[rng.below(dims.size())],
          kv_heads,
          1 + static_cast<std::int64_t>(rng.below(7)),
          lengths,
          rows};
}

TEST_CASE("attention to packed blocks is what their numbers say", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 60; ++n) {
    Rng rng(kSeed, "packed", n);
    const PackedCase c = random_case(rng);
    INFO("case " << n << ", " << c.format.key_bits << " and " << c.format.value_bits
                 << " bits, groups of " << c.format.group << ", heads of " << c.q.size(2));
    const Tensors expected = c.expected();
    CHECK(difference(c.cpu(), expected) < kTolerance);
    CHECK(difference(c.generic(), expected) < kTolerance);
  }
}

TEST_CASE("what is packed reads back within half a step of its group", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 60; ++n) {
    Rng rng(kSeed, "pack", n);
    const std::vector<int> bits = {2, 4, 8};
    const QuantisedFormat format{.key_bits = bits[rng.below(3)],
                                 .value_bits = bits[rng.below(3)],
                                 .group = 1 + static_cast<std::int64_t>(rng.below(40))};
    const std::int64_t dim = 4 * (1 + static_cast<std::int64_t>(rng.below(32)));
    const at::Tensor rows = normal(rng, {3, 2, format.group, dim}, 5);
    const at::Tensor packed = pack_blocks(rows, format);
    CHECK(packed.size(1) == format.block_bytes(dim));
    const at::Tensor again = unpack_blocks(packed, format, dim, at::kFloat);
    const auto check = [&](const at::Tensor& x, const at::Tensor& y, std::int64_t of, int b) {
      // Half a step, and what float16 loses of a minimum and, at every step, of a scale; it has no
      // digits below 2^-24.
      const double levels = (1 << b) - 1;
      const at::Tensor range = x.amax(of, true) - x.amin(of, true);
      const at::Tensor step = range / levels;
      const at::Tensor lost =
          (x.abs().amax(of, true) + range * 2) * std::exp2(-11) + levels * std::exp2(-24);
      CHECK(((x - y).abs() <= step / 2 + lost).all().item<bool>());
    };
    INFO("case " << n);
    check(rows.select(1, 0), again.select(1, 0), 1, format.key_bits);
    const std::int64_t channels = format.value_group(dim);
    const auto grouped = [&](const at::Tensor& x) {
      return x.select(1, 1).reshape({3, format.group, dim / channels, channels});
    };
    check(grouped(rows), grouped(again), 3, format.value_bits);
  }
}

TEST_CASE("rounding rows is packing and unpacking them, bit by bit", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 40; ++n) {
    Rng rng(kSeed, "round", n);
    const QuantisedFormat format{.key_bits = rng.chance(0.5) ? 2 : 4,
                                 .value_bits = rng.chance(0.5) ? 2 : 4,
                                 .group = 1 + static_cast<std::int64_t>(rng.below(40))};
    const std::int64_t dim = 4 * (1 + static_cast<std::int64_t>(rng.below(32)));
    const at::Tensor rows = normal(rng, {1, 2, format.group, dim});
    const at::Tensor expected =
        unpack_blocks(pack_blocks(rows, format), format, dim, at::kFloat)[0];
    CHECK(same_bits(rounded_keys(rows[0][0], format), expected[0]));
    CHECK(same_bits(rounded_values(rows[0][1], format), expected[1]));
    at::Tensor in_place = rows[0].clone();
    std::vector<float*> keys, values;
    for (std::int64_t i = 0; i < format.group; ++i) {
      keys.push_back(in_place.mutable_data_ptr<float>() + i * dim);
      values.push_back(in_place.mutable_data_ptr<float>() + (format.group + i) * dim);
    }
    round_keys(keys, dim, format);
    round_values(values, dim, format);
    CHECK(same_bits(in_place, expected));
  }
}

TEST_CASE("numbers of one group that are all the same stay what they are", "[exec][operators]") {
  const QuantisedFormat format{.key_bits = 2, .value_bits = 2, .group = 32};
  const at::Tensor rows = at::full({2, 2, 32, 64}, 0.75);
  CHECK(at::equal(unpack_blocks(pack_blocks(rows, format), format, 64, at::kFloat), rows));
}

TEST_CASE("attention to packed blocks has the same bits for any number of threads, and alone",
          "[exec][operators]") {
  Rng rng(kSeed, "threads");
  const PackedCase c(rng, {.key_bits = 2, .value_bits = 4, .group = 32}, 64, 3, 3,
                     {{1000, 32, 700}, {320, 0, 1}}, {1, 300});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto [out, lse] = c.cpu();
  for (const int n : {2, 3}) {
    at::set_num_threads(n);
    CHECK(same_bits(c.cpu(), {out, lse}));
    PackedCase one = c;
    one.block_table = c.block_table.narrow(0, 1, 1).contiguous();
    one.kv_lengths = c.kv_lengths.narrow(0, 1, 1).contiguous();
    one.q = c.q.narrow(0, 1, 300);
    one.query_offsets = int32s({0, 300});
    CHECK(same_bits(one.cpu(), {out.narrow(0, 1, 300), lse.narrow(0, 1, 300)}));
  }
  at::set_num_threads(threads);
}

TEST_CASE("attention to packed blocks refuses what does not fit, by name", "[exec][operators]") {
  Rng rng(kSeed, "refused");
  const PackedCase good(rng, {.key_bits = 4, .value_bits = 4, .group = 32}, 64, 1, 2, {{60}}, {1});
  PackedCase other = good, longer = good, short_offsets = good;
  other.format.key_bits = 2;
  longer.kv_lengths = at::full({1, 1}, 65, at::kInt);
  short_offsets.query_offsets = int32s({0, 2});
  for (const bool on_cpu : {true, false}) {
    const auto run = [&](const PackedCase& c) { return on_cpu ? c.cpu() : c.generic(); };
    CHECK_THROWS_WITH(run(other), Catch::Contains("pool must be contiguous uint8 [num_blocks, "));
    CHECK_THROWS_WITH(run(longer), Catch::Contains("holds 65 tokens, and block_table has room for "
                                                   "2 pages of 32"));
    CHECK_THROWS_WITH(run(short_offsets),
                      Catch::Contains("must begin with 0 and end with the rows of q, 1"));
  }
}

}  // namespace
}  // namespace scsim::exec::test
