// A prefill of which only some rows go on behind a layer: where the others' keys and values are
// those of full attention, the rows that are left must be computed as full attention computes them,
// whichever they are and wherever they stand.
#include <algorithm>
#include <map>
#include <optional>

#include "exec/api/attention.h"
#include "tests/exec/model/tiny_model.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

using test::distance;
using test::load_tiny;
using test::Measured;
using test::TinyModel;
using test::value;

constexpr double kSame = 1e-5;
using Numbers = std::vector<std::int64_t>;

// Lets the rows at given positions go on into given layers; the keys and values of all others are
// those of a cache that has them.
class Narrowed final : public MethodRuntime {
 public:
  Narrowed(const KvCache& donor, std::map<std::int64_t, Numbers> onward)
      : donor_(donor), onward_(std::move(onward)) {}

  std::optional<Numbers> rows_into(std::int64_t layer, std::span<const std::int64_t> positions,
                                   KvCache&) override {
    const auto found = onward_.find(layer);
    if (found == onward_.end()) return std::nullopt;
    Numbers rows;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      if (std::ranges::binary_search(found->second, positions[i])) {
        rows.push_back(static_cast<std::int64_t>(i));
      }
    }
    return rows;
  }

  at::Tensor attend_prefill(LayerStep& step) override {
    if (step.positions.empty()) return MethodRuntime::attend_prefill(step);
    const std::int64_t held = step.cache.length(step.layer, 0);
    const std::int64_t count = step.positions.back() + 1 - held;
    std::vector<at::Tensor> keys, values;
    for (std::int64_t h = 0; h < donor_.kv_heads(); ++h) {
      const auto [k, v] = donor_.rows(step.layer, h, held, count);
      keys.push_back(k);
      values.push_back(v);
    }
    at::Tensor k = at::stack(keys, 1), v = at::stack(values, 1);
    const at::Tensor rows =
        at::tensor(Numbers(step.positions.begin(), step.positions.end())) - held;
    largest_difference = std::max(largest_difference, distance(k.index_select(0, rows), step.k));
    k.index_copy_(0, rows, step.k.contiguous());
    v.index_copy_(0, rows, step.v.contiguous());
    if (!step.cache.append(step.layer, k, v, step.measure)) return {};
    return attend(step, *step.cache.view(step.layer, step.measure)).out;
  }

  double largest_difference = 0;  // of keys that were computed again from what they were

 private:
  const KvCache& donor_;
  std::map<std::int64_t, Numbers> onward_;
};

Numbers some_positions(std::int64_t first, std::int64_t end, double chance, Rng& rng) {
  Numbers positions;
  for (std::int64_t p = first; p + 1 < end; ++p) {
    if (rng.chance(chance)) positions.push_back(p);
  }
  positions.push_back(end - 1);
  return positions;
}

}  // namespace

TEST_CASE("rows that go on are computed as if all had", "[exec][model]") {
  const std::string name = GENERATE(as<std::string>{}, "llama", "mistral", "glm4", "qwen3");
  const TinyModel tiny = load_tiny(name, {.page_tokens = 8});
  const std::int64_t tokens = std::ssize(tiny.tokens), layers = tiny.model->config().layers;
  const std::int64_t heads = tiny.model->config().attention.query_heads;
  Measured measured;
  MethodRuntime full;
  KvCache whole = tiny.model->make_cache();
  value(tiny.model->prefill(tiny.tokens, whole, full, measured.measure));
  for (std::uint64_t n = 0; n < 12; ++n) {
    Rng rng(3, "test.narrowing." + name, n);
    const std::int64_t cached = n % 3 == 0 ? 0 : 11;
    const auto at_layer = static_cast<std::int64_t>(n) % layers;
    const double chance = n % 4 == 0 ? 0 : n % 4 == 1 ? 1 : 0.3;
    const Numbers left = some_positions(cached, tokens, chance, rng);
    INFO(name << ", " << left.size() << " of " << tokens - cached << " from layer " << at_layer);
    Narrowed method(whole, {{at_layer, left}});
    KvCache cache = whole.fork_prefix(cached);
    Measured counted;
    const at::Tensor logits = value(tiny.model->prefill_all_logits(
        std::span(tiny.tokens).subspan(static_cast<std::size_t>(cached)), cache, method,
        counted.measure));
    CHECK(distance(logits, tiny.logits.index_select(0, at::tensor(left))) < 1e-4);
    CHECK(method.largest_difference < kSame);
    CHECK(cache.dense());
    CHECK(cache.tokens_seen() == tokens);
    // Another token finds a cache as any.
    KvCache other = whole.fork();
    CHECK(distance(value(tiny.model->decode(5, cache, method, measured.measure)),
                   value(tiny.model->decode(5, other, full, measured.measure))) < 1e-4);

    const std::int64_t window = tiny.model->config().attention.sliding_window;
    std::int64_t pairs = 0;
    const auto seen = [&](std::int64_t p) { return window == 0 ? p + 1 : std::min(p + 1, window); };
    for (std::int64_t p = cached; p < tokens; ++p) pairs += at_layer * heads * seen(p);
    for (const std::int64_t p : left) pairs += (layers - at_layer) * heads * seen(p);
    CHECK(counted.of(Stage::kGeneration).attended_pairs == pairs);
  }
}

TEST_CASE("rows are let go in several layers, and beside other sequences", "[exec][model]") {
  const TinyModel tiny = load_tiny("llama", {.page_tokens = 8});
  const std::int64_t tokens = std::ssize(tiny.tokens);
  Measured measured;
  MethodRuntime full;
  KvCache whole = tiny.model->make_cache();
  value(tiny.model->prefill(tiny.tokens, whole, full, measured.measure));
  Numbers most, few;
  for (std::int64_t p = 0; p < tokens; ++p) {
    if (p % 3 != 0 || p == tokens - 1) most.push_back(p);
    if (p % 6 == 1 || p == tokens - 1) few.push_back(p);
  }
  Narrowed method(whole, {{0, most}, {tiny.model->config().layers - 1, few}});
  KvCache narrowed = tiny.model->make_cache(), plain = tiny.model->make_cache();
  KvCache decoding = whole.fork_prefix(20), second = tiny.model->make_cache();
  const std::vector<SequenceStep> steps = {
      {.tokens = tiny.range(20, 21), .cache = &decoding, .method = &method, .decode = true},
      {.tokens = tiny.tokens, .cache = &narrowed, .method = &method, .first_prefill = true},
      {.tokens = tiny.range(0, 9), .cache = &plain, .method = &full, .first_prefill = true},
      {.tokens = tiny.tokens, .cache = &second, .method = &method, .first_prefill = true}};
  const at::Tensor logits = value(tiny.model->step(steps, measured.measure));
  const std::int64_t last_tokens[] = {20, tokens - 1, 8, tokens - 1};
  for (std::int64_t i = 0; i < 4; ++i) {
    INFO("sequence " << i);
    CHECK(distance(logits[i], tiny.logits[last_tokens[i]]) < 1e-4);
    CHECK(steps[static_cast<std::size_t>(i)].cache->dense());
  }
  CHECK(method.largest_difference < kSame);
}

}  // namespace scsim::exec
