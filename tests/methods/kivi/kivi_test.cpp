// KIVI's execution beside its rule in plain tensors, written from the paper (algorithm 1): every
// key and value ever seen is kept, and at each step those that should be quantised are, from
// scratch.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <numeric>
#include <string>

#include "methods/runtime.h"
#include "tests/exec/api/measured.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

using exec::KvCache;
using exec::KvMemory;
using exec::LayerStep;

constexpr std::int64_t kHeads = 2, kGroup = 3;  // kv heads, query heads of each

struct Setting {
  int bits;
  std::int64_t group, residual, head_dim, page_tokens;
  std::string text() const {
    return "kivi:bits=" + std::to_string(bits) + ",group=" + std::to_string(group) +
           ",residual=" + std::to_string(residual);
  }
};

at::Tensor normal(Rng& rng, at::IntArrayRef sizes) {
  at::Tensor t = at::empty(sizes, at::kFloat);
  float* to = t.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) to[i] = static_cast<float>(rng.normal());
  return t;
}

// Asymmetric rounding of groups along the last dimension; zero point and scale in float16.
at::Tensor group_quantised(const at::Tensor& x, int bits) {
  const at::Tensor zero = x.amin(-1, true).to(at::kHalf).to(at::kFloat);
  const at::Tensor scale =
      ((x.amax(-1, true) - zero) / ((1 << bits) - 1)).to(at::kHalf).to(at::kFloat);
  return ((x - zero) / scale).round().clamp(0, (1 << bits) - 1) * scale + zero;
}

// The cache of one layer [tokens, heads, head_dim], as the paper says it is behind `tokens`.
struct PlainKivi {
  at::Tensor k, v;

  at::Tensor keys(const Setting& s) const {
    const std::int64_t quantised = k.size(0) / s.residual * s.residual;
    const at::Tensor groups = k.narrow(0, 0, quantised)
                                  .reshape({quantised / s.group, s.group, kHeads, s.head_dim})
                                  .permute({0, 2, 3, 1});  // per channel, along tokens
    const at::Tensor rounded = group_quantised(groups, s.bits)
                                   .permute({0, 3, 1, 2})
                                   .reshape({quantised, kHeads, s.head_dim});
    return at::cat({rounded, k.narrow(0, quantised, k.size(0) - quantised)});
  }
  at::Tensor values(const Setting& s) const {
    const std::int64_t quantised = std::max<std::int64_t>(0, v.size(0) - s.residual);
    const std::int64_t channels = std::gcd(s.group, s.head_dim);
    const at::Tensor groups =
        v.narrow(0, 0, quantised).reshape({quantised, kHeads, s.head_dim / channels, channels});
    return at::cat({group_quantised(groups, s.bits).reshape({quantised, kHeads, s.head_dim}),
                    v.narrow(0, quantised, v.size(0) - quantised)});
  }
  void append(const at::Tensor& more_k, const at::Tensor& more_v) {
    k = k.defined() ? at::cat({k, more_k}) : more_k;
    v = v.defined() ? at::cat({v, more_v}) : more_v;
  }
};

// Rows of q, the last of them at the last key, causally.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale) {
  const std::int64_t n = q.size(0), length = k.size(0);
  const at::Tensor keys = k.to(at::kDouble).repeat_interleave(kGroup, 1).permute({1, 2, 0});
  const at::Tensor values = v.to(at::kDouble).repeat_interleave(kGroup, 1).permute({1, 0, 2});
  const at::Tensor hidden =
      at::arange(length).unsqueeze(0) > at::arange(length - n, length).unsqueeze(1);
  const at::Tensor logits =
      (at::matmul(q.to(at::kDouble).transpose(0, 1), keys) * scale).masked_fill(hidden, -INFINITY);
  return at::matmul(at::softmax(logits, -1), values).transpose(0, 1);
}

// A layer that lives twice: in a cache under the method, and in plain tensors.
struct Session {
  Session(const Setting& of, std::uint64_t draw)
      : setting(of),
        rng(5, "tests.kivi", draw),
        memory(std::make_shared<KvMemory>(
            exec::KvMemoryOptions{.head_dim = of.head_dim, .page_tokens = of.page_tokens})),
        cache(memory, {.layers = 1, .kv_heads = kHeads, .kinds = {}}),
        method(methods::make_runtime(*methods::parse_method(of.text()))) {}

