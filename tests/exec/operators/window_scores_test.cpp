// How much attention each key gets from some rows of queries: the estimator that methods choose by.
#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <limits>

#include "exec/operators/generic.h"
#include "exec/operators/reference.h"
#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 21;

using Lse = c10::optional<at::Tensor>;

Tensors of_cpu(const PagedCase& c, const Lse& lse = c10::nullopt, bool diagonals = true) {
  return window_scores(c.q, c.pool, c.block_table, c.kv_lengths, c.scale, lse, diagonals);
}
Tensors of_generic(const PagedCase& c, const Lse& lse = c10::nullopt, bool diagonals = true) {
  return generic::window_scores(c.q, c.pool, c.block_table, c.kv_lengths, c.scale, lse, diagonals);
}
Tensors expected(const PagedCase& c) {
  return reference::window_scores(c.q, c.pool, c.block_table, c.kv_lengths, c.scale);
}

// A weight is at most 1, a score at most the rows; sums of n weights are held to n units.
double tolerance(const PagedCase& c) { return kTolerance * static_cast<double>(c.q.size(0) + 1); }

PagedCase prompt(std::int64_t rows, std::vector<std::int64_t> lengths, Rng& rng) {
  return PagedCase({.kv_heads = static_cast<std::int64_t>(lengths.size()),
                    .group = 3,
                    .head_dim = 64,
                    .page_tokens = 16,
                    .lengths = {lengths},
                    .new_tokens = {rows}},
                   rng);
}

TEST_CASE("window scores of random shapes are what their definition says", "[exec][operators]") {
  for (std::uint64_t n = 0; n < 80; ++n) {
    Rng rng(kSeed, "scores", n);
    const PagedCase c = PagedCase(random_shape(rng), rng).sequence(0);
    INFO("case " << n << ", rows " << c.q.sizes());
    const Tensors by_definition = expected(c);
    CHECK(difference(of_cpu(c), by_definition) < tolerance(c));
    CHECK(difference(of_generic(c), by_definition) < tolerance(c));
  }
}

TEST_CASE("every row gives out a weight of one, by key and by distance", "[exec][operators]") {
  Rng rng(kSeed, "conserved");
  const PagedCase c = prompt(100, {1300, 700, 100}, rng);
  const auto [columns, diagonals] = of_cpu(c);
  CHECK((columns.sum(1) - 100).abs().max().item<float>() < 1e-3);
  CHECK((diagonals.sum(1) - 100).abs().max().item<float>() < 1e-3);
  // Heads that hold less than the longest: zeros behind what they hold.
  CHECK(columns[3].narrow(0, 700, 600).abs().max().item<float>() == 0);
  CHECK(diagonals[8].narrow(0, 100, 1200).abs().max().item<float>() == 0);
}

TEST_CASE("window scores with the LSE that attention gave are those without", "[exec][operators]") {
  Rng rng(kSeed, "lse");
  const PagedCase c = prompt(77, {900, 600}, rng);
  const at::Tensor lse = std::get<1>(implementations()[0].prefill(c, c10::nullopt));
  CHECK(difference(of_cpu(c, lse), expected(c)) < tolerance(c));
  CHECK(difference(of_generic(c, lse), expected(c)) < tolerance(c));
  const auto [columns, diagonals] = of_cpu(c, lse, false);
  CHECK(same_bits(columns, std::get<0>(of_cpu(c, lse))));
  CHECK(diagonals.sizes() == at::IntArrayRef({6, 0}));
}

TEST_CASE("one row's scores are its attention weights", "[exec][operators]") {
  Rng rng(kSeed, "one");
  PagedCase c = prompt(1, {40, 40}, rng);
  const auto [columns, diagonals] = of_cpu(c);
  CHECK(at::equal(columns.flip(1), diagonals));
  // Values that are unit vectors let attention itself give the weights.
  c.pool.masked_fill_(c.pool.isnan(), 0);
  c.pool.select(1, 1).fill_(0);
  for (std::int64_t h = 0; h < 2; ++h) {
    for (std::int64_t p = 0; p < 40; ++p) {
      c.pool[c.block_table[0][h][p / 16].item<std::int64_t>()][1][p % 16][p] = 1;
    }
  }
  const at::Tensor out = std::get<0>(implementations()[0].prefill(c, c10::nullopt));
  CHECK(difference(out[0].narrow(1, 0, 40), columns.to(at::kDouble)) < kTolerance);
}

TEST_CASE("window scores have the same bits for any number of threads", "[exec][operators]") {
  Rng rng(kSeed, "threads");
  const PagedCase c = prompt(64, {2000, 1700}, rng);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensors alone = of_cpu(c);
  for (const int n : {2, 3}) {
    at::set_num_threads(n);
    CHECK(same_bits(of_cpu(c), alone));
  }
  at::set_num_threads(threads);
}

TEST_CASE("a row that attends only keys without weight adds nothing", "[exec][operators]") {
  Rng rng(kSeed, "infinity");
  PagedCase c = prompt(30, {70}, rng);
  c.q.select(2, 0).fill_(1);
  for (std::int64_t p = 0; p < 50; ++p) {  // rows 0 .. 9 see nothing else
    c.pool[c.block_table[0][0][p / 16].item<std::int64_t>()][0][p % 16][0] =
        -std::numeric_limits<float>::infinity();
  }
  const Tensors by_definition = expected(c);
  REQUIRE(std::get<0>(by_definition)[0].sum().item<double>() == Approx(20));
  CHECK(difference(of_cpu(c), by_definition) < tolerance(c));
  CHECK(difference(of_generic(c), by_definition) < tolerance(c));
}

TEST_CASE("window scores refuse what does not fit, by name", "[exec][operators]") {
  Rng rng(kSeed, "refused");
  const PagedCase good = prompt(20, {30, 25}, rng);
  PagedCase c = good;
  c.kv_lengths = int32s({30, 19}).unsqueeze(0);
  CHECK_THROWS_WITH(of_cpu(c), Catch::Contains("q has 20 rows, and kv head 1 holds 19 tokens"));
  CHECK_THROWS_WITH(of_generic(c), Catch::Contains("q has 20 rows, and kv head 1 holds 19 tokens"));
  CHECK_THROWS_WITH(of_cpu(good, at::zeros({20, 5})),
                    Catch::Contains("lse must be float32 [20, 6]; found Float [20, 5]"));
  c = good;
  c.block_table = good.block_table.repeat({2, 1, 1});
  c.kv_lengths = good.kv_lengths.repeat({2, 1});
  CHECK_THROWS_WITH(of_cpu(c), Catch::Contains("one sequence at a time; found 2"));
}

}  // namespace
}  // namespace scsim::exec::test
