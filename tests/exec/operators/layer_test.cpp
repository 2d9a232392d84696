#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <limits>

#include "exec/operators/generic.h"
#include "exec/operators/reference.h"
#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 23;

const std::vector<std::int64_t> kSizes = {1, 7, 8, 20, 64, 100, 577, 1024};

TEST_CASE("norms of rows are what their definition says", "[exec][operators]") {
  for (const std::int64_t n : kSizes) {
    Rng rng(kSeed, "norm", static_cast<std::uint64_t>(n));
    const at::Tensor x = normal(rng, {3, 5, n}, 10), weight = normal(rng, {n});
    const at::Tensor delta = normal(rng, {3, 5, n});
    INFO(n);
    CHECK(difference(rms_norm(x, weight, 1e-5), reference::rms_norm(x, weight, 1e-5)) < kTolerance);
    CHECK(difference(generic::rms_norm(x, weight, 1e-5), reference::rms_norm(x, weight, 1e-5)) <
          kTolerance);
    const at::Tensor sum = x + delta, expected = reference::rms_norm(sum, weight, 1e-5);
    at::Tensor a = x.clone(), b = x.clone();
    CHECK(difference(add_rms_norm(a, delta, weight, 1e-5), expected) < kTolerance);
    CHECK(difference(generic::add_rms_norm(b, delta, weight, 1e-5), expected) < kTolerance);
    CHECK(same_bits(a, sum));
    CHECK(same_bits(b, sum));
  }
}

TEST_CASE("silu times up is what its definition says, to the ends of float32",
          "[exec][operators]") {
  for (const std::int64_t n : kSizes) {
    Rng rng(kSeed, "silu", static_cast<std::uint64_t>(n));
    at::Tensor x = normal(rng, {5, 2 * n}, 30);
    x[0].fill_(1).narrow(0, 0, n).fill_(-1e30F);
    x[1].fill_(1).narrow(0, 0, n).fill_(1e30F);
    x[2].fill_(1).narrow(0, 0, n).fill_(-100);
    const at::Tensor expected = reference::silu_and_multiply(x);
    INFO(n);
    // The exponent of e^-x is known to |x| * 2^-24 and more.
    const at::Tensor bound =
        expected.abs() * (x.narrow(1, 0, n).abs().clamp_max(100) * 2.4e-7 + 1e-6) + 1e-35;
    for (const at::Tensor& y : {silu_and_multiply(x), generic::silu_and_multiply(x)}) {
      CHECK(((y - expected).abs() <= bound).all().item<bool>());
    }
  }
}

TEST_CASE("rotation of heads is what its definition says, in both orders of pairs",
          "[exec][operators]") {
  for (const std::int64_t half : {1, 4, 10, 16, 32, 64}) {
    for (const std::int64_t rest : {0, 3, 16}) {
      Rng rng(kSeed, "rope", static_cast<std::uint64_t>(half * 100 + rest));
      const at::Tensor x = normal(rng, {9, 3, 2 * half + rest});
      const at::Tensor angle = normal(rng, {9, half}, 3);
      for (const bool interleaved : {false, true}) {
        const at::Tensor expected = reference::rope(x, angle.cos(), angle.sin(), interleaved);
        at::Tensor a = x.clone(), b = x.clone();
        // A part of a wider row, as q is of the product for q, k and v.
        at::Tensor c = at::cat({x, x}, 1).narrow(1, 3, 3);
        apply_rope(a, angle.cos(), angle.sin(), interleaved);
        generic::apply_rope(b, angle.cos(), angle.sin(), interleaved);
        apply_rope(c, angle.cos(), angle.sin(), interleaved);
        INFO(half << " pairs, " << rest << " left, interleaved " << interleaved);
        CHECK(difference(a, expected) < kTolerance);
        CHECK(difference(b, expected) < kTolerance);
        CHECK(difference(c, expected) < kTolerance);
      }
    }
  }
}

TEST_CASE("products of few and many rows are what their definition says", "[exec][operators]") {
  for (const std::int64_t rows : {0, 1, 2, 3, 4, 5, 8, 16, 17, 40}) {
    for (const std::int64_t inputs : {1, 20, 64, 577}) {
      for (const std::int64_t outputs : {1, 8, 101}) {
        Rng rng(kSeed, "linear",
                static_cast<std::uint64_t>(rows * 1'000'000 + inputs * 1000 + outputs));
        const at::Tensor x = normal(rng, {rows, inputs}), weight = normal(rng, {outputs, inputs});
        const at::Tensor bias = normal(rng, {outputs});
        INFO(rows << " rows, " << inputs << " in, " << outputs << " out");
        CHECK(difference(exec::linear(x, weight, bias), reference::linear(x, weight, bias)) <
              kTolerance);
        CHECK(difference(exec::linear(x, weight, c10::nullopt),
                         reference::linear(x, weight, c10::nullopt)) < kTolerance);
      }
    }
  }
}

TEST_CASE("the parts of a layer have the same bits for any number of threads",
          "[exec][operators]") {
  Rng rng(kSeed, "threads");
  const at::Tensor x = normal(rng, {200, 600}), weight = normal(rng, {600});
  const at::Tensor few = normal(rng, {13, 600}), weights = normal(rng, {1003, 600});
  const auto all = [&] {
    return std::vector<at::Tensor>{rms_norm(x, weight, 1e-5), silu_and_multiply(x),
                                   exec::linear(few, weights, c10::nullopt)};
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const std::vector<at::Tensor> expected = all();
  for (const int n : {2, 3}) {
    at::set_num_threads(n);
    const std::vector<at::Tensor> found = all();
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(same_bits(found[i], expected[i]));
  }
  at::set_num_threads(threads);
}

TEST_CASE("a row of few has the same bits alone and beside others", "[exec][operators]") {
  Rng rng(kSeed, "rows");
  const at::Tensor x = normal(rng, {16, 600}), weight = normal(rng, {101, 600});
  const at::Tensor all = exec::linear(x, weight, c10::nullopt);
  for (std::int64_t r = 0; r < 16; ++r) {
    CHECK(same_bits(exec::linear(x.narrow(0, r, 1), weight, c10::nullopt), all.narrow(0, r, 1)));
  }
}

TEST_CASE("the parts of a layer refuse what does not fit, by name", "[exec][operators]") {
  at::Tensor x = at::zeros({4, 20});
  CHECK_THROWS_WITH(rms_norm(x, at::zeros({21}), 1e-5),
                    Catch::Contains("found [21] and x [4, 20]"));
  CHECK_THROWS_WITH(exec::linear(x, at::zeros({5, 21}), c10::nullopt),
                    Catch::Contains("found [4, 20] and [5, 21]"));
  CHECK_THROWS_WITH(exec::linear(x.to(at::kHalf), at::zeros({5, 20}, at::kHalf), c10::nullopt),
                    Catch::Contains("the CPU computes in float32; found x Half [4, 20]"));
  at::Tensor heads = at::zeros({4, 2, 10});
  CHECK_THROWS_WITH(apply_rope(heads, at::zeros({4, 6}), at::zeros({4, 6}), false),
                    Catch::Contains("rotary_dim <= head_dim; found [4, 6], [4, 6] and [4, 2, 10]"));
}

}  // namespace
}  // namespace scsim::exec::test
