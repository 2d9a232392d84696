#include "exec/api/attention.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "traces/check.h"

namespace scsim::exec {
namespace {

std::int64_t held(const CacheView& view, std::int64_t head) {
  return view.host_lengths.const_data_ptr<std::int32_t>()[head];
}

// In blocks, before those in pages.
std::int64_t packed(const CacheView& view, std::int64_t head) {
  return view.packed ? view.packed->host_lengths.const_data_ptr<std::int32_t>()[head] : 0;
}

std::int64_t held_in_all(const CacheView& view, std::int64_t head) {
  return held(view, head) + packed(view, head);
}

// Where a row stands among the `length` tokens that a head holds.
std::int64_t position(const LayerStep& step, std::int64_t length, std::int64_t row) {
  return step.positions.empty() ? length - step.q.size(0) + row
                                : step.positions[static_cast<std::size_t>(row)];
}

// Query i of n attends the keys below length - n + i + 1 and, of those, the last `window`.
std::int64_t causal_pairs(std::int64_t n, std::int64_t length, std::int64_t window) {
  if (window == 0) return n * (length - n) + n * (n + 1) / 2;
  const std::int64_t first = length - n + 1;  // what query 0 could attend
  const std::int64_t below =
      std::clamp<std::int64_t>(window - first, 0, n);  // queries that see all
  return below * first + below * (below - 1) / 2 + (n - below) * window;
}

void count(LayerStep& step, std::int64_t pairs, std::int64_t keys) {
  const std::int64_t dim = step.q.size(2);
  StageCounts& counts = step.measure.now();
  counts.attended_pairs += pairs;
  counts.operations += 4.0 * static_cast<double>(dim) * static_cast<double>(pairs);
  counts.bytes_read += keys * 2 * dim * static_cast<std::int64_t>(step.k.element_size());
}

void count_causal(LayerStep& step, const CacheView& view, std::int64_t window) {
  const std::int64_t kv_heads = view.heads(), group = step.q.size(1) / kv_heads;
  const std::int64_t n = step.q.size(0);
  std::int64_t pairs = 0, keys = 0;
  for (std::int64_t h = 0; h < kv_heads; ++h) {
    const std::int64_t length = held_in_all(view, h);
    const std::int64_t in_reach = length - position(step, length, 0) + window - 1;
    if (step.positions.empty()) {
      pairs += group * causal_pairs(n, length, window);
    } else {
      for (const std::int64_t at : step.positions) {
        pairs += group * (window == 0 ? at + 1 : std::min(at + 1, window));
      }
    }
    // Blocks are read whole.
    std::int64_t in_blocks = packed(view, h), read = held(view, h);
    if (window != 0) {
      in_blocks = std::clamp<std::int64_t>(in_reach - read, 0, in_blocks);
      read = std::min(read, in_reach);
    }
    keys += read;
    if (in_blocks > 0) {
      const std::int64_t tokens = view.packed->format.group;
      step.measure.now().bytes_read +=
          (in_blocks + tokens - 1) / tokens * view.packed->format.block_bytes(step.q.size(2));
    }
  }
  count(step, pairs, keys);
}

// What the selection lists, less what causality masks of it: tiles and columns may reach beyond a
// query. On the CPU, since a selection made on a device is small.
void count_selection(LayerStep& step, const CacheView& view, const PrefillSelection& selection) {
  const std::int64_t heads = step.q.size(1), kv_heads = view.heads(), n = step.q.size(0);
  const std::int64_t tile = selection.tile, tiles = (n + tile - 1) / tile;
  const std::int64_t stride = selection.stride == 0 ? tile : selection.stride;
  const at::Tensor none = at::zeros({0}, at::kInt);
  const auto on_cpu = [&](const at::Tensor& t) { return t.defined() ? t.cpu() : none; };
  const at::Tensor tile_offsets = selection.tile_offsets.cpu(), listed = selection.tiles.cpu();
  const at::Tensor column_offsets = on_cpu(selection.column_offsets);
  const at::Tensor columns = on_cpu(selection.columns), bands = on_cpu(selection.bands);
  const auto numbers = [](const at::Tensor& t) { return t.const_data_ptr<std::int32_t>(); };
  const bool by_kv_head = tile_offsets.numel() - 1 == kv_heads * tiles;
  const std::int64_t lists_of = by_kv_head ? kv_heads : heads;
  std::int64_t pairs = 0, keys = 0;
  for (std::int64_t h = 0; h < lists_of; ++h) {
    const std::int64_t first = held(view, by_kv_head ? h : h / (heads / kv_heads)) - n + 1;
    std::int64_t of_head = 0;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t from = t * tile, to = std::min(n, from + tile), e = h * tiles + t;
      // Pairs of these queries with keys [begin, end); query i attends those below first + i.
      const auto masked = [&](std::int64_t begin, std::int64_t end) {
        if (end <= first + from) return (end - begin) * (to - from);
        std::int64_t found = 0;
        for (std::int64_t i = from; i < to; ++i) {
          found += std::max<std::int64_t>(0, std::min(end, first + i) - begin);
        }
        return found;
      };
      for (std::int64_t i = numbers(tile_offsets)[e]; i < numbers(tile_offsets)[e + 1]; ++i) {
        const std::int64_t begin = numbers(listed)[i] * stride;
        const std::int64_t end = std::min(begin + tile, first + to - 1);
        if (end <= begin) continue;
        keys += end - begin;
        of_head += masked(begin, end);
      }
      for (std::int64_t i = columns.numel() == 0 ? 0 : numbers(column_offsets)[e];
           columns.numel() > 0 && i < numbers(column_offsets)[e + 1]; ++i) {
        const std::int64_t column = numbers(columns)[i];
        of_head += masked(column, column + 1);
        ++keys;
      }
      const std::int64_t width = bands.numel() == 0 ? 0 : numbers(bands)[2 * e + 1];
      if (width == 0) continue;
      const std::int64_t begin = numbers(bands)[2 * e];
      const auto lowest = [&](std::int64_t i) { return std::max(begin, first + i - width); };
      for (std::int64_t i = from; i < to; ++i) {
        of_head += std::max<std::int64_t>(0, first + i - lowest(i));
      }
      keys += std::max<std::int64_t>(0, first + to - 1 - lowest(from));
    }
    pairs += of_head * (heads / lists_of);
  }
  count(step, pairs, keys);
}

// Torch's own attention within a window, by blocks of queries, over the keys that any of them
// attends. The window is the model's, so it is told from how many keys are held behind a key.
Attention attend_window(LayerStep& step, const CacheView& view) {
  constexpr std::int64_t kBlock = 512;
  const std::int64_t n = step.q.size(0), heads = step.q.size(1), kv_heads = view.heads();
  const std::int64_t group = heads / kv_heads, dim = step.q.size(2), window = step.sliding_window;
  Attention result{at::empty({n, heads, dim}, step.q.options()),
                   at::empty({n, heads}, step.q.options().dtype(at::kFloat))};
  for (std::int64_t h = 0; h < kv_heads; ++h) {
    const std::int64_t length = held_in_all(view, h);
    for (std::int64_t from = 0; from < n; from += kBlock) {
      const std::int64_t to = std::min(n, from + kBlock);
      const std::int64_t end = position(step, length, to - 1) + 1;  // keys below it
      const std::int64_t begin =
          std::max<std::int64_t>(0, position(step, length, from) + 1 - window);
      const auto [k, v] = step.cache.rows(step.layer, h, begin, end - begin);
      at::Tensor query = at::empty({to - from, 1}, at::kLong);
      for (std::int64_t i = from; i < to; ++i) {
        query.mutable_data_ptr<std::int64_t>()[i - from] = position(step, length, i);
      }
      query = query.to(step.q.device());
      const at::Tensor key = at::arange(begin, end, step.q.options().dtype(at::kLong)).unsqueeze(0);
      const at::Tensor hidden = (key > query).logical_or_(key <= query - window);
      const at::Tensor q = step.q.narrow(0, from, to - from)
                               .narrow(1, h * group, group)
                               .transpose(0, 1)
                               .to(at::kFloat);  // [group, rows, dim]
      const at::Tensor logits =
          at::matmul(q, k.to(at::kFloat).t()).mul_(step.scale).masked_fill_(hidden, -INFINITY);
      result.out.narrow(0, from, to - from)
          .narrow(1, h * group, group)
          .copy_(at::matmul(at::softmax(logits, 2), v.to(at::kFloat)).transpose(0, 1));
      result.lse.narrow(0, from, to - from)
          .narrow(1, h * group, group)
          .copy_(at::logsumexp(logits, {2}).t());
    }
  }
  return result;
}

// The window hides something from the last query at least.
bool window_matters(const LayerStep& step, const CacheView& view) {
  if (step.sliding_window == 0) return false;
  for (std::int64_t h = 0; h < view.heads(); ++h) {
    if (held_in_all(view, h) > step.sliding_window) return true;
  }
  return false;
}

at::Tensor row_offsets(const at::Tensor& q) {
  at::Tensor offsets = at::zeros({2}, at::kInt);
  offsets.mutable_data_ptr<std::int32_t>()[1] = static_cast<std::int32_t>(q.size(0));
  return offsets;
}

// With what of the layer is packed, all of which every new token attends.
Attention with_packed(LayerStep& step, const CacheView& view, Attention unpacked) {
  if (!view.packed) return unpacked;
  const PackedView& of = *view.packed;
  const auto [out, lse] = attention_packed(step.q, row_offsets(step.q), of.pool, of.block_table,
                                           of.kv_lengths, step.scale, of.format);
  const auto [both, both_lse] = merge_state(out, lse, unpacked.out, unpacked.lse);
  return {both, both_lse};
}

}  // namespace

