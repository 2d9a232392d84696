// A sample says what one call computes and moves; closures made from it say how to call it. Bytes
// are those that any implementation has to move: inputs once, outputs once.
#include "exec/session/kernel_sweep.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "exec/operators/operators.h"
#include "traces/check.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kQuestionTokens = 128;    // of a prompt behind a cached context
constexpr std::int64_t kMostCheckedRows = 2048;  // of outputs; beyond it a check takes too long

std::int64_t dimension(const OperatorSample& sample, const std::string& name) {
  const auto found =
      std::ranges::find(sample.dimensions, name, &std::pair<std::string, std::int64_t>::first);
  SCSIM_CHECK(found != sample.dimensions.end());
  return found->second;
}

std::int64_t total(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

// ---- What is measured.

class Planner {
 public:
  Planner(const KernelShapes& shapes, const KernelDesign& design)
      : shapes_(shapes),
        design_(design),
        bytes_(static_cast<std::int64_t>(c10::elementSize(shapes.type))) {}

  std::vector<OperatorSample> plan() {
    for (const std::int64_t length : design_.lengths) {
      attention("attention_prefill", {length}, {0});
      attention("attention_prefill", {kQuestionTokens}, {length});
      for (const std::int64_t batch : design_.batches) decode(length, batch);
    }
    std::vector<std::int64_t> rows = design_.batches;
    rows.insert(rows.end(), design_.lengths.begin(), design_.lengths.end());
    std::ranges::sort(rows);
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    for (const std::int64_t n : rows) layer(n);
    shuffle();
    return std::move(samples_);
  }

 private:
  bool wanted(const std::string& name) const {
    return design_.operators.empty() ||
           std::ranges::find(design_.operators, name) != design_.operators.end();
  }

  OperatorSample& add(const std::string& name) {
    samples_.emplace_back();
    OperatorSample& sample = samples_.back();
    sample.name = name;
    sample.implementation = shapes_.device.is_cpu() ? "cpu" : "cuda";
    sample.type = c10::toString(shapes_.type);
    return sample;
  }

  void attention(const std::string& name, std::vector<std::int64_t> fresh,
                 std::vector<std::int64_t> cached) {
    if (!wanted(name)) return;
    OperatorSample& sample = add(name);
    sample.query_heads = shapes_.query_heads;
    sample.kv_heads = shapes_.kv_heads;
    sample.head_dim = shapes_.head_dim;
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      sample.attended_pairs +=
          shapes_.query_heads * (fresh[i] * cached[i] + fresh[i] * (fresh[i] + 1) / 2);
    }
    const std::int64_t rows = total(fresh) * shapes_.query_heads;
    sample.operations = 4.0 * static_cast<double>(sample.attended_pairs * shapes_.head_dim);
    sample.bytes_read =
        bytes_ * shapes_.head_dim * (rows + 2 * shapes_.kv_heads * (total(fresh) + total(cached)));
    sample.bytes_written = rows * (bytes_ * shapes_.head_dim + 4);  // LSE is float32
    sample.new_tokens = std::move(fresh);
    sample.cached_tokens = std::move(cached);
  }

  void decode(std::int64_t length, std::int64_t batch) {
    const auto sequences = static_cast<std::size_t>(batch);
    const std::vector<std::int64_t> one(sequences, 1);
    attention("attention_decode", one, std::vector<std::int64_t>(sequences, length - 1));
    if (batch > 1) {
      std::vector<std::int64_t> halving;
      for (std::int64_t i = 0, left = length; i < batch;
           ++i, left = std::max<std::int64_t>(1, left / 2)) {
        halving.push_back(left - 1);
      }
      attention("attention_decode", one, std::move(halving));
    }
    if (wanted("merge_state") && length == design_.lengths.front()) {
      OperatorSample& sample = add("merge_state");
      sample.query_heads = shapes_.query_heads;
      sample.head_dim = shapes_.head_dim;
      sample.new_tokens = one;
      const std::int64_t rows = batch * shapes_.query_heads;
      sample.bytes_read = 2 * rows * (bytes_ * shapes_.head_dim + 4);
      sample.bytes_written = sample.bytes_read / 2;
      sample.operations = 3.0 * static_cast<double>(rows * shapes_.head_dim);
    }
  }

  // Everything of a layer beside attention, for `rows` tokens.
  void layer(std::int64_t rows) {
    const KernelShapes& s = shapes_;
    linear(rows, s.hidden, (s.query_heads + 2 * s.kv_heads) * s.head_dim);
    linear(rows, s.query_heads * s.head_dim, s.hidden);
    linear(rows, s.hidden, 2 * s.intermediate);
    linear(rows, s.intermediate, s.hidden);
    // Logits are wanted of one token a sequence.
    if (std::ranges::find(design_.batches, rows) != design_.batches.end())
      linear(rows, s.hidden, s.vocabulary);
    elementwise("rms_norm", rows, s.hidden, 1, 1, 4);
    elementwise("silu_and_multiply", rows, s.intermediate, 2, 1, 5);
    elementwise("apply_rope", rows, s.query_heads * s.head_dim, 1, 1, 3);
  }

  void linear(std::int64_t rows, std::int64_t in, std::int64_t out) {
    if (!wanted("linear")) return;
    OperatorSample& sample = add("linear");
    sample.dimensions = {{"rows", rows}, {"in", in}, {"out", out}};
    sample.operations = 2.0 * static_cast<double>(rows * in) * static_cast<double>(out);
    sample.bytes_read = bytes_ * (rows * in + in * out);
    sample.bytes_written = bytes_ * rows * out;
  }

  void elementwise(const std::string& name, std::int64_t rows, std::int64_t width,
                   std::int64_t reads, std::int64_t writes, double operations) {
    if (!wanted(name)) return;
    OperatorSample& sample = add(name);
    if (name == "apply_rope") {
      sample.query_heads = shapes_.query_heads;
      sample.head_dim = shapes_.head_dim;
    }
    sample.dimensions = {{"rows", rows}, {"width", width}};
    sample.operations = operations * static_cast<double>(rows * width);
    sample.bytes_read = bytes_ * rows * width * reads;
    sample.bytes_written = bytes_ * rows * width * writes;
  }

  void shuffle() {
    Rng rng(design_.seed, "exec.kernels.order");
    for (std::size_t n = samples_.size(); n > 1; --n)
      std::swap(samples_[n - 1], samples_[rng.below(n)]);
  }

  const KernelShapes& shapes_;
  const KernelDesign& design_;
  const std::int64_t bytes_;
  std::vector<OperatorSample> samples_;
};

