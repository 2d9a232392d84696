#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <limits>

#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 20;

// Every key tile of `tile` for every head and tile of queries.
PrefillSelection all_tiles(const PagedCase& c, std::int64_t tile) {
  std::vector<std::int64_t> offsets = {0}, tiles;
  for (std::int64_t h = 0; h < c.q.size(1); ++h) {
    for (std::int64_t s = 0; s < c.block_table.size(0); ++s) {
      const std::int64_t rows = (c.query_offsets[s + 1] - c.query_offsets[s]).item<std::int64_t>();
      for (std::int64_t t = 0; t * tile < rows; ++t) {
        const std::int64_t held = c.kv_lengths[s].max().item<std::int64_t>();
        for (std::int64_t k = 0; k * tile < held; ++k) tiles.push_back(k);
        offsets.push_back(static_cast<std::int64_t>(tiles.size()));
      }
    }
  }
  return {.tile = tile, .tile_offsets = int32s(offsets), .tiles = int32s(tiles)};
}

PagedCase prompt(std::int64_t tokens, std::int64_t page_tokens, Rng& rng) {
  return PagedCase({.kv_heads = 2,
                    .group = 3,
                    .head_dim = 64,
                    .page_tokens = page_tokens,
                    .lengths = {{tokens, tokens}},
                    .new_tokens = {tokens}},
                   rng);
}

TEST_CASE("prefill of random shapes is what its definition says", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 60; ++n) {
    Rng rng(kSeed, "prefill", n);
    const PagedShape shape = random_shape(rng);
    const PagedCase c(shape, rng);
    const Tensors expected = expected_prefill(c);
    for (const Implementation& i : implementations()) {
      INFO(i.name << ", case " << n << ", group " << shape.group << ", head_dim " << shape.head_dim
                  << ", pages of " << shape.page_tokens);
      CHECK(difference(i.prefill(c, c10::nullopt), expected) < kTolerance);
    }
  }
}

TEST_CASE("prefill of selected tiles and columns is attention to just those keys",
          "[exec][operators]") {
  const std::vector<std::int64_t> tiles = {64, 16, 128, 7};
  for (std::uint64_t n = 0; n < 60; ++n) {
    Rng rng(kSeed, "selection", n);
    const PagedCase c(random_shape(rng), rng);
    PrefillSelection selection = random_selection(c, tiles[n % tiles.size()], rng);
    if (n % 3 == 0) selection.column_offsets = selection.columns = at::Tensor();
    const Tensors expected = expected_prefill(c, selection);
    for (const Implementation& i : implementations()) {
      INFO(i.name << ", case " << n << ", tiles of " << selection.tile);
      CHECK(difference(i.prefill(c, selection), expected) < kTolerance);
    }
  }
}

TEST_CASE(
    "prefill of bands, of tiles from any key on and of lists by kv head is attention to just "
    "those keys",
    "[exec][operators]") {
  const std::vector<std::int64_t> tiles = {64, 16, 128, 7};
  for (std::uint64_t n = 0; n < 80; ++n) {
    Rng rng(kSeed, "bands", n);
    const PagedCase c(random_shape(rng), rng);
    const std::int64_t tile = tiles[n % tiles.size()];
    const bool by_kv_head = n % 2 == 0;
    PrefillSelection selection = n % 5 == 0 ? random_selection(c, tile, rng, by_kv_head)
                                            : random_bands(c, tile, rng, by_kv_head);
    const Tensors expected = expected_prefill(c, selection);
    for (const Implementation& i : implementations()) {
      INFO(i.name << ", case " << n << ", tiles of " << tile);
      CHECK(difference(i.prefill(c, selection), expected) < kTolerance);
    }
  }
}

// A band from key 0 on that is wider than the prompt.
TEST_CASE("prefill of a band over everything is dense prefill", "[exec][operators]") {
  Rng rng(kSeed, "whole band");
  const PagedCase c = prompt(300, 16, rng);
  PrefillSelection selection = all_tiles(c, 64);
  selection.tiles = int32s({});
  selection.tile_offsets = at::zeros_like(selection.tile_offsets);
  selection.bands = int32s({0, 300}).repeat({selection.tile_offsets.size(0) - 1, 1});
  for (const Implementation& i : implementations()) {
    CHECK(difference(i.prefill(c, selection), expected_prefill(c)) < kTolerance);
  }
}

TEST_CASE("prefill of all tiles is dense prefill", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 10; ++n) {
    Rng rng(kSeed, "all tiles", n);
    const PagedCase c(random_shape(rng), rng);
    for (const Implementation& i : implementations()) {
      INFO(i.name << ", case " << n);
      CHECK(same_bits(i.prefill(c, all_tiles(c, 64)), i.prefill(c, c10::nullopt)));
    }
  }
}