Attention attend(LayerStep& step, const CacheView& view,
                 const std::optional<PrefillSelection>& selection) {
  if (!selection && window_matters(step, view)) {
    count_causal(step, view, step.sliding_window);
    return attend_window(step, view);
  }
  if (!step.positions.empty()) {
    SCSIM_CHECK(!selection && !view.packed);
    count_causal(step, view, 0);
    at::Tensor positions = at::empty({step.q.size(0)}, at::kInt);
    std::ranges::transform(step.positions, positions.mutable_data_ptr<std::int32_t>(),
                           [](std::int64_t at) { return static_cast<std::int32_t>(at); });
    const auto [out, lse] =
        attention_at(step.q, positions, view.pool, view.block_table, view.kv_lengths, step.scale);
    return {out, lse};
  }
  if (selection) {
    SCSIM_CHECK(!view.packed);  // it counts tokens in pages
    count_selection(step, view, *selection);
  } else {
    count_causal(step, view, 0);
  }
  const auto [out, lse] = attention_prefill(
      step.q, row_offsets(step.q), view.pool, view.block_table, view.kv_lengths, step.scale,
      selection ? c10::optional<PrefillSelection>(*selection) : c10::nullopt);
  return with_packed(step, view, {out, lse});
}

Attention attend_one(LayerStep& step, const CacheView& view) {
  SCSIM_CHECK_EQ(step.q.size(0), 1);
  if (window_matters(step, view)) {
    count_causal(step, view, step.sliding_window);
    return attend_window(step, view);
  }
  count_causal(step, view, 0);
  const auto [out, lse] =
      attention_decode(step.q, view.pool, view.block_table, view.kv_lengths, step.scale);
  return with_packed(step, view, {out, lse});
}

