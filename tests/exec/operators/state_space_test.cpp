// Recurrent layers: every implementation against the recurrence, one token after another in double.
#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <functional>

#include "exec/operators/differentiable.h"
#include "exec/operators/generic.h"
#include "exec/operators/reference.h"
#include "tests/exec/operators/paged_case.h"

namespace scsim::exec::test {
namespace {

constexpr std::uint64_t kSeed = 31;

struct SsdShape {
  std::int64_t batch = 1, tokens = 1, heads = 1, groups = 1, head_dim = 8, state = 8;
};

// Arguments of ssd_scan as a layer has them: x, b and c are parts of one matrix, time steps are
// positive, heads forget at rates from hardly to at once. Of other layers the parts they share.
struct SsdCase {
  SsdCase(const SsdShape& shape, Rng& rng) {
    const std::int64_t inner = shape.heads * shape.head_dim, wide = shape.groups * shape.state;
    const at::Tensor rows = normal(rng, {shape.batch, shape.tokens, inner + 2 * wide});
    x = rows.narrow(2, 0, inner).view({shape.batch, shape.tokens, shape.heads, shape.head_dim});
    const auto part = [&](std::int64_t from) {
      return rows.narrow(2, from, wide)
          .view({shape.batch, shape.tokens, shape.groups, shape.state});
    };
    b = part(inner);
    c = part(inner + wide);
    time_step = at::softplus(normal(rng, {shape.batch, shape.tokens, shape.heads}, 2));
    decay = -at::exp(normal(rng, {shape.heads}, 2));
    skip = normal(rng, {shape.heads});
    state = normal(rng, {shape.batch, shape.heads, shape.state, shape.head_dim});
  }
  SsdCase tokens(std::int64_t from, std::int64_t to) const {
    SsdCase part = *this;
    for (at::Tensor* t : {&part.x, &part.b, &part.c, &part.time_step}) {
      *t = t->narrow(1, from, to - from);
    }
    return part;
  }
  SsdCase sequence(std::int64_t s) const {
    SsdCase part = *this;
    for (at::Tensor* t : {&part.x, &part.b, &part.c, &part.time_step, &part.state}) {
      *t = t->narrow(0, s, 1);
    }
    return part;
  }
  at::Tensor x, b, c, time_step, decay, skip, state;
};

using Scan = Tensors (*)(const SsdCase& c, std::int64_t chunk);

Tensors by_cpu(const SsdCase& c, std::int64_t chunk) {
  at::Tensor state = c.state.clone();
  at::Tensor y = ssd_scan(c.x, c.time_step, c.decay, c.b, c.c, c.skip, state, chunk);
  return {y, state};
}
Tensors by_generic(const SsdCase& c, std::int64_t chunk) {
  at::Tensor state = c.state.clone();
  at::Tensor y = generic::ssd_scan(c.x, c.time_step, c.decay, c.b, c.c, c.skip, state, chunk);
  return {y, state};
}
Tensors by_step(const SsdCase& c, std::int64_t) {
  at::Tensor state = c.state.clone();
  std::vector<at::Tensor> rows;
  for (std::int64_t t = 0; t < c.x.size(1); ++t) {
    rows.push_back(ssd_step(c.x.select(1, t), c.time_step.select(1, t), c.decay, c.b.select(1, t),
                            c.c.select(1, t), c.skip, state));
  }
  return {at::stack(rows, 1), state};
}
const std::vector<std::pair<std::string, Scan>> kScans = {
    {"cpu", by_cpu}, {"generic", by_generic}, {"steps", by_step}};

Tensors expected_of(const SsdCase& c) {
  return reference::ssd_scan(c.x, c.time_step, c.decay, c.b, c.c, c.skip, c.state);
}

SsdShape random_ssd(Rng& rng) {
  const auto one_of = [&](std::initializer_list<std::int64_t> values) {
    return values.begin()[rng.below(values.size())];
  };
  const std::int64_t groups = one_of({1, 2, 3});
  return {.batch = one_of({1, 2, 3}),
          .tokens = one_of({1, 2, 7, 8, 9, 31, 64, 65, 130}),
          .heads = groups * one_of({1, 2, 5}),
          .groups = groups,
          .head_dim = one_of({1, 4, 8, 16, 20, 24, 64}),
          .state = one_of({1, 5, 8, 16, 33})};
}

TEST_CASE("a scan in chunks of any size is the recurrence", "[exec][operators]") {
  for (std::uint64_t draw = 0; draw < 40; ++draw) {
    Rng rng(kSeed, "ssd", draw);
    const SsdShape shape = random_ssd(rng);
    const SsdCase c(shape, rng);
    const Tensors expected = expected_of(c);
    const std::int64_t sizes[] = {1, 3, 8, 13, 64, 256};
    for (const std::int64_t chunk : sizes) {
      for (const auto& [name, scan] : kScans) {
        INFO(draw << ": " << name << ", chunk " << chunk << ", x " << c.x.sizes() << ", b "
                  << c.b.sizes());
        CHECK(difference(scan(c, chunk), expected) < kTolerance);
      }
    }
  }
}

TEST_CASE("a scan of many blocks carries its state through all of them", "[exec][operators]") {
  Rng rng(kSeed, "ssd long");
  const SsdCase c({.tokens = 4200, .heads = 2, .groups = 1, .head_dim = 8, .state = 4}, rng);
  const Tensors expected = expected_of(c);
  CHECK(difference(by_cpu(c, 64), expected) < kTolerance);
  CHECK(difference(by_cpu(c, 2000), expected) < 4 * kTolerance);
  CHECK(difference(by_generic(c, 64), expected) < kTolerance);
}

TEST_CASE("a sequence cut anywhere goes on where it was", "[exec][operators]") {
  for (std::uint64_t draw = 0; draw < 30; ++draw) {
    Rng rng(kSeed, "cut", draw);
    SsdShape shape = random_ssd(rng);
    shape.tokens += 1;
    const SsdCase c(shape, rng);
    const std::int64_t cut =
        static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(shape.tokens + 1)));
    INFO("cut at " << cut << " of " << c.x.sizes());
    for (const Scan scan : {by_cpu, by_generic}) {
      SsdCase first = c.tokens(0, cut), second = c.tokens(cut, shape.tokens);
      const auto [y, behind] = scan(first, 16);
      second.state = behind;
      const auto [rest, end] = scan(second, 16);
      CHECK(difference({at::cat({y, rest}, 1), end}, expected_of(c)) < kTolerance);
    }
  }
}