TEST_CASE("prefill has the same bits for any number of threads", "[exec][operators]") {
  Rng rng(kSeed, "threads");
  const PagedCase c = prompt(700, 32, rng);
  const PrefillSelection selection = random_selection(c, 64, rng);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensors dense = implementations()[0].prefill(c, c10::nullopt);
  const Tensors sparse = implementations()[0].prefill(c, selection);
  for (const int n : {2, 3}) {
    at::set_num_threads(n);
    CHECK(same_bits(implementations()[0].prefill(c, c10::nullopt), dense));
    CHECK(same_bits(implementations()[0].prefill(c, selection), sparse));
  }
  at::set_num_threads(threads);
}

TEST_CASE("prefill of a sequence has the same bits alone and in a batch", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 20; ++n) {
    Rng rng(kSeed, "batch", n);
    const PagedCase c(random_shape(rng), rng);
    const auto [out, lse] = implementations()[0].prefill(c, c10::nullopt);
    for (std::int64_t s = 0; s < c.block_table.size(0); ++s) {
      const PagedCase one = c.sequence(s);
      const std::int64_t first = c.query_offsets[s].item<std::int64_t>();
      const Tensors rows = {out.narrow(0, first, one.q.size(0)),
                            lse.narrow(0, first, one.q.size(0))};
      CHECK(same_bits(implementations()[0].prefill(one, c10::nullopt), rows));
    }
  }
}

TEST_CASE("prefill of a prompt has the same bits in one piece and in chunks", "[exec][operators]") {
  Rng rng(kSeed, "chunks");
  const PagedCase whole = prompt(300, 16, rng);
  const auto [out, lse] = implementations()[0].prefill(whole, c10::nullopt);
  std::int64_t first = 0;
  for (const std::int64_t rows : {1, 63, 100, 136}) {
    PagedCase chunk = whole;
    chunk.q = whole.q.narrow(0, first, rows);
    chunk.query_offsets = int32s({0, rows});
    chunk.kv_lengths = at::full({1, 2}, first + rows, at::kInt);
    const Tensors expected = {out.narrow(0, first, rows), lse.narrow(0, first, rows)};
    CHECK(same_bits(implementations()[0].prefill(chunk, c10::nullopt), expected));
    first += rows;
  }
}

TEST_CASE("sequences that share pages read them as their own", "[exec][operators]") {
  Rng rng(kSeed, "shared");
  const PagedCase one = prompt(200, 16, rng);
  PagedCase two = one;
  two.block_table = at::cat({one.block_table, one.block_table});
  two.kv_lengths = at::cat({one.kv_lengths, at::full({1, 2}, 150, at::kInt)});
  two.q = at::cat({one.q, one.q.narrow(0, 0, 150)});
  two.query_offsets = int32s({0, 200, 350});
  two.decode_q = one.decode_q.repeat({2, 1, 1});
  for (const Implementation& i : implementations()) {
    CHECK(difference(i.prefill(two, c10::nullopt), expected_prefill(two)) < kTolerance);
    CHECK(difference(i.decode(two), expected_decode(two)) < kTolerance);
  }
}

TEST_CASE("logits in the thousands do not overflow a prefill", "[exec][operators]") {
  // A logit of size L is known to L * 2^-24 times a small factor, and so is the weight's exponent.
  Rng rng(kSeed, "large");
  PagedCase c = prompt(150, 16, rng);
  c.q.mul_(1000);
  for (const Implementation& i : implementations()) {
    CHECK(difference(i.prefill(c, c10::nullopt), expected_prefill(c)) < 4e-3);
  }
  // Where one key outweighs the others by far, the result is its value.
  c.pool.masked_fill_(c.pool.isnan(), 0);
  c.q.fill_(500);
  c.pool.select(1, 0).fill_(-1);
  c.pool[c.block_table[0][1][0].item<std::int64_t>()][0][3].fill_(1);
  for (const Implementation& i : implementations()) {
    const auto [out, lse] = i.prefill(c, c10::nullopt);
    const at::Tensor value = c.pool[c.block_table[0][1][0].item<std::int64_t>()][1][3];
    CHECK(at::equal(out[149][5], value));
    CHECK(lse[149][5].item<double>() == Approx(500 * 64 * c.scale));
  }
}