KeyScores score_keys(LayerStep& step, const CacheView& view, const at::Tensor& queries,
                     const at::Tensor& lse, bool with_diagonals) {
  SCSIM_CHECK(!view.packed);
  const std::int64_t rows = queries.size(0), group = queries.size(1) / view.heads();
  const std::int64_t dim = queries.size(2), passes = lse.defined() ? 1 : 2;
  StageCounts& counts = step.measure.now();
  for (std::int64_t h = 0; h < view.heads(); ++h) {
    const std::int64_t pairs = group * causal_pairs(rows, held(view, h), 0);
    counts.operations += 2.0 * static_cast<double>(passes * dim * pairs);
    counts.bytes_read +=
        passes * held(view, h) * dim * static_cast<std::int64_t>(queries.element_size());
  }
  auto [columns, diagonals] =
      window_scores(queries, view.pool, view.block_table, view.kv_lengths, step.scale,
                    lse.defined() ? c10::optional<at::Tensor>(lse) : c10::nullopt, with_diagonals);
  return {std::move(columns), std::move(diagonals)};
}

// Lists are counted one by one: keys that two lists name are read twice.
Attention attend_listed(LayerStep& step, const CacheView& view, const KeyLists& lists) {
  SCSIM_CHECK_EQ(step.q.size(0), 1);
  const std::int64_t count_lists = lists.offsets.size(0) - 1;
  const std::int64_t shared = step.q.size(1) / count_lists;  // query heads of a list
  const std::int64_t group = step.q.size(1) / view.heads();
  const at::Tensor offsets = lists.offsets.cpu(), units = lists.units.cpu();
  std::int64_t keys = 0;
  for (std::int64_t e = 0; e < count_lists; ++e) {
    const std::int32_t* at = offsets.const_data_ptr<std::int32_t>() + e;
    if (at[0] == at[1]) continue;
    const std::int64_t last = units.const_data_ptr<std::int32_t>()[at[1] - 1];
    const std::int64_t end = std::min((last + 1) * lists.unit, held(view, e * shared / group));
    keys += (at[1] - at[0] - 1) * lists.unit + end - last * lists.unit;
  }
  count(step, keys * shared, keys);
  if (view.on_host) {
    step.measure.now().bytes_moved +=
        keys * 2 * step.q.size(2) * static_cast<std::int64_t>(step.k.element_size());
  }
  const auto [out, lse] =
      attention_listed(step.q.to(view.pool.device()), view.pool, view.block_table, view.kv_lengths,
                       step.scale, {lists.unit, offsets, units});
  return {out.to(step.q.device()), lse.to(step.q.device())};
}

}  // namespace scsim::exec