TEST_CASE("a sequence has the same bits alone, in a batch and for any number of threads",
          "[exec][operators]") {
  Rng rng(kSeed, "batch");
  const SsdCase c({.batch = 3, .tokens = 150, .heads = 6, .groups = 2, .head_dim = 20, .state = 9},
                  rng);
  const at::Tensor channels = c.x.flatten(2), steps = at::softplus(channels);
  const at::Tensor rates = -at::exp(normal(rng, {9, 120})), skips = normal(rng, {120});
  const at::Tensor taps = normal(rng, {4, 120});
  const auto all = [&](std::int64_t from, std::int64_t count) {
    const auto part = [&](const at::Tensor& t) { return t.narrow(0, from, count); };
    SsdCase some = c;
    for (at::Tensor* t : {&some.x, &some.b, &some.c, &some.time_step, &some.state}) *t = part(*t);
    auto [y, state] = by_cpu(some, 32);
    auto [y_steps, state_steps] = by_step(some, 0);
    at::Tensor carried = at::zeros({count, 9, 120}), before = at::zeros({count, 3, 120});
    const at::Tensor scanned =
        selective_scan(part(channels), part(steps), rates, part(c.b.select(2, 0)),
                       part(c.c.select(2, 1)), skips, carried);
    const at::Tensor conv = causal_conv(part(channels), taps, c10::nullopt, before);
    return std::vector<at::Tensor>{y, state, y_steps, state_steps, scanned, carried, conv, before};
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const std::vector<at::Tensor> together = all(0, 3);
  for (const int n : {2, 3}) {
    at::set_num_threads(n);
    const std::vector<at::Tensor> found = all(0, 3);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(same_bits(found[i], together[i]));
  }
  at::set_num_threads(threads);
  for (std::int64_t s = 0; s < 3; ++s) {
    const std::vector<at::Tensor> alone = all(s, 1);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      CHECK(same_bits(alone[i], together[i].narrow(0, s, 1)));
    }
  }
}

