// RetrievalAttention: full attention's prefill, after which the keys and values between the first
// and the last tokens move to the host, with an index of the keys for each kv head. A decode step
// attends the window on the device and, for each query head, the keys that a search finds on the
// host, in place; the two are merged by their log-sum-exp. Tokens of later prompts come one by one,
// and what leaves the window joins the index.
#include "methods/runtime.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "exec/api/attention.h"
#include "exec/operators/parallel.h"
#include "methods/listed_recorder.h"
#include "methods/retrieval_attention/key_index.h"
#include "methods/retrieval_attention/options.h"
#include "traces/check.h"

namespace scsim::methods {
namespace {

using exec::Attention;
using exec::CacheView;
using exec::KvCache;
using exec::KvMemory;
using exec::LayerStep;
using exec::MeasuredStage;

at::Tensor int32s(const std::vector<std::int32_t>& values) {
  at::Tensor t = at::empty({static_cast<std::int64_t>(values.size())}, at::kInt);
  std::ranges::copy(values, t.mutable_data_ptr<std::int32_t>());
  return t;
}

// What is remembered of a sequence. A fork shares the indexes until it adds to them.
class RetrievalState final : public exec::MethodState {
 public:
  struct Layer {
    std::vector<std::shared_ptr<KeyIndex>> heads;  // none: nothing is on the host
    std::int64_t end = 0;                          // of what is there
    at::Tensor queries;  // [sampled, query_heads, dim] on the CPU, while a prompt comes in chunks
    std::int64_t stride = 1, tokens = 0;  // every so manyth of so many tokens is in there
  };

  explicit RetrievalState(std::int64_t layers) : layers_(static_cast<std::size_t>(layers)) {}

  Layer& layer(std::int64_t number) { return layers_[static_cast<std::size_t>(number)]; }
  const Layer& layer(std::int64_t number) const {
    return layers_[static_cast<std::size_t>(number)];
  }
  std::unique_ptr<MethodState> clone() const override {
    return std::make_unique<RetrievalState>(*this);
  }
  std::int64_t bytes() const override {
    std::int64_t bytes = 0;
    for (const Layer& layer : layers_) {
      for (const auto& index : layer.heads) bytes += index->bytes();
      if (layer.queries.defined()) bytes += static_cast<std::int64_t>(layer.queries.nbytes());
    }
    return bytes;
  }

 private:
  std::vector<Layer> layers_;
};

// The keys of a kv head that are on the host, for an index.
KeyRows rows_on_host(const CacheView& view, std::int64_t head, std::int64_t first) {
  SCSIM_CHECK(view.pool.scalar_type() == at::kFloat);
  return {.head = {.pool = view.pool.const_data_ptr<float>(),
                   .pages = view.block_table.const_data_ptr<std::int32_t>() +
                            head * view.block_table.size(2),
                   .page_tokens = view.pool.size(2),
                   .head_dim = view.pool.size(3),
                   .length = view.host_lengths.const_data_ptr<std::int32_t>()[head]},
          .first = first};
}

class RetrievalAttention final : public exec::MethodRuntime {
 public:
  explicit RetrievalAttention(const RetrievalOptions& options) : options_(options) {}

  at::Tensor attend_prefill(LayerStep& step) override {
    if (step.first_prefill || step.sliding_window > 0) return MethodRuntime::attend_prefill(step);
    return attend_one_by_one(
        step, [this](LayerStep& one, ListedRecorder* record) { return attend_token(one, record); });
  }

  bool compress(LayerStep& step) override {
    if (!step.first_prefill || step.sliding_window > 0) return true;
    if (options_.index == IndexKind::kGraph) sample(step);
    return !step.last_chunk || move(step);
  }

  at::Tensor attend_decode(LayerStep& step) override {
    return step.sliding_window > 0 ? MethodRuntime::attend_decode(step)
                                   : attend_token(step, nullptr);
  }