TEST_CASE("keys with a logit of minus infinity have no weight in a prefill", "[exec][operators]") {
  Rng rng(kSeed, "infinity");
  PagedCase c = prompt(140, 16, rng);
  c.q.select(2, 0).fill_(1);
  // All of the first 70 keys of kv head 0 and single ones behind: rows 0 .. 69 see nothing.
  for (std::int64_t p = 0; p < 140; ++p) {
    if (p >= 70 && p % 3 != 0) continue;
    c.pool[c.block_table[0][0][p / 16].item<std::int64_t>()][0][p % 16][0] =
        -std::numeric_limits<float>::infinity();
  }
  const Tensors expected = expected_prefill(c);
  REQUIRE(std::get<1>(expected)[69][0].item<double>() == -std::numeric_limits<double>::infinity());
  for (const Implementation& i : implementations()) {
    CHECK(difference(i.prefill(c, c10::nullopt), expected) < kTolerance);
  }
}

TEST_CASE("a NaN among the keys reaches the rows that attend it and no others",
          "[exec][operators]") {
  Rng rng(kSeed, "nan");
  PagedCase c = prompt(100, 16, rng);
  c.pool[c.block_table[0][0][3].item<std::int64_t>()][0][2].fill_(
      std::numeric_limits<float>::quiet_NaN());  // token 50
  for (const Implementation& i : implementations()) {
    const at::Tensor out = std::get<0>(i.prefill(c, c10::nullopt));
    CHECK(out.narrow(0, 50, 50).narrow(1, 0, 3).isnan().all().item<bool>());
    CHECK_FALSE(out.narrow(0, 0, 50).isnan().any().item<bool>());
    CHECK_FALSE(out.narrow(1, 3, 3).isnan().any().item<bool>());
  }
}

TEST_CASE("prefill refuses what does not fit, by name", "[exec][operators]") {
  Rng rng(kSeed, "refused");
  const PagedCase good = prompt(100, 16, rng);
  const auto refused = [](const PagedCase& c, const std::string& text,
                          const c10::optional<PrefillSelection>& selection = c10::nullopt) {
    for (const Implementation& i : implementations()) {
      INFO(i.name);
      CHECK_THROWS_WITH(i.prefill(c, selection), Catch::Contains(text));
    }
  };
  PagedCase c = good;
  c.kv_lengths = at::full({1, 2}, 99, at::kInt);
  refused(c, "sequence 0 has 100 new tokens, and its kv head 0 holds 99");
  c = good;
  c.block_table = good.block_table.clone();
  c.block_table[0][1][2] = 1000;
  refused(c, "sequence 0, kv head 1 names page 1000; the pool has 16");
  c = good;
  c.q = good.q.narrow(1, 0, 5);
  refused(c, "query heads must be a multiple of kv heads; found 5 and 2");
  c = good;
  c.q = good.q.to(at::kBFloat16);
  refused(c, "q and pool must be of one type; found BFloat16 and Float");
  c.pool = good.pool.to(at::kBFloat16);
  CHECK_THROWS_WITH(implementations()[0].prefill(c, c10::nullopt),
                    Catch::Contains("the CPU computes in float32; found BFloat16 q [100, 6, 64]"));
  PrefillSelection selection = all_tiles(good, 64);
  selection.tiles[1] = 0;
  refused(good,
          "key tiles of query head 0, sequence 0 must ascend from 0 on and not overlap; "
          "found 0 where the one before ends at key 64",
          selection);
  selection = all_tiles(good, 64);
  selection.column_offsets = at::zeros_like(selection.tile_offsets);
  selection.column_offsets.narrow(0, 1, selection.column_offsets.size(0) - 1).fill_(1);
  selection.columns = int32s({70});
  refused(good, "column 70 of query head 0, sequence 0 lies in its key tile 1", selection);
  selection = all_tiles(good, 64);
  selection.bands = int32s({64, 10}).repeat({selection.tile_offsets.size(0) - 1, 1});
  refused(good, "below its band, which begins at key 64; found a tile that ends at 128", selection);
  selection.bands = selection.bands.narrow(0, 0, 2).contiguous();
  refused(good, "bands must be contiguous [12, 2], one per list; found [2, 2]", selection);
}

TEST_CASE("the generic prefill takes half precision and computes in float32", "[exec][operators]") {
  Rng rng(kSeed, "half");
  PagedCase c = prompt(150, 16, rng);
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf, at::kDouble}) {
    c.q = c.q.to(type);
    c.pool = c.pool.to(type);
    const auto [out, lse] = implementations()[1].prefill(c, c10::nullopt);
    const auto [expected, expected_lse] = expected_prefill(c);
    CHECK(out.scalar_type() == type);
    CHECK(difference(lse, expected_lse) < kTolerance);
    // The result is rounded to the type, by up to 2^-8 for the 8 bits of bfloat16.
    CHECK(difference(out, expected) < (type == at::kBFloat16 ? 4e-3
                                       : type == at::kHalf   ? 5e-4
                                                             : kTolerance));
  }
}

}  // namespace
}  // namespace scsim::exec::test