  // New tokens in pieces, which the prompt or the step is cut into, or one by one in a decode.
  double distance(std::int64_t tokens, bool decode, bool last_chunk = true) {
    const at::Tensor q = normal(rng, {tokens, kHeads * kGroup, setting.head_dim});
    const at::Tensor k = normal(rng, {tokens, kHeads, setting.head_dim});
    const at::Tensor v = normal(rng, {tokens, kHeads, setting.head_dim});
    const double scale = 1 / std::sqrt(static_cast<double>(setting.head_dim));
    LayerStep step{.num_layers = 1,
                   .cache = cache,
                   .q = q,
                   .k = k,
                   .v = v,
                   .scale = scale,
                   .first_prefill = !plain.k.defined() || plain.k.size(0) == in_full,
                   .last_chunk = last_chunk,
                   .measure = measured.measure};
    at::Tensor out;
    if (decode) {
      out = method->attend_decode(step);
    } else {
      out = method->attend_prefill(step);
      REQUIRE(method->compress(step));
    }
    REQUIRE(out.defined());
    cache.advance(tokens);
    // The cache as it was before these tokens, of which a prompt's earlier chunks are part.
    PlainKivi before = plain;
    if (before.k.defined() && in_full > 0) {
      const std::int64_t old = plain.k.size(0) - in_full;
      before = {plain.k.narrow(0, 0, old), plain.v.narrow(0, 0, old)};
    }
    plain.append(k, v);
    in_full += tokens;
    const at::Tensor fresh_k = plain.k.narrow(0, plain.k.size(0) - in_full, in_full);
    const at::Tensor fresh_v = plain.v.narrow(0, plain.v.size(0) - in_full, in_full);
    const bool any = before.k.defined() && before.k.size(0) > 0;
    const at::Tensor keys = any ? at::cat({before.keys(setting), fresh_k}) : fresh_k;
    const at::Tensor values = any ? at::cat({before.values(setting), fresh_v}) : fresh_v;
    if (last_chunk) in_full = 0;
    return (attention(q, keys, values, scale) - out).abs().max().item<double>();
  }

  double bytes() const {  // of the cache, less rows that hold nothing
    double empty = 0;
    for (std::int64_t h = 0; h < kHeads; ++h) {
      empty += static_cast<double>(cache.num_pages(0, h) * setting.page_tokens -
                                   (cache.length(0, h) - cache.packed(0, h)));
    }
    return static_cast<double>(cache.bytes().total()) -
           empty * static_cast<double>(setting.head_dim) * 2 * 4;
  }

  Setting setting;
  Rng rng;
  Measured measured;
  std::shared_ptr<KvMemory> memory;
  KvCache cache;
  std::unique_ptr<exec::MethodRuntime> method;
  PlainKivi plain{};
  std::int64_t in_full = 0;  // tokens of a prompt that goes on
};

const Setting kSettings[] = {
    {.bits = 2, .group = 32, .residual = 32, .head_dim = 64, .page_tokens = 64},
    {.bits = 4, .group = 32, .residual = 128, .head_dim = 64, .page_tokens = 16},
    {.bits = 4, .group = 32, .residual = 64, .head_dim = 128, .page_tokens = 64},
    {.bits = 2, .group = 8, .residual = 16, .head_dim = 16, .page_tokens = 32},
    {.bits = 4, .group = 4, .residual = 12, .head_dim = 20, .page_tokens = 5},
};
constexpr double kTolerance = 2e-5;

}  // namespace

TEST_CASE("kivi attends what the paper's rule leaves, through decoding and later prompts",
          "[methods][kivi]") {
  std::uint64_t draw = 0;
  for (const Setting& setting : kSettings) {
    for (const std::int64_t prompt : {1, 31, 200, 333}) {
      INFO(setting.text() << ", heads of " << setting.head_dim << ", a prompt of " << prompt);
      Session session(setting, draw++);
      CHECK(session.distance(prompt, false) < kTolerance);
      for (int i = 0; i < 70; ++i) CHECK(session.distance(1, true) < kTolerance);
      CHECK(session.distance(45, false) < kTolerance);
      for (int i = 0; i < 9; ++i) CHECK(session.distance(1, true) < kTolerance);
      CHECK(session.distance(1, false) < kTolerance);
      CHECK(session.distance(20, false, false) < kTolerance);
      CHECK(session.distance(30, false) < kTolerance);
      CHECK(session.distance(1, true) < kTolerance);
    }
  }
}

TEST_CASE("a prompt in chunks is quantised when it ends", "[methods][kivi]") {
  Session session(kSettings[0], 100);
  CHECK(session.distance(100, false, false) < kTolerance);
  CHECK(session.cache.bytes().quantised == 0);
  CHECK(session.distance(150, false) < kTolerance);
  CHECK(session.cache.packed(0, 0) == 192);
  CHECK(session.distance(1, true) < kTolerance);
}

