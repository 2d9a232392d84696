// Quest: the cache of full attention, with bounds of the keys of each page beside it. A decode step
// multiplies its queries with the bounds, which gives what the logits of a page's keys cannot
// exceed, and attends only the pages that promise most, in place.
#include "methods/runtime.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "exec/api/attention.h"
#include "exec/api/largest.h"
#include "methods/listed_recorder.h"
#include "methods/quest/page_bounds.h"
#include "methods/quest/quest.h"
#include "traces/check.h"

namespace scsim::methods {
namespace {

using exec::CacheView;
using exec::KeyLists;
using exec::LayerStep;

at::Tensor int32s(const std::vector<std::int32_t>& values) {
  at::Tensor t = at::empty({static_cast<std::int64_t>(values.size())}, at::kInt);
  std::ranges::copy(values, t.mutable_data_ptr<std::int32_t>());
  return t;
}

// Queries [n, heads, dim] with the channels that multiply maxima, then those that multiply minima.
at::Tensor by_sign(const at::Tensor& q) { return at::cat({q.clamp_min(0), q.clamp_max(0)}, 2); }

// SCBench's for several queries at once: the signs of all of them are added up, and both the keys
// and each query are multiplied with the sums.
at::Tensor by_shared_sign(const at::Tensor& q) {
  const at::Tensor sign =
      at::where(q > 0, at::ones({}, q.options()), -at::ones({}, q.options())).sum(0, true);
  const at::Tensor folded = q * sign * sign;
  return at::cat({at::where(sign > 0, folded, at::zeros_like(folded)),
                  at::where(sign < 0, folded, at::zeros_like(folded))},
                 2);
}

class Quest final : public exec::MethodRuntime {
 public:
  explicit Quest(const QuestOptions& options) : options_(options) {}

  at::Tensor attend_prefill(LayerStep& step) override {
    if (!chooses(step)) return MethodRuntime::attend_prefill(step);
    if (step.first_prefill || options_.follow_up == QuestFollowUp::kDense) {
      if (!append(step)) return {};
      const auto view = step.cache.view(step.layer, step.measure);
      return view ? exec::attend(step, *view).out : at::Tensor();
    }
    return options_.follow_up == QuestFollowUp::kEach ? attend_each(step)
                                                      : attend_with_shared_sign(step);
  }

  at::Tensor attend_decode(LayerStep& step) override {
    return chooses(step) ? attend_token(step, nullptr) : MethodRuntime::attend_decode(step);
  }

 private:
  // A model's own window is narrower than what pages could be chosen from.
  bool chooses(const LayerStep& step) const {
    return options_.chooses(step.layer) && step.sliding_window == 0;
  }

  bool append(LayerStep& step) const {
    if (!step.cache.append(step.layer, step.k, step.v, step.measure)) return false;
    if (step.cache.method_state() == nullptr) {
      step.cache.set_method_state(std::make_unique<PageBounds>(step.cache.layers(), options_.page));
    }
    static_cast<PageBounds*>(step.cache.mutable_method_state())
        ->extend(step.cache, step.layer, step.k);
    return true;
  }

  at::Tensor attend_token(LayerStep& step, ListedRecorder* record) const {
    if (!append(step)) return {};
    const auto view = step.cache.view(step.layer, step.measure);
    if (!view) return {};
    return attend_pages(step, *view, by_sign(step.q), step.cache.length(step.layer, 0), record);
  }

  // Of the first `held` tokens, the pages with the largest bounds; signed_q [1, heads, 2 * dim].
  at::Tensor attend_pages(LayerStep& step, const CacheView& view, const at::Tensor& signed_q,
                          std::int64_t held, ListedRecorder* record) const {
    const auto& bounds = *static_cast<const PageBounds*>(step.cache.method_state());
    const std::int64_t kv_heads = step.k.size(1), group = step.q.size(1) / kv_heads;
    const std::int64_t last = options_.pages(held) - 1;  // the page of the token itself
    std::vector<std::int32_t> offsets = {0}, units;
    std::vector<float> scratch;
    for (std::int64_t h = 0; h < kv_heads; ++h) {
      const at::Tensor rows = bounds.rows(step.layer, h);
      at::Tensor scores = exec::linear(signed_q[0].narrow(0, h * group, group), rows, c10::nullopt);
      if (!options_.per_query_head) scores = scores.amax(0, true);
      scores = scores.to(at::kCPU, at::kFloat).contiguous();
      count_bounds(step, rows);
      for (std::int64_t g = 0; g < scores.size(0); ++g) {
        choose(scores.const_data_ptr<float>() + g * rows.size(0), rows.size(0), last,
               options_.chosen(step.cache.length(step.layer, h)), units, scratch);
        if (static_cast<std::int32_t>(units.size()) == offsets.back()) {
          units.push_back(static_cast<std::int32_t>(last));
        }
        offsets.push_back(static_cast<std::int32_t>(units.size()));
      }
    }
    if (record != nullptr) record->add(offsets, units);
    const KeyLists lists{.unit = options_.page, .offsets = int32s(offsets), .units = int32s(units)};
    return exec::attend_listed(step, view, lists).out;
  }

  // `chosen` of all `pages` of the head, of which those behind `last` are of later tokens: they
  // compete, as in SCBench, and are not read.
  void choose(const float* scores, std::int64_t pages, std::int64_t last, std::int64_t chosen,
              std::vector<std::int32_t>& units, std::vector<float>& scratch) const {
    if (!options_.newest || chosen >= pages) {
      exec::append_largest(scores, pages, chosen, units, scratch);
      while (!units.empty() && units.back() > last) units.pop_back();
      return;
    }
    exec::append_largest(scores, last, chosen - 1, units, scratch);
    units.push_back(static_cast<std::int32_t>(last));
  }

  static void count_bounds(LayerStep& step, const at::Tensor& rows) {
    exec::StageCounts& counts = step.measure.now();
    const std::int64_t group = step.q.size(1) / step.k.size(1);
    counts.bytes_read += static_cast<std::int64_t>(rows.nbytes());
    counts.operations += 2.0 * static_cast<double>(rows.numel() * group);
  }

  at::Tensor attend_each(LayerStep& step) const {
    return attend_one_by_one(
        step, [this](LayerStep& one, ListedRecorder* record) { return attend_token(one, record); });
  }

  at::Tensor attend_with_shared_sign(LayerStep& step) const {
    if (!append(step)) return {};
    const auto view = step.cache.view(step.layer, step.measure);
    if (!view) return {};
    const std::int64_t n = step.q.size(0), length = step.cache.length(step.layer, 0);
    const at::Tensor signed_q = by_shared_sign(step.q);
    std::vector<at::Tensor> outputs;
    ListedRecorder record(step.q.size(1));
    for (std::int64_t i = 0; i < n; ++i) {
      LayerStep one = step;
      one.q = step.q.narrow(0, i, 1);
      const std::int64_t held = length - n + i + 1;
      CacheView until = *view;  // up to the token itself
      until.host_lengths = at::full_like(view->host_lengths, held);
      until.kv_lengths = at::full_like(view->kv_lengths, held);
      outputs.push_back(attend_pages(one, until, signed_q.narrow(0, i, 1), held, &record));
    }
    record.give(step.measure, step.layer, step.first_position);
    return at::cat(outputs);
  }

  QuestOptions options_;
};

}  // namespace

MethodRuntimeEntry quest_runtime() {
  return {.name = "quest",
          .make = [](const MethodParameters& parameters) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<Quest>(quest_options(parameters));
          }};
}

}  // namespace scsim::methods
