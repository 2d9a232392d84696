// Attention on the CPU in float32: cuts a call into items of work for the kernels in cpu/.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "exec/operators/checks.h"
#include "exec/operators/cpu/kernels.h"
#include "exec/operators/decode_parts.h"
#include "exec/operators/parallel.h"

namespace scsim::exec {
namespace {

// Rows of queries that pass over the keys together in a dense prefill, over all heads of the group.
constexpr std::int64_t kPrefillRows = 192;

void check_cpu(const char* name, const at::Tensor& q, const at::Tensor& block_table,
               const at::Tensor& kv_lengths) {
  TORCH_CHECK(q.scalar_type() == at::kFloat, name, ": the CPU computes in float32; found ",
              q.scalar_type(), " q ", q.sizes());
  TORCH_CHECK(block_table.device().is_cpu() && kv_lengths.device().is_cpu(), name,
              ": block_table and kv_lengths must be on the CPU as q is; found ",
              block_table.device(), " and ", kv_lengths.device());
}

PagedHead paged_head(const AttentionShape& shape, const at::Tensor& pool,
                     const at::Tensor& block_table, const at::Tensor& kv_lengths,
                     std::int64_t sequence, std::int64_t kv_head) {
  const std::int64_t i = sequence * shape.kv_heads + kv_head;
  return {.pool = pool.const_data_ptr<float>(),
          .pages = block_table.const_data_ptr<std::int32_t>() + i * shape.max_pages,
          .page_tokens = shape.page_tokens,
          .head_dim = shape.head_dim,
          .length = kv_lengths.const_data_ptr<std::int32_t>()[i]};
}

std::tuple<at::Tensor, at::Tensor> prefill(
    const at::Tensor& q_given, const at::Tensor& query_offsets, const at::Tensor& pool,
    const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale,
    const OptionalTensor& tile_offsets, const OptionalTensor& tiles,
    const OptionalTensor& column_offsets, const OptionalTensor& columns, std::int64_t tile,
    const OptionalTensor& bands, std::int64_t given_stride) {
  const char* name = "scsim::attention_prefill";
  const AttentionShape shape = check_attention(name, q_given, pool, block_table, kv_lengths);
  check_cpu(name, q_given, block_table, kv_lengths);
  check_pages(name, shape, block_table, kv_lengths);
  check_offsets(shape, query_offsets, kv_lengths);
  const std::int64_t stride = given_stride == 0 ? tile : given_stride;
  const SelectionTensors selection = {tile_offsets, tiles, column_offsets, columns,
                                      bands,        tile,  stride};
  check_selection(shape, query_offsets, kv_lengths, selection);

  const at::Tensor q = q_given.contiguous();
  at::Tensor out = at::empty_like(q);
  at::Tensor lse = at::empty({shape.rows, shape.query_heads}, q.options());
  const bool dense = selection.empty();
  const std::int64_t rows = dense ? std::max<std::int64_t>(kPrefillRows / shape.group, 1) : tile;
  const std::vector<std::int64_t> starts = tile_starts(query_offsets, rows);
  // An item is a tile of queries of all heads of one group, or of one head where every head has a
  // selection of its own.
  const std::int64_t heads = dense ? shape.group : heads_per_list(shape, selection, starts.back());

  struct Part {
    std::int64_t keys, sequence, first_head, tile;
  };
  std::vector<Part> parts;
  const std::int32_t* offsets = query_offsets.const_data_ptr<std::int32_t>();
  const std::int32_t* lengths = kv_lengths.const_data_ptr<std::int32_t>();
  for (std::int64_t s = 0; s < shape.sequences; ++s) {
    for (std::int64_t t = 0; t < starts[s + 1] - starts[s]; ++t) {
      for (std::int64_t h = 0; h < shape.query_heads; h += heads) {
        std::int64_t keys = lengths[s * shape.kv_heads + h / shape.group];
        if (dense) {
          keys -= std::max<std::int64_t>(offsets[s + 1] - offsets[s] - (t + 1) * rows, 0);
        } else {
          const std::int64_t e = h / heads * starts.back() + starts[s] + t;
          const std::int32_t* at = tile_offsets->const_data_ptr<std::int32_t>() + e;
          std::int64_t listed = (at[1] - at[0]) * tile;
          if (columns) {
            at = column_offsets->const_data_ptr<std::int32_t>() + e;
            listed += at[1] - at[0];
          }
          if (bands) {
            const std::int32_t* band = bands->const_data_ptr<std::int32_t>() + 2 * e;
            listed += band[1] == 0 ? 0 : std::min<std::int64_t>(band[1] + rows, keys);
          }
          keys = std::min(keys, listed);
        }
        parts.push_back({keys, s, h, t});
      }
    }
  }
  // The long ones first, so that no thread is left with one at the end.
  std::ranges::stable_sort(parts, std::greater(), &Part::keys);

  const CpuKernels& kernels = cpu_kernels();
  const std::int64_t longest =
      starts.back() == 0 ? 0 : std::min<std::int64_t>(rows, shape.rows) * heads;
  float* out_rows = out.mutable_data_ptr<float>();
  float* lse_rows = lse.mutable_data_ptr<float>();
  parallel_items(
      static_cast<std::int64_t>(parts.size()), kernels.prefill_scratch(longest, shape.head_dim),
      [&](std::int64_t i, float* scratch) {
        const Part& part = parts[static_cast<std::size_t>(i)];
        const std::int64_t first = offsets[part.sequence] + part.tile * rows;
        PrefillItem item = {};
        item.keys = paged_head(shape, pool, block_table, kv_lengths, part.sequence,
                               part.first_head / shape.group);
        const std::int64_t row = first * shape.query_heads + part.first_head;
        item.q = q.const_data_ptr<float>() + row * shape.head_dim;
        item.q_stride = shape.query_heads * shape.head_dim;
        item.queries = std::min<std::int64_t>(rows, offsets[part.sequence + 1] - first);
        item.group = heads;
        item.first_limit = item.keys.length - (offsets[part.sequence + 1] - first) + 1;
        item.scale = static_cast<float>(scale);
        if (!dense) {
          const std::int64_t e =
              part.first_head / heads * starts.back() + starts[part.sequence] + part.tile;
          const std::int32_t* at = tile_offsets->const_data_ptr<std::int32_t>() + e;
          item.tiles = tiles->const_data_ptr<std::int32_t>() + at[0];
          item.num_tiles = at[1] - at[0];
          item.tile = tile;
          item.stride = stride;
          if (bands) {
            const std::int32_t* band = bands->const_data_ptr<std::int32_t>() + 2 * e;
            item.band_begin = band[0];
            item.band_width = band[1];
          }
          if (columns) {
            const std::int32_t* column_at = column_offsets->const_data_ptr<std::int32_t>() + e;
            item.columns = columns->const_data_ptr<std::int32_t>() + column_at[0];
            item.num_columns = column_at[1] - column_at[0];
          }
        }
        item.dense = dense;
        item.out = out_rows + row * shape.head_dim;
        item.out_stride = item.q_stride;
        item.lse = lse_rows + row;
        item.lse_stride = shape.query_heads;
        kernels.prefill(item, scratch);
      });
  return {out, lse};
}

std::tuple<at::Tensor, at::Tensor> rows_at(const at::Tensor& q_given, const at::Tensor& positions,
                                           const at::Tensor& pool, const at::Tensor& block_table,
                                           const at::Tensor& kv_lengths, double scale) {
  const char* name = "scsim::attention_at";
  const AttentionShape shape = check_attention(name, q_given, pool, block_table, kv_lengths);
  check_cpu(name, q_given, block_table, kv_lengths);
  check_pages(name, shape, block_table, kv_lengths);
  check_positions(shape, positions, kv_lengths);

  const at::Tensor q = q_given.contiguous();
  at::Tensor out = at::empty_like(q);
  at::Tensor lse = at::empty({shape.rows, shape.query_heads}, q.options());
  const std::int64_t most = std::max<std::int64_t>(kPrefillRows / shape.group, 1);
  const std::int64_t tiles = (shape.rows + most - 1) / most;
  const CpuKernels& kernels = cpu_kernels();
  // The last tiles have the most keys: they come first.
  parallel_items(tiles * shape.kv_heads,
                 kernels.prefill_scratch(most * shape.group, shape.head_dim),
                 [&](std::int64_t i, float* scratch) {
                   const std::int64_t first = (tiles - 1 - i / shape.kv_heads) * most;
                   const std::int64_t kv_head = i % shape.kv_heads;
                   const std::int64_t row = first * shape.query_heads + kv_head * shape.group;
                   PrefillItem item = {};
                   item.keys = paged_head(shape, pool, block_table, kv_lengths, 0, kv_head);
                   item.q = q.const_data_ptr<float>() + row * shape.head_dim;
                   item.q_stride = shape.query_heads * shape.head_dim;
                   item.queries = std::min(most, shape.rows - first);
                   item.group = shape.group;
                   item.positions = positions.const_data_ptr<std::int32_t>() + first;
                   item.scale = static_cast<float>(scale);
                   item.dense = true;
                   item.out = out.mutable_data_ptr<float>() + row * shape.head_dim;
                   item.out_stride = item.q_stride;
                   item.lse = lse.mutable_data_ptr<float>() + row;
                   item.lse_stride = shape.query_heads;
                   kernels.prefill(item, scratch);
                 });
  return {out, lse};
}

std::tuple<at::Tensor, at::Tensor> decode(const at::Tensor& q_given, const at::Tensor& pool,
                                          const at::Tensor& block_table,
                                          const at::Tensor& kv_lengths, double scale) {
  const char* name = "scsim::attention_decode";
  const AttentionShape shape = check_attention(name, q_given, pool, block_table, kv_lengths);
  check_cpu(name, q_given, block_table, kv_lengths);
  check_pages(name, shape, block_table, kv_lengths);
  TORCH_CHECK(shape.rows == shape.sequences, name, ": q must have one row per sequence, ",
              shape.sequences, "; found ", q_given.sizes());

  const at::Tensor q = q_given.contiguous();
  at::Tensor out = at::empty_like(q);
  at::Tensor lse = at::empty({shape.rows, shape.query_heads}, q.options());
  std::vector<DecodeRow> rows;
  for (std::int64_t head = 0; head < shape.sequences * shape.kv_heads; ++head) {
    DecodeRow row = {};
    row.keys = paged_head(shape, pool, block_table, kv_lengths, head / shape.kv_heads,
                          head % shape.kv_heads);
    row.q = q.const_data_ptr<float>() + head * shape.group * shape.head_dim;
    row.group = shape.group;
    row.attended = row.keys.length;
    row.out = out.mutable_data_ptr<float>() + head * shape.group * shape.head_dim;
    row.lse = lse.mutable_data_ptr<float>() + head * shape.group;
    rows.push_back(row);
  }
  decode_in_parts(rows, shape.head_dim, static_cast<float>(scale));
  return {out, lse};
}

std::tuple<at::Tensor, at::Tensor> listed(const at::Tensor& q_given, const at::Tensor& pool,
                                          const at::Tensor& block_table,
                                          const at::Tensor& kv_lengths, double scale,
                                          const at::Tensor& offsets, const at::Tensor& units,
                                          std::int64_t unit) {
  const char* name = "scsim::attention_listed";
  const AttentionShape shape = check_attention(name, q_given, pool, block_table, kv_lengths);
  check_cpu(name, q_given, block_table, kv_lengths);
  const std::vector<std::int64_t> tokens =
      check_key_lists(shape, block_table, kv_lengths, offsets, units, unit);

  const at::Tensor q = q_given.contiguous();
  at::Tensor out = at::empty_like(q);
  at::Tensor lse = at::empty({shape.rows, shape.query_heads}, q.options());
  const auto lists = static_cast<std::int64_t>(tokens.size());
  const std::int64_t group = shape.rows * shape.query_heads / lists;  // heads that share a list
  std::vector<DecodeRow> rows;
  for (std::int64_t e = 0; e < lists; ++e) {
    const std::int64_t head = e * group / shape.group;
    DecodeRow row = {};
    row.keys = paged_head(shape, pool, block_table, kv_lengths, head / shape.kv_heads,
                          head % shape.kv_heads);
    row.q = q.const_data_ptr<float>() + e * group * shape.head_dim;
    row.group = group;
    row.attended = tokens[static_cast<std::size_t>(e)];
    row.units = units.const_data_ptr<std::int32_t>() + offsets.const_data_ptr<std::int32_t>()[e];
    row.unit = unit;
    row.out = out.mutable_data_ptr<float>() + e * group * shape.head_dim;
    row.lse = lse.mutable_data_ptr<float>() + e * group;
    rows.push_back(row);
  }
  decode_in_parts(rows, shape.head_dim, static_cast<float>(scale));
  return {out, lse};
}

}  // namespace

TORCH_LIBRARY_IMPL(scsim, CPU, library) {
  library.impl("attention_at", &rows_at);
  library.impl("attention_listed", &listed);
  library.impl("attention_prefill", &prefill);
  library.impl("attention_decode", &decode);
}

}  // namespace scsim::exec