  // An index is of all of its sequence, so a prefix of it is of no use.
  std::int64_t retrieve(const KvCache&, std::span<const std::int32_t> cached,
                        std::span<const std::int32_t> prompt, exec::Measure&) override {
    const auto [in_cached, in_prompt] = std::ranges::mismatch(cached, prompt);
    const bool whole = in_cached == cached.end() && cached.size() < prompt.size();
    return whole ? std::ssize(cached) : 0;
  }

 private:
  at::Tensor attend_token(LayerStep& step, ListedRecorder* record) const {
    if (!step.cache.append(step.layer, step.k, step.v, step.measure)) return {};
    {
      const MeasuredStage stage(step.measure, Stage::kCompression);
      if (!move(step)) return {};
    }
    const RetrievalState::Layer& layer = state(step).layer(step.layer);
    if (layer.heads.empty()) {
      const std::vector<std::int32_t> none(static_cast<std::size_t>(step.q.size(1)) + 1);
      if (record != nullptr) record->add(none, {});
      const auto view = step.cache.view(step.layer, step.measure);
      return view ? exec::attend_one(step, *view).out : at::Tensor();
    }
    const Attention near = attend_window(step, layer.end);
    const Attention far = attend_retrieved(step, layer, record);
    return std::get<0>(exec::merge_state(near.out, near.lse, far.out, far.lse));
  }

  static RetrievalState& state(LayerStep& step) {
    if (step.cache.method_state() == nullptr) {
      step.cache.set_method_state(std::make_unique<RetrievalState>(step.cache.layers()));
    }
    return *static_cast<RetrievalState*>(step.cache.mutable_method_state());
  }

  // Blocks of whole pages.
  RetrievalOptions in_pages(const KvCache& cache) const {
    const std::int64_t page = cache.memory().options().page_tokens;
    RetrievalOptions options = options_;
    options.block = (options_.block + page - 1) / page * page;
    return options;
  }

  // Keeps queries of the prompt, evenly over all of it whatever the chunks were.
  void sample(LayerStep& step) const {
    RetrievalState::Layer& layer = state(step).layer(step.layer);
    const std::int64_t tokens = layer.tokens + step.q.size(0);
    std::int64_t stride = layer.stride;
    while ((tokens + stride - 1) / stride > options_.queries) stride *= 2;
    std::vector<at::Tensor> parts;
    if (layer.queries.defined()) {
      parts.push_back(layer.queries.slice(0, 0, c10::nullopt, stride / layer.stride));
    }
    const std::int64_t first = (layer.tokens + stride - 1) / stride * stride - layer.tokens;
    if (first < step.q.size(0)) {
      parts.push_back(step.q.slice(0, first, c10::nullopt, stride).to(at::kCPU, at::kFloat));
    }
    layer.queries = at::cat(parts).contiguous();
    layer.stride = stride;
    layer.tokens = tokens;
  }

  // Moves what the window need not hold to the host, and into the indexes.
  bool move(LayerStep& step) const {
    KvCache& cache = step.cache;
    const TokenRange range = in_pages(cache).on_host(cache.length(step.layer, 0));
    const std::int64_t kv_heads = step.k.size(1);
    if (range.size() > 0 && range.end > state(step).layer(step.layer).end) {
      for (std::int64_t h = 0; h < kv_heads; ++h) {
        SCSIM_CHECK_EQ(cache.length(step.layer, h), cache.length(step.layer, 0));
        if (!cache.move_to_host(step.layer, h, range.begin, range.end, step.measure)) return false;
      }
      index(step, range);
    }
    state(step).layer(step.layer).queries = at::Tensor();
    return true;
  }

