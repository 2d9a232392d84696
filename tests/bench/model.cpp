// How fast a model prefills and decodes in float32 beside what this machine allows, measured in the
// same minutes:
//
//   bench_model model.gguf                              # prompts of 512, 2048 and 8192 tokens
//   bench_model model.gguf --decode --methods full,kivi:bits=2 2048 8192
//
// Bound of a prefill of n tokens: the time of the same matrix products alone (libtorch's, of the
// same shapes, over all layers, and one row by the vocabulary) plus that of the attention operator
// alone (the same heads, n queries over n keys, over all layers). Bound of a decode step at n
// tokens: the model's weights divided by the bandwidth at which sums over a buffer of that size are
// read with all threads (libtorch's sum). The n tokens behind a decode step are random keys and
// values that each method was given to compress, so a step's time needs no prefill; --decode
// measures nothing else. First the answer is checked: a prefill of half the tokens, then of the
// rest, must give the logits of one prefill.
#include "exec/model/model.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "exec/operators/operators.h"
#include "methods/runtime.h"
#include "traces/check.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

constexpr int kRuns = 5;             // of each work, or
constexpr double kMostSeconds = 60;  // but one at least, as many as begin within that

struct Spread {
  double min = 0, median = 0;
};

double seconds_of(const std::function<void()>& work) {
  const auto before = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

// The works in turn, after a warm-up of each, so that what else the machine does meets them alike.
std::vector<Spread> measure(const std::vector<std::function<void()>>& works) {
  std::vector<std::vector<double>> seconds(works.size());
  double spent = 0;
  for (int run = -1; run < kRuns && (run < 1 || spent < kMostSeconds); ++run) {
    for (std::size_t i = 0; i < works.size(); ++i) {
      const double took = seconds_of(works[i]);
      if (run >= 0) seconds[i].push_back(took);
      spent += took;
    }
  }
  std::vector<Spread> spreads;
  for (std::vector<double>& of : seconds) {
    std::ranges::sort(of);
    spreads.push_back({of.front(), of[of.size() / 2]});
  }
  return spreads;
}

// A Measure that is thrown away.
struct Ledger {
  Ledger() { clock.start(); }
  std::unique_ptr<Timeline> timeline = wall_timeline();
  StageClock clock{*timeline};
  PerStage<StageCounts> counts{};
  Measure measure{clock, counts};
};

std::vector<std::int32_t> random_tokens(std::int64_t count, std::int64_t vocabulary) {
  Rng rng(1, "bench.model");
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary))));
  }
  return tokens;
}

// The products of one prefill, all layers. Every layer has weights of its own, as a model has.
std::function<void()> products_alone(const ModelConfig& config, std::int64_t n) {
  const AttentionConfig& heads = config.attention;
  const std::int64_t queries = heads.query_heads * heads.head_dim;
  const std::int64_t qkv = queries + 2 * heads.kv_heads * heads.head_dim;
  const std::int64_t inner = config.mlp.intermediate;
  struct Layer {
    at::Tensor qkv, output, gate_up, down;
  };
  std::vector<Layer> layers;
  for (std::int64_t i = 0; i < config.layers; ++i) {
    layers.push_back({at::randn({qkv, config.hidden}), at::randn({config.hidden, queries}),
                      at::randn({2 * inner, config.hidden}), at::randn({config.hidden, inner})});
  }
  const at::Tensor x = at::randn({n, config.hidden}), attention = at::randn({n, queries});
  const at::Tensor middle = at::randn({n, inner});
  at::Tensor wide = at::empty({n, std::max(qkv, 2 * inner)}),
             narrow = at::empty({n, config.hidden});
  const auto multiply = [](const at::Tensor& a, const at::Tensor& weight, at::Tensor into) {
    at::mm_out(into, a, weight.t());
  };
  // Into buffers that are there already, so that no page faults are in it.
  at::Tensor for_qkv = wide.view({-1}).narrow(0, 0, n * qkv).view({n, qkv});
  at::Tensor for_gate_up = wide.view({-1}).narrow(0, 0, n * 2 * inner).view({n, 2 * inner});
  return [=] {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const bool last = i + 1 == layers.size();  // behind its attention only one row goes on
      const std::int64_t rows = last ? 1 : n;
      multiply(x, layers[i].qkv, for_qkv);
      multiply(attention.narrow(0, 0, rows), layers[i].output, narrow.narrow(0, 0, rows));
      multiply(x.narrow(0, 0, rows), layers[i].gate_up, for_gate_up.narrow(0, 0, rows));
      multiply(middle.narrow(0, 0, rows), layers[i].down, narrow.narrow(0, 0, rows));
    }
  };
}