TEST_CASE("a token that takes no time, or all of it, does what the recurrence says",
          "[exec][operators]") {
  Rng rng(kSeed, "extremes");
  SsdCase c({.tokens = 40, .heads = 4, .groups = 2, .head_dim = 16, .state = 8}, rng);
  c.time_step.select(1, 5).fill_(0);
  c.time_step.select(1, 20).fill_(100);
  c.decay.fill_(-1e-6F).select(0, 1).fill_(-1e4F);
  for (const auto& [name, scan] : kScans) {
    INFO(name);
    CHECK(difference(scan(c, 16), expected_of(c)) < kTolerance);
  }
}

TEST_CASE("a selective scan is the recurrence, wherever it is cut", "[exec][operators]") {
  for (const std::int64_t channels : {1, 7, 8, 12, 16, 20, 40}) {
    for (const std::int64_t size : {1, 4, 16}) {
      Rng rng(kSeed, "selective", static_cast<std::uint64_t>(channels * 100 + size));
      constexpr std::int64_t kBatch = 2, kTokens = 33;
      const at::Tensor rows = normal(rng, {kBatch, kTokens, 2 * channels + 2 * size});
      const at::Tensor x = rows.narrow(2, 0, channels);
      const at::Tensor time_step = at::softplus(rows).narrow(2, channels, channels);
      const at::Tensor b = rows.narrow(2, 2 * channels, size);
      const at::Tensor c = rows.narrow(2, 2 * channels + size, size);
      const at::Tensor decay = -at::exp(normal(rng, {size, channels}));
      const at::Tensor skip = normal(rng, {channels});
      const at::Tensor start = normal(rng, {kBatch, size, channels});
      const Tensors expected = reference::selective_scan(x, time_step, decay, b, c, skip, start);
      for (const bool cpu : {true, false}) {
        for (const std::int64_t cut : {0, 1, 20, 33}) {
          INFO((cpu ? "cpu " : "generic ") << channels << " channels, " << size << ", cut " << cut);
          at::Tensor state = start.clone();
          std::vector<at::Tensor> parts;
          for (const auto& [from, to] :
               {std::pair{std::int64_t{0}, cut}, std::pair{cut, kTokens}}) {
            const auto part = [&](const at::Tensor& t) { return t.narrow(1, from, to - from); };
            parts.push_back((cpu ? &selective_scan : &generic::selective_scan)(
                part(x), part(time_step), decay, part(b), part(c), skip, state));
          }
          CHECK(difference({at::cat(parts, 1), state}, expected) < kTolerance);
        }
      }
    }
  }
}

TEST_CASE("a causal convolution is what its definition says, wherever it is cut",
          "[exec][operators]") {
  for (const std::int64_t kernel : {1, 2, 4, 7}) {
    for (const std::int64_t channels : {1, 8, 19}) {
      Rng rng(kSeed, "conv", static_cast<std::uint64_t>(kernel * 100 + channels));
      const at::Tensor x = normal(rng, {2, 12, channels + 3}).narrow(2, 3, channels);
      const at::Tensor weight = normal(rng, {kernel, channels}), bias = normal(rng, {channels});
      const at::Tensor start = normal(rng, {2, kernel - 1, channels});
      for (const bool with_bias : {true, false}) {
        const auto added = with_bias ? c10::optional<at::Tensor>(bias) : c10::nullopt;
        const Tensors expected = reference::causal_conv(x, weight, added, start);
        for (const bool cpu : {true, false}) {
          for (std::int64_t cut = 0; cut <= 12; ++cut) {
            INFO((cpu ? "cpu " : "generic ")
                 << "kernel " << kernel << ", " << channels << " channels, cut " << cut);
            at::Tensor state = start.clone();
            std::vector<at::Tensor> parts;
            for (const auto& [from, to] :
                 {std::pair{std::int64_t{0}, cut}, std::pair{cut, std::int64_t{12}}}) {
              parts.push_back((cpu ? &causal_conv : &generic::causal_conv)(
                  x.narrow(1, from, to - from), weight, added, state));
            }
            CHECK(difference(at::cat(parts, 1), std::get<0>(expected)) < kTolerance);
            CHECK(difference(state, std::get<1>(expected)) == 0);
          }
        }
      }
    }
  }
}