  void index(LayerStep& step, const TokenRange& range) const {
    const exec::MeasuredPart part(step.measure, "index");
    RetrievalState::Layer& layer = state(step).layer(step.layer);
    const std::int64_t kv_heads = step.k.size(1), group = step.q.size(1) / kv_heads;
    const bool first = layer.heads.empty();
    if (first) {
      for (std::int64_t h = 0; h < kv_heads; ++h) layer.heads.push_back(make_index(options_));
    }
    const CacheView view = step.cache.view_in_place(step.layer, KvMemory::kHost);
    exec::parallel_items(kv_heads, 0, [&](std::int64_t h, float*) {
      std::shared_ptr<KeyIndex>& index = layer.heads[static_cast<std::size_t>(h)];
      const KeyRows rows = rows_on_host(view, h, range.begin);
      if (!first) {
        if (index.use_count() > 1) index = index->clone();
        index->extend(rows, range.size());
        return;
      }
      const at::Tensor queries =
          layer.queries.defined()
              ? layer.queries.narrow(1, h * group, group).reshape({-1, rows.head.head_dim})
              : at::empty({0, rows.head.head_dim}, at::kFloat);
      index->build(rows, range.size(), {queries.const_data_ptr<float>(), queries.size(0)});
    });
    layer.end = range.end;
  }

  Attention attend_window(LayerStep& step, std::int64_t end) const {
    const std::int64_t begin = in_pages(step.cache).on_host(0).begin;
    std::vector<std::int32_t> offsets = {0}, tokens;
    for (std::int64_t h = 0; h < step.k.size(1); ++h) {
      for (std::int64_t i = 0; i < step.cache.length(step.layer, h); ++i) {
        if (i == begin) i = end;
        tokens.push_back(static_cast<std::int32_t>(i));
      }
      offsets.push_back(static_cast<std::int32_t>(tokens.size()));
    }
    return exec::attend_listed(step, step.cache.view_in_place(step.layer, KvMemory::kDevice),
                               {.unit = 1, .offsets = int32s(offsets), .units = int32s(tokens)});
  }

  Attention attend_retrieved(LayerStep& step, const RetrievalState::Layer& layer,
                             ListedRecorder* record) const {
    const std::int64_t heads = step.q.size(1), group = heads / step.k.size(1);
    const std::int64_t begin = in_pages(step.cache).on_host(0).begin;
    const CacheView view = step.cache.view_in_place(step.layer, KvMemory::kHost);
    const at::Tensor q = step.q[0].to(at::kCPU, at::kFloat).contiguous();
    std::vector<std::vector<std::int32_t>> found(static_cast<std::size_t>(heads));
    const std::int64_t together = layer.heads[0]->looks_at_all() ? group : 1;
    std::vector<std::int64_t> looked_at(static_cast<std::size_t>(heads / together));
    exec::parallel_items(heads / together, 0, [&](std::int64_t item, float*) {
      const std::int64_t head = item * together;
      const auto of_head = static_cast<std::size_t>(head);
      layer.heads[static_cast<std::size_t>(head / group)]->search(
          rows_on_host(view, head / group, begin),
          {q.const_data_ptr<float>() + head * q.size(1), together}, options_.top_k,
          std::span(found).subspan(of_head, static_cast<std::size_t>(together)),
          looked_at[static_cast<std::size_t>(item)]);
    });
    for (const std::int64_t keys : looked_at) {
      step.measure.now().operations += 2.0 * static_cast<double>(keys * q.size(1));
    }
    std::vector<std::int32_t> offsets = {0}, tokens;
    for (const std::vector<std::int32_t>& of_head : found) {
      for (const std::int32_t key : of_head) {
        tokens.push_back(key + static_cast<std::int32_t>(begin));
      }
      offsets.push_back(static_cast<std::int32_t>(tokens.size()));
    }
    if (record != nullptr) record->add(offsets, tokens);
    return exec::attend_listed(step, view,
                               {.unit = 1, .offsets = int32s(offsets), .units = int32s(tokens)});
  }

  RetrievalOptions options_;
};

}  // namespace

MethodRuntimeEntry retrieval_attention_runtime() {
  return {.name = "retrieval_attention",
          .make = [](const MethodParameters& parameters) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<RetrievalAttention>(retrieval_options(parameters));
          }};
}

}  // namespace scsim::methods