std::function<void()> attention_alone(const ModelConfig& config, std::int64_t n,
                                      std::int64_t page_tokens) {
  const AttentionConfig& heads = config.attention;
  const std::int64_t pages = (n + page_tokens - 1) / page_tokens;
  const at::Tensor pool = at::randn({heads.kv_heads * pages, 2, page_tokens, heads.head_dim});
  const at::Tensor table =
      at::arange(heads.kv_heads * pages, at::kInt).view({1, heads.kv_heads, pages});
  const at::Tensor lengths = at::full({1, heads.kv_heads}, n, at::kInt);
  const at::Tensor q = at::randn({n, heads.query_heads, heads.head_dim});
  const at::Tensor offsets = at::tensor({0, static_cast<int>(n)}, at::kInt);
  const double scale = 1 / std::sqrt(static_cast<double>(heads.head_dim));
  return [=, layers = config.layers] {
    for (std::int64_t i = 0; i < layers; ++i) {
      attention_prefill(q, offsets, pool, table, lengths, scale);
    }
  };
}

void check_answer(Model& model, std::span<const std::int32_t> tokens) {
  Ledger ledger;
  MethodRuntime full;
  KvCache whole = model.make_cache(), parts = model.make_cache();
  const auto one = model.prefill(tokens, whole, full, ledger.measure);
  (void)model.prefill(tokens.first(tokens.size() / 2), parts, full, ledger.measure);
  const auto two = model.prefill(tokens.subspan(tokens.size() / 2), parts, full, ledger.measure);
  SCSIM_CHECK(one.has_value() && two.has_value());
  SCSIM_CHECK_LT((*one - *two).abs().max().item<double>(), 1e-3);
}

void bench_prefill(Model& model, std::span<const std::int32_t> tokens) {
  const std::int64_t n = std::ssize(tokens);
  MethodRuntime full;
  const std::vector<Spread> spreads =
      measure({products_alone(model.config(), n),
               attention_alone(model.config(), n, model.options().page_tokens), [&] {
                 Ledger ledger;
                 KvCache cache = model.make_cache();
                 SCSIM_CHECK(model.prefill(tokens, cache, full, ledger.measure).has_value());
               }});
  const auto& [products, attention, prefill] = std::tie(spreads[0], spreads[1], spreads[2]);
  fmt::print(
      "prefill {:5}: {:8.1f} ms min, {:8.1f} median; products {:.1f} + attention {:.1f} ms; "
      "{:.0f} % of the bound, {:.0f} tokens/s\n",
      n, prefill.min * 1e3, prefill.median * 1e3, products.min * 1e3, attention.min * 1e3,
      100 * (products.min + attention.min) / prefill.min, static_cast<double>(n) / prefill.min);
}