// ---- How it is called.

// The operator's call and, where one is at hand, another way to the same numbers.
struct Call {
  std::function<at::Tensor()> run;
  std::function<at::Tensor()> plain;
};

struct PagedInputs {
  at::Tensor q, offsets, pool, table, lengths;
};

// Pages stand in the pool in random order, as they do after some hours of service.
PagedInputs paged_inputs(const OperatorSample& sample, const KernelShapes& shapes,
                         std::uint64_t seed) {
  const at::TensorOptions values = at::TensorOptions().dtype(shapes.type).device(shapes.device);
  const at::TensorOptions ints = at::TensorOptions().dtype(at::kInt);
  const auto sequences = static_cast<std::int64_t>(sample.new_tokens.size());
  std::int64_t most_pages = 1, pages = 0;
  std::vector<std::int32_t> held, offsets = {0};
  for (std::size_t i = 0; i < sample.new_tokens.size(); ++i) {
    const std::int64_t tokens = sample.new_tokens[i] + sample.cached_tokens[i];
    const std::int64_t needed = (tokens + shapes.page_tokens - 1) / shapes.page_tokens;
    most_pages = std::max(most_pages, needed);
    pages += needed * shapes.kv_heads;
    held.insert(held.end(), static_cast<std::size_t>(shapes.kv_heads),
                static_cast<std::int32_t>(tokens));
    offsets.push_back(offsets.back() + static_cast<std::int32_t>(sample.new_tokens[i]));
  }
  std::vector<std::int32_t> order(static_cast<std::size_t>(pages));
  std::iota(order.begin(), order.end(), 0);
  Rng rng(seed, "exec.kernels.pages");
  for (std::size_t n = order.size(); n > 1; --n) std::swap(order[n - 1], order[rng.below(n)]);
  std::vector<std::int32_t> table(
      static_cast<std::size_t>(sequences * shapes.kv_heads * most_pages), 0);
  std::size_t next = 0;
  for (std::size_t row = 0; row < held.size(); ++row) {
    const std::int64_t needed = (held[row] + shapes.page_tokens - 1) / shapes.page_tokens;
    for (std::int64_t page = 0; page < needed; ++page) {
      table[row * static_cast<std::size_t>(most_pages) + static_cast<std::size_t>(page)] =
          order[next++];
    }
  }
  return {
      .q = at::randn({offsets.back(), shapes.query_heads, shapes.head_dim}, values),
      .offsets = at::tensor(offsets, ints),
      .pool = at::randn({pages, 2, shapes.page_tokens, shapes.head_dim}, values),
      .table =
          at::tensor(table, ints).view({sequences, shapes.kv_heads, most_pages}).to(shapes.device),
      .lengths = at::tensor(held, ints).view({sequences, shapes.kv_heads}).to(shapes.device)};
}

