#include "methods/a_shape/static_sparse.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "exec/api/attention.h"

namespace scsim::methods {
namespace {

using exec::CacheView;
using exec::LayerStep;

at::Tensor int32s(const std::vector<std::int32_t>& values) {
  at::Tensor t = at::empty({std::ssize(values)}, at::kInt);
  std::ranges::copy(values, t.mutable_data_ptr<std::int32_t>());
  return t;
}

// The first `count` rows of a step, over a view that ends with them; or those from `from` on, over
// the view as it is.
LayerStep rows_of(const LayerStep& step, std::int64_t from, std::int64_t count) {
  LayerStep part = step;
  part.q = step.q.narrow(0, from, count);
  return part;
}
CacheView without_last(const CacheView& view, std::int64_t tokens) {
  CacheView shorter = view;
  shorter.kv_lengths = view.kv_lengths - tokens;
  shorter.host_lengths = view.host_lengths - tokens;
  return shorter;
}

class StaticSparse final : public exec::MethodRuntime {
 public:
  explicit StaticSparse(const StaticPattern& pattern) : pattern_(pattern) {}

  at::Tensor attend_prefill(LayerStep& step) override {
    if (!step.cache.append(step.layer, step.k, step.v, step.measure)) return {};
    const std::optional<CacheView> view = step.cache.view(step.layer, step.measure);
    if (!view) return {};
    const std::int64_t rows = step.q.size(0);
    const std::int64_t dense = step.last_chunk ? std::min(pattern_.last, rows) : 0;
    const std::int64_t sparse = rows - dense;
    // A model's own sliding window is narrower than any of these and stays what it is.
    if (sparse == 0 || step.sliding_window > 0 ||
        !pattern_.applies(step.layer, step.first_prefill)) {
      return attend(step, *view).out;
    }
    const exec::PrefillSelection selection = a_shape_selection(
        pattern_.init, pattern_.local, step.first_position, sparse, step.k.size(1));
    if (dense == 0) return attend(step, *view, selection).out;
    LayerStep first = rows_of(step, 0, sparse), last = rows_of(step, sparse, dense);
    return at::cat(
        {attend(first, without_last(*view, dense), selection).out, attend(last, *view).out});
  }

 private:
  StaticPattern pattern_;
};

}  // namespace

exec::PrefillSelection a_shape_selection(std::int64_t init, std::int64_t local, std::int64_t first,
                                         std::int64_t rows, std::int64_t kv_heads) {
  exec::PrefillSelection selection;
  const std::int64_t tile = selection.tile, lists = kv_heads * ((rows + tile - 1) / tile);
  const std::int64_t sink = std::min(init, first + rows);
  std::vector<std::int32_t> tiles, columns, tile_offsets = {0}, column_offsets = {0}, bands;
  for (std::int64_t e = 0; e < lists; ++e) {
    for (std::int64_t t = 0; t < sink / tile; ++t) tiles.push_back(static_cast<std::int32_t>(t));
    for (std::int64_t p = sink / tile * tile; p < sink; ++p) {
      columns.push_back(static_cast<std::int32_t>(p));
    }
    tile_offsets.push_back(static_cast<std::int32_t>(tiles.size()));
    column_offsets.push_back(static_cast<std::int32_t>(columns.size()));
    bands.push_back(static_cast<std::int32_t>(sink));
    bands.push_back(static_cast<std::int32_t>(local));
  }
  selection.tile_offsets = int32s(tile_offsets);
  selection.tiles = int32s(tiles);
  selection.column_offsets = int32s(column_offsets);
  selection.columns = int32s(columns);
  selection.bands = int32s(bands).view({-1, 2});
  return selection;
}

std::unique_ptr<exec::MethodRuntime> make_static_runtime(const StaticPattern& pattern) {
  return std::make_unique<StaticSparse>(pattern);
}

}  // namespace scsim::methods
