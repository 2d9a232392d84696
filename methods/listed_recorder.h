// Tokens of a prompt that come one by one, as those of a decode step do, and the record of
// methods/listed_selection.h that they make.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "exec/api/measure.h"
#include "exec/api/method_runtime.h"

namespace scsim::methods {

class ListedRecorder {
 public:
  explicit ListedRecorder(std::int64_t query_heads)
      : heads_(static_cast<std::size_t>(query_heads)) {}

  // The next token's lists, of each query head or of each group: entries offsets[e] ..
  // offsets[e + 1] of `units`.
  void add(std::span<const std::int32_t> offsets, std::span<const std::int32_t> units) {
    ++tokens_;
    const std::size_t shared = heads_.size() / (offsets.size() - 1);
    for (std::size_t h = 0; h < heads_.size(); ++h) {
      const auto begin = static_cast<std::size_t>(offsets[h / shared]);
      const auto end = static_cast<std::size_t>(offsets[h / shared + 1]);
      heads_[h].push_back(static_cast<std::int32_t>(end - begin));
      heads_[h].insert(heads_[h].end(), units.begin() + static_cast<std::ptrdiff_t>(begin),
                       units.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }

  // To whoever wants to know.
  void give(exec::Measure& measure, std::int64_t layer, std::int64_t cached) {
    if (measure.selections == nullptr) return;
    measure.selections->push_back(
        {.layer = layer, .fresh = tokens_, .cached = cached, .heads = std::move(heads_)});
  }

 private:
  std::int64_t tokens_ = 0;
  std::vector<std::vector<std::int32_t>> heads_;
};

// The attention of a prompt's tokens [tokens, query_heads, head_dim] by that of each token alone:
// attend_token(LayerStep&, ListedRecorder*). Undefined as soon as one of them is.
template <class AttendToken>
at::Tensor attend_one_by_one(exec::LayerStep& step, AttendToken attend_token) {
  std::vector<at::Tensor> outputs;
  ListedRecorder record(step.q.size(1));
  for (std::int64_t i = 0; i < step.q.size(0); ++i) {
    exec::LayerStep one = step;
    one.q = step.q.narrow(0, i, 1);
    one.k = step.k.narrow(0, i, 1);
    one.v = step.v.narrow(0, i, 1);
    one.first_position = step.first_position + i;
    outputs.push_back(attend_token(one, &record));
    if (!outputs.back().defined()) return {};
  }
  record.give(step.measure, step.layer, step.first_position);
  return at::cat(outputs);
}

}  // namespace scsim::methods