// Attention the long way: keys gathered, the full matrix of scores, in double precision.
at::Tensor plain_attention(const PagedInputs& in, double scale) {
  const std::int64_t heads = in.q.size(1), dim = in.q.size(2), group = heads / in.table.size(1);
  std::vector<at::Tensor> rows;
  for (std::int64_t s = 0; s < in.table.size(0); ++s) {
    const std::int64_t begin = in.offsets[s].item<int>(), end = in.offsets[s + 1].item<int>();
    std::vector<at::Tensor> per_head;
    for (std::int64_t h = 0; h < heads; ++h) {
      const std::int64_t held = in.lengths[s][h / group].item<int>();
      const at::Tensor pages =
          in.pool.index_select(0, in.table[s][h / group].to(at::kLong)).to(at::kDouble);
      const at::Tensor k = pages.select(1, 0).reshape({-1, dim}).narrow(0, 0, held);
      const at::Tensor v = pages.select(1, 1).reshape({-1, dim}).narrow(0, 0, held);
      const at::Tensor q = in.q.narrow(0, begin, end - begin).select(1, h).to(at::kDouble);
      const at::Tensor hidden = at::ones({end - begin, held}, q.options().dtype(at::kBool))
                                    .triu(held - (end - begin) + 1);
      const at::Tensor scores = (at::matmul(q, k.t()) * scale).masked_fill(hidden, -INFINITY);
      per_head.push_back(at::matmul(at::softmax(scores, -1), v));
    }
    rows.push_back(at::stack(per_head, 1));
  }
  return at::cat(rows);
}

Call attention_call(const OperatorSample& sample, const KernelShapes& shapes, std::uint64_t seed) {
  const auto in = std::make_shared<PagedInputs>(paged_inputs(sample, shapes, seed));
  const double scale = 1 / std::sqrt(static_cast<double>(shapes.head_dim));
  const bool decode = sample.name == "attention_decode";
  return {.run =
              [in, scale, decode] {
                return decode ? std::get<0>(attention_decode(in->q, in->pool, in->table,
                                                             in->lengths, scale))
                              : std::get<0>(attention_prefill(in->q, in->offsets, in->pool,
                                                              in->table, in->lengths, scale));
              },
          .plain = [in, scale] { return plain_attention(*in, scale); }};
}

Call merge_call(const OperatorSample& sample, const at::TensorOptions& values) {
  const std::int64_t rows = total(sample.new_tokens);
  const at::Tensor a = at::randn({rows, sample.query_heads, sample.head_dim}, values);
  const at::Tensor b = at::randn_like(a);
  const at::TensorOptions scalars = values.dtype(at::kFloat);
  const at::Tensor lse_a = at::randn({rows, sample.query_heads}, scalars);
  const at::Tensor lse_b = at::randn({rows, sample.query_heads}, scalars);
  return {.run = [=] { return std::get<0>(merge_state(a, lse_a, b, lse_b)); },
          .plain =
              [=] {
                const at::Tensor weight =
                    at::sigmoid((lse_a - lse_b).to(at::kDouble)).unsqueeze(-1);
                return weight * a.to(at::kDouble) + (1 - weight) * b.to(at::kDouble);
              }};
}