// Central differences in double, along a random direction of each argument.
void check_gradients(std::vector<at::Tensor> arguments,
                     const std::function<Tensors(const std::vector<at::Tensor>&)>& scan, Rng& rng) {
  for (at::Tensor& t : arguments) t = t.to(at::kDouble).detach().clone().set_requires_grad(true);
  const auto [y, state] = scan(arguments);
  const at::Tensor y_weights = normal(rng, y.sizes()), state_weights = normal(rng, state.sizes());
  const auto objective = [&](const std::vector<at::Tensor>& of) {
    const auto [a, b] = scan(of);
    return (a * y_weights).sum() + (b * state_weights).sum();
  };
  objective(arguments).backward();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    INFO("argument " << i);
    const at::Tensor direction = normal(rng, arguments[i].sizes()).to(at::kDouble);
    const auto moved = [&](double by) {
      std::vector<at::Tensor> others;
      for (const at::Tensor& t : arguments) others.push_back(t.detach());
      others[i] = others[i] + by * direction;
      return objective(others).item<double>();
    };
    constexpr double kStep = 1e-5;
    const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
    REQUIRE(arguments[i].grad().defined());
    const double gradient = (arguments[i].grad() * direction).sum().item<double>();
    CHECK(gradient == Approx(slope).epsilon(1e-6).margin(1e-6));
  }
}

TEST_CASE("the differentiable forms have the gradients of the recurrence", "[exec][operators]") {
  Rng rng(kSeed, "gradients");
  const SsdCase c({.batch = 2, .tokens = 11, .heads = 4, .groups = 2, .head_dim = 3, .state = 5},
                  rng);
  check_gradients(
      {c.x, c.time_step, c.decay, c.b, c.c, c.skip, c.state},
      [](const std::vector<at::Tensor>& a) {
        return differentiable::ssd_scan(a[0], a[1], a[2], a[3], a[4], a[5], a[6], 4);
      },
      rng);
  const at::Tensor x = c.x.flatten(2), rates = -at::exp(normal(rng, {5, 12}));
  check_gradients(
      {x, at::softplus(x), rates, c.b.select(2, 0), c.c.select(2, 1), normal(rng, {12}),
       normal(rng, {2, 5, 12})},
      [](const std::vector<at::Tensor>& a) {
        return differentiable::selective_scan(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
      },
      rng);
  check_gradients(
      {x, normal(rng, {4, 12}), normal(rng, {12}), normal(rng, {2, 3, 12})},
      [](const std::vector<at::Tensor>& a) {
        return differentiable::causal_conv(a[0], a[1], a[2], a[3]);
      },
      rng);
}

TEST_CASE("recurrent layers refuse what does not fit, by name", "[exec][operators]") {
  Rng rng(kSeed, "refused");
  const SsdCase c({.tokens = 3, .heads = 4, .groups = 2}, rng);
  at::Tensor state = c.state.clone();
  CHECK_THROWS_WITH(ssd_scan(c.x, c.time_step, c.decay, c.b.narrow(2, 0, 1).repeat({1, 1, 3, 1}),
                             c.c.narrow(2, 0, 1).repeat({1, 1, 3, 1}), c.skip, state),
                    Catch::Contains("groups that divide the 4 heads; found [1, 3, 3, 8]"));
  CHECK_THROWS_WITH(ssd_scan(c.x, c.time_step, c.decay, c.b, c.c, c.skip, state, 0),
                    Catch::Contains("chunk must be positive; found 0"));
  at::Tensor small = at::zeros({1, 4, 8, 7});
  CHECK_THROWS_WITH(ssd_scan(c.x, c.time_step, c.decay, c.b, c.c, c.skip, small),
                    Catch::Contains("state must be [1, 4, 8, 8]; found [1, 4, 8, 7]"));
  at::Tensor half = at::zeros({1, 3, 32}, at::kHalf);
  CHECK_THROWS_WITH(causal_conv(c.x.flatten(2), at::zeros({4, 32}), c10::nullopt, half),
                    Catch::Contains("must be contiguous float32; found Half"));
  at::Tensor inputs = at::zeros({1, 3, 32});
  CHECK_THROWS_WITH(
      causal_conv(c.x.flatten(2).to(at::kHalf), at::zeros({4, 32}), c10::nullopt, inputs),
      Catch::Contains("the CPU computes in float32; found x Half [1, 3, 32]"));
}

}  // namespace
}  // namespace scsim::exec::test