TEST_CASE("kivi's cache has the bytes of its contract at every length", "[methods][kivi]") {
  for (const Setting& setting : kSettings) {
    const auto contract = methods::make_contract(*methods::parse_method(setting.text()));
    const methods::AttentionLayer layer{.layer = 0,
                                        .num_layers = 1,
                                        .query_heads = kHeads * kGroup,
                                        .kv_heads = kHeads,
                                        .head_dim = setting.head_dim,
                                        .element_bytes = 4};
    Session session(setting, 200);
    session.distance(90, false);
    for (std::int64_t tokens = 90; tokens < 230; ++tokens) {
      INFO(setting.text() << " behind " << tokens << " tokens");
      REQUIRE(session.bytes() == contract->kept_bytes(layer, Tokens{tokens}).value());
      session.distance(1, true);
    }
  }
}

TEST_CASE("a decode step reads the packed bytes and the rows in pages, and nothing else",
          "[methods][kivi]") {
  Session session(kSettings[0], 300);
  session.distance(500, false);
  const std::int64_t blocks = 448 / 32, rest = 500 - 448 + 1;
  const std::int64_t block = 32 * 64 * 2 * 2 / 8 + 64 * 2 * 2 + 32 * 2 * 2 * 2;
  const std::int64_t before = session.measured.of(Stage::kOther).bytes_read;
  const std::int64_t pairs = session.measured.of(Stage::kOther).attended_pairs;
  session.distance(1, true);
  CHECK(session.measured.of(Stage::kOther).bytes_read - before ==
        kHeads * (blocks * block + rest * 64 * 2 * 4));
  CHECK(session.measured.of(Stage::kOther).attended_pairs - pairs == kHeads * kGroup * 501);
}

TEST_CASE("a fork of a quantised cache goes on as the cache itself would", "[methods][kivi]") {
  Session first(kSettings[0], 400);
  first.distance(333, false);
  Session second(kSettings[0], 400);  // the same numbers once more
  second.distance(333, false);
  KvCache fork = first.cache.fork();
  for (int i = 0; i < 40; ++i) CHECK(first.distance(1, true) < kTolerance);
  // The fork has not moved; the second session, alone in its memory, is what it must be.
  first.cache = std::move(fork);
  first.plain = second.plain;
  first.rng = second.rng;
  for (int i = 0; i < 40; ++i) {
    CHECK(first.distance(1, true) < kTolerance);
    CHECK(second.distance(1, true) < kTolerance);
  }
  for (std::int64_t h = 0; h < kHeads; ++h) {
    CHECK(at::equal(first.cache.rows(0, h).first, second.cache.rows(0, h).first));
    CHECK(at::equal(first.cache.rows(0, h).second, second.cache.rows(0, h).second));
  }
}

TEST_CASE("as SCBench runs it, what comes behind the first prompt stays in full",
          "[methods][kivi]") {
  Session session(kSettings[0], 600);
  session.method = methods::make_runtime(*methods::parse_method("kivi:preset=scbench"));
  session.distance(300, false);
  const at::Tensor keys = session.plain.keys(session.setting);
  const at::Tensor values = session.plain.values(session.setting);
  for (int i = 0; i < 80; ++i) session.distance(1, true);
  session.distance(50, false);
  CHECK(session.cache.packed(0, 0) == 256);
  for (std::int64_t h = 0; h < kHeads; ++h) {
    const auto [k, v] = session.cache.rows(0, h);
    const at::Tensor later_k = session.plain.k.narrow(0, 300, 130).select(1, h);
    const at::Tensor later_v = session.plain.v.narrow(0, 300, 130).select(1, h);
    CHECK(at::allclose(k.narrow(0, 0, 300), keys.select(1, h), 1e-6, 1e-6));
    CHECK(at::allclose(v.narrow(0, 0, 300), values.select(1, h), 1e-6, 1e-6));
    CHECK(at::equal(k.narrow(0, 300, 130), later_k));
    CHECK(at::equal(v.narrow(0, 300, 130), later_v));
  }
}

TEST_CASE("a window longer than the context leaves full attention", "[methods][kivi]") {
  Setting setting = kSettings[0];
  setting.residual = 100000;
  Session session(setting, 500);
  CHECK(session.distance(300, false) < kTolerance);
  CHECK(session.distance(1, true) < kTolerance);
  CHECK(session.cache.bytes().quantised == 0);
}

}  // namespace scsim::test