Call linear_call(const OperatorSample& sample, const at::TensorOptions& values) {
  const at::Tensor x = at::randn({dimension(sample, "rows"), dimension(sample, "in")}, values);
  const at::Tensor weight = at::randn({dimension(sample, "out"), dimension(sample, "in")}, values) /
                            std::sqrt(static_cast<double>(dimension(sample, "in")));
  return {.run = [=] { return exec::linear(x, weight, c10::nullopt); },
          .plain = [=] { return at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t()); }};
}

Call elementwise_call(const OperatorSample& sample, const at::TensorOptions& values) {
  const std::int64_t rows = dimension(sample, "rows"), width = dimension(sample, "width");
  if (sample.name == "rms_norm") {
    const at::Tensor x = at::randn({rows, width}, values), weight = at::randn({width}, values);
    return {.run = [=] { return rms_norm(x, weight, 1e-5); },
            .plain =
                [=] {
                  const at::Tensor d = x.to(at::kDouble);
                  return d * at::rsqrt(d.square().mean(-1, true) + 1e-5) * weight.to(at::kDouble);
                }};
  }
  if (sample.name == "silu_and_multiply") {
    const at::Tensor x = at::randn({rows, 2 * width}, values);
    return {.run = [=] { return silu_and_multiply(x); },
            .plain =
                [=] {
                  const at::Tensor d = x.to(at::kDouble);
                  return at::silu(d.narrow(1, 0, width)) * d.narrow(1, width, width);
                }};
  }
  SCSIM_CHECK_EQ(sample.name, "apply_rope");
  // In place, so every call turns the same numbers further: no plain version is compared.
  const at::Tensor x = at::randn({rows, sample.query_heads, sample.head_dim}, values);
  const at::Tensor angle = at::rand({rows, sample.head_dim / 2}, values) * 6.28;
  const at::Tensor cosine = at::cos(angle), sine = at::sin(angle);
  return {.run =
              [=]() mutable {
                at::Tensor turned = x;
                apply_rope(turned, cosine, sine, false);
                return turned;
              },
          .plain = nullptr};
}

Call make_call(const OperatorSample& sample, const KernelShapes& shapes, std::uint64_t seed) {
  const at::TensorOptions values = at::TensorOptions().dtype(shapes.type).device(shapes.device);
  if (sample.name.starts_with("attention_")) return attention_call(sample, shapes, seed);
  if (sample.name == "merge_state") return merge_call(sample, values);
  if (sample.name == "linear") return linear_call(sample, values);
  return elementwise_call(sample, values);
}

}  // namespace

KernelShapes kernel_shapes(const ModelConfig& config, c10::Device device, c10::ScalarType type) {
  return {.query_heads = config.attention.query_heads,
          .kv_heads = config.attention.kv_heads,
          .head_dim = config.attention.head_dim,
          .hidden = config.hidden,
          .intermediate = config.mlp.intermediate,
          .vocabulary = config.vocabulary,
          .device = device,
          .type = type};
}

const std::vector<std::string>& kernel_names() {
  static const std::vector<std::string> names = {
      "attention_prefill", "attention_decode",  "merge_state", "linear",
      "rms_norm",          "silu_and_multiply", "apply_rope"};
  return names;
}

std::vector<OperatorSample> plan_kernels(const KernelShapes& shapes, const KernelDesign& design) {
  return Planner(shapes, design).plan();
}

void measure_kernel(OperatorSample& sample, const KernelShapes& shapes, const KernelDesign& design,
                    Timeline& timeline) {
  at::Generator generator = at::globalContext().defaultGenerator(shapes.device);
  generator.set_current_seed(design.seed);
  const Call call = make_call(sample, shapes, design.seed);
  sample.began_unix_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
  at::Tensor result = call.run();
  if (call.plain && result.size(0) <= kMostCheckedRows) {
    sample.largest_error = (result.to(at::kDouble) - call.plain()).abs().max().item<double>();
  }
  for (int i = 0; i < design.repeats; ++i) {
    timeline.clear();
    const std::size_t begin = timeline.mark();
    result = call.run();
    const std::size_t end = timeline.mark();
    sample.seconds.push_back(timeline.seconds(begin, end));
  }
}

}  // namespace scsim::exec