// A cache of n tokens as `method` keeps it: of random queries, keys and values in every layer.
KvCache random_cache(Model& model, MethodRuntime& method, std::int64_t n) {
  const AttentionConfig& heads = model.config().attention;
  KvCache cache = model.make_cache();
  Ledger ledger;
  for (std::int64_t layer = 0; layer < model.config().layers; ++layer) {
    LayerStep step{.layer = layer,
                   .num_layers = model.config().layers,
                   .cache = cache,
                   .q = at::randn({n, heads.query_heads, heads.head_dim}),
                   .k = at::randn({n, heads.kv_heads, heads.head_dim}),
                   .v = at::randn({n, heads.kv_heads, heads.head_dim}),
                   .scale = 1 / std::sqrt(static_cast<double>(heads.head_dim)),
                   .first_prefill = true,
                   .measure = ledger.measure};
    SCSIM_CHECK(cache.append(layer, step.k, step.v, ledger.measure));
    SCSIM_CHECK(method.compress(step));
  }
  cache.advance(n);
  return cache;
}

void bench_decode(Model& model, const methods::MethodChoice& choice,
                  std::span<const std::int32_t> tokens) {
  constexpr int kSteps = 16;
  const std::unique_ptr<MethodRuntime> method = methods::make_runtime(choice);
  const KvCache cache = random_cache(model, *method, std::ssize(tokens));
  const at::Tensor buffer = at::ones({model.weight_bytes() / 4});
  float total = 0;
  double in_attention = 1e9;  // of the run that spent the least there
  const std::vector<Spread> spreads = measure(
      {[&] { total += buffer.sum().item<float>(); },
       [&] {
         Ledger ledger;
         KvCache answer = cache.fork();
         for (const std::int32_t token : tokens.first(kSteps)) {
           SCSIM_CHECK(model.decode(token, answer, *method, ledger.measure).has_value());
         }
         in_attention = std::min(
             in_attention, ledger.clock.stop().seconds[static_cast<std::size_t>(Stage::kLoading)]);
       }});
  SCSIM_CHECK_GT(total, 0);
  const double reading = spreads[0].min, step = spreads[1].min / kSteps;
  fmt::print(
      "decode  {:5} {}: {:.2f} ms min, {:.2f} median a token, {:.2f} in attention over {:.1f} MB; "
      "weights once {:.2f} ms ({:.1f} GB/s); {:.2f} times that, {:.0f} tokens/s\n",
      tokens.size(), methods::method_text(choice), step * 1e3, spreads[1].median / kSteps * 1e3,
      in_attention / kSteps * 1e3, static_cast<double>(cache.bytes().total()) / 1e6, reading * 1e3,
      static_cast<double>(model.weight_bytes()) / reading / 1e9, step / reading, 1 / step);
}

int run(std::span<char*> arguments) {
  if (arguments.empty()) {
    fmt::print(stderr, "bench_model MODEL [--decode] [--methods METHODS] [TOKENS...]\n");
    return 2;
  }
  bool prefills = true;
  std::string method_names = "full";
  std::vector<std::int64_t> lengths;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == "--decode") {
      prefills = false;
    } else if (word == "--methods" && i + 1 < arguments.size()) {
      method_names = arguments[++i];
    } else {
      lengths.push_back(std::atoll(arguments[i]));
    }
  }
  if (lengths.empty()) lengths = {512, 2048, 8192};
  const auto choices = methods::parse_methods(method_names);
  const auto checkpoint = Checkpoint::open(arguments[0]);
  if (!choices || !checkpoint) {
    fmt::print(stderr, "{}\n", (choices ? checkpoint.error() : choices.error()).message);
    return 1;
  }
  auto model = Model::load(*checkpoint, {});
  SCSIM_CHECK(model.has_value());
  check_answer(**model, random_tokens(300, (*model)->config().vocabulary));
  fmt::print("{}: {} threads, {:.0f} MB of weights\n", (*model)->config().name,
             at::get_num_threads(), static_cast<double>((*model)->weight_bytes()) / 1e6);
  for (const std::int64_t n : lengths) {
    const std::vector<std::int32_t> tokens = random_tokens(n, (*model)->config().vocabulary);
    if (prefills) bench_prefill(**model, tokens);
    for (const methods::MethodChoice& choice : *choices) bench_decode(**model, choice, tokens);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace scsim::exec

int main(int argc, char** argv) {
  return scsim::exec::run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
}
