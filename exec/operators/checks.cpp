#include "exec/operators/checks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <span>
#include <vector>

namespace scsim::exec {
namespace {

void check_int32(const char* name, const char* what, const at::Tensor& t, std::int64_t dims) {
  TORCH_CHECK(t.dim() == dims && t.scalar_type() == at::kInt, name, ": ", what,
              " must be int32 with ", dims, " dimension(s); found ", t.scalar_type(), " ",
              t.sizes());
}

// Offsets and entries of `lists` lists.
void check_lists(const char* name, const char* what, const at::Tensor& offsets,
                 const at::Tensor& entries, std::int64_t lists) {
  check_int32(name, what, offsets, 1);
  check_int32(name, what, entries, 1);
  TORCH_CHECK(offsets.is_contiguous() && entries.is_contiguous(), name, ": ", what,
              " must be contiguous");
  TORCH_CHECK(offsets.size(0) == lists + 1, name, ": offsets of ", what,
              " must have one entry per list, of a head (and tile of queries), and one more: ",
              lists + 1, "; found ", offsets.sizes());
  const std::int32_t* at = offsets.const_data_ptr<std::int32_t>();
  TORCH_CHECK(at[0] == 0 && at[lists] <= entries.size(0), name, ": offsets of ", what,
              " must begin with 0 and end within the ", entries.size(0), " entries; found ", at[0],
              " and ", at[lists]);
  for (std::int64_t e = 0; e < lists; ++e) {
    TORCH_CHECK(at[e] <= at[e + 1], name, ": offsets of ", what, " must ascend; entry ", e, " is ",
                at[e], " and the next ", at[e + 1]);
  }
}

// The list `e` of a selection, of query head `h` and sequence `s`, whose kv head holds `held`.
void check_list(const SelectionTensors& selection, std::int64_t e, std::int64_t h, std::int64_t s,
                std::int64_t held) {
  const char* name = "scsim::attention_prefill";
  const auto list = [e](const OptionalTensor& offsets, const OptionalTensor& entries) {
    const std::int32_t* at = offsets->const_data_ptr<std::int32_t>();
    return std::span(entries->const_data_ptr<std::int32_t>() + at[e],
                     static_cast<std::size_t>(at[e + 1] - at[e]));
  };
  const std::span tiles = list(selection.tile_offsets, selection.tiles);
  const auto begins = [&](std::int32_t tile) { return tile * selection.stride; };
  std::int64_t end = 0;  // of the tile before
  for (const std::int32_t tile : tiles) {
    TORCH_CHECK(tile >= 0 && begins(tile) >= end, name, ": key tiles of query head ", h,
                ", sequence ", s, " must ascend from 0 on and not overlap; found ", tile,
                " where the one before ends at key ", end);
    end = begins(tile) + selection.tile;
  }
  std::int64_t last = -1;  // column
  if (selection.columns) {
    auto next_tile = tiles.begin();
    for (const std::int32_t column : list(selection.column_offsets, selection.columns)) {
      TORCH_CHECK(column > last && column < held, name, ": columns of query head ", h,
                  ", sequence ", s, " must ascend within the ", held, " tokens held; found ",
                  column, " after ", last);
      last = column;
      while (next_tile != tiles.end() && begins(*next_tile) + selection.tile <= column) {
        ++next_tile;
      }
      TORCH_CHECK(next_tile == tiles.end() || begins(*next_tile) > column, name, ": column ",
                  column, " of query head ", h, ", sequence ", s, " lies in its key tile ",
                  next_tile == tiles.end() ? -1 : *next_tile);
    }
  }
  if (!selection.bands) return;
  const std::int32_t* band = selection.bands->const_data_ptr<std::int32_t>() + 2 * e;
  TORCH_CHECK(band[0] >= 0 && band[1] >= 0, name, ": a band's begin and width must not be ",
              "negative; found ", band[0], " and ", band[1]);
  TORCH_CHECK(band[1] == 0 || (end <= band[0] && last < band[0]), name, ": tiles and columns of ",
              "query head ", h, ", sequence ", s, " must lie below its band, which begins at key ",
              band[0], "; found a tile that ends at ", end, " and column ", last);
}

}  // namespace

std::int64_t heads_per_list(const AttentionShape& shape, const SelectionTensors& selection,
                            std::int64_t tiles) {
  const std::int64_t lists = selection.tile_offsets->numel() - 1;
  return lists == shape.kv_heads * tiles ? shape.group : 1;
}

AttentionShape check_attention(const char* name, const at::Tensor& q, const at::Tensor& pool,
                               const at::Tensor& block_table, const at::Tensor& kv_lengths) {
  TORCH_CHECK(q.dim() == 3, name, ": q must be [rows, query_heads, head_dim]; found ", q.sizes());
  TORCH_CHECK(pool.dim() == 4 && pool.size(1) == 2 && pool.size(3) == q.size(2) && pool.size(2) > 0,
              name, ": pool must be [num_pages, 2, page_tokens, ", q.size(2),
              "], as q has head_dim ", q.size(2), "; found ", pool.sizes());
  TORCH_CHECK(pool.is_contiguous(), name, ": pool must be contiguous");
  TORCH_CHECK(q.scalar_type() == pool.scalar_type(), name,
              ": q and pool must be of one type; found ", q.scalar_type(), " and ",
              pool.scalar_type());
  TORCH_CHECK(q.device() == pool.device(), name, ": q and pool must be on one device; found ",
              q.device(), " and ", pool.device());
  check_int32(name, "block_table", block_table, 3);
  check_int32(name, "kv_lengths", kv_lengths, 2);
  TORCH_CHECK(
      kv_lengths.size(0) == block_table.size(0) && kv_lengths.size(1) == block_table.size(1), name,
      ": kv_lengths must be [sequences, kv_heads] as block_table ", block_table.sizes(),
      " says; found ", kv_lengths.sizes());
  const std::int64_t kv_heads = block_table.size(1);
  TORCH_CHECK(kv_heads > 0 && q.size(1) > 0 && q.size(1) % kv_heads == 0, name,
              ": query heads must be a multiple of kv heads; found ", q.size(1), " and ", kv_heads);
  return {.rows = q.size(0),
          .query_heads = q.size(1),
          .head_dim = q.size(2),
          .sequences = block_table.size(0),
          .kv_heads = kv_heads,
          .max_pages = block_table.size(2),
          .page_tokens = pool.size(2),
          .num_pages = pool.size(0),
          .group = q.size(1) / kv_heads};
}

void check_pages(const char* name, const AttentionShape& shape, const at::Tensor& block_table,
                 const at::Tensor& kv_lengths) {
  TORCH_CHECK(block_table.is_contiguous() && kv_lengths.is_contiguous(), name,
              ": block_table and kv_lengths must be contiguous");
  const std::int32_t* pages = block_table.const_data_ptr<std::int32_t>();
  const std::int32_t* lengths = kv_lengths.const_data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < shape.sequences * shape.kv_heads; ++i, pages += shape.max_pages) {
    TORCH_CHECK(lengths[i] >= 0 && lengths[i] <= shape.max_pages * shape.page_tokens, name,
                ": sequence ", i / shape.kv_heads, ", kv head ", i % shape.kv_heads, " holds ",
                lengths[i], " tokens, and block_table has room for ", shape.max_pages, " pages of ",
                shape.page_tokens);
    for (std::int64_t p = 0; p * shape.page_tokens < lengths[i]; ++p) {
      TORCH_CHECK(pages[p] >= 0 && pages[p] < shape.num_pages, name, ": sequence ",
                  i / shape.kv_heads, ", kv head ", i % shape.kv_heads, " names page ", pages[p],
                  "; the pool has ", shape.num_pages);
    }
  }
}

void check_offsets(const AttentionShape& shape, const at::Tensor& query_offsets,
                   const at::Tensor& kv_lengths) {
  const char* name = "scsim::attention_prefill";
  check_int32(name, "query_offsets", query_offsets, 1);
  TORCH_CHECK(query_offsets.device().is_cpu() && query_offsets.is_contiguous(), name,
              ": query_offsets must be contiguous and on the CPU");
  TORCH_CHECK(query_offsets.size(0) == shape.sequences + 1, name, ": query_offsets must have ",
              shape.sequences + 1, " entries for ", shape.sequences, " sequence(s); found ",
              query_offsets.size(0));
  const std::int32_t* at = query_offsets.const_data_ptr<std::int32_t>();
  const std::int32_t* lengths = kv_lengths.const_data_ptr<std::int32_t>();
  TORCH_CHECK(at[0] == 0 && at[shape.sequences] == shape.rows, name,
              ": query_offsets must begin with 0 and end with the rows of q, ", shape.rows,
              "; found ", at[0], " and ", at[shape.sequences]);
  for (std::int64_t s = 0; s < shape.sequences; ++s) {
    TORCH_CHECK(at[s] <= at[s + 1], name, ": query_offsets must ascend; entry ", s, " is ", at[s],
                " and the next ", at[s + 1]);
    for (std::int64_t g = 0; g < shape.kv_heads; ++g) {
      const std::int32_t held = lengths[s * shape.kv_heads + g];
      TORCH_CHECK(held >= at[s + 1] - at[s], name, ": sequence ", s, " has ", at[s + 1] - at[s],
                  " new tokens, and its kv head ", g, " holds ", held);
    }
  }
}

void check_positions(const AttentionShape& shape, const at::Tensor& positions,
                     const at::Tensor& kv_lengths) {
  const char* name = "scsim::attention_at";
  check_int32(name, "positions", positions, 1);
  TORCH_CHECK(positions.device().is_cpu() && positions.is_contiguous(), name,
              ": positions must be contiguous and on the CPU");
  TORCH_CHECK(shape.sequences == 1 && positions.size(0) == shape.rows, name,
              ": one sequence and a position for each of the ", shape.rows, " rows; found ",
              shape.sequences, " and ", positions.size(0));
  const std::int32_t* at = positions.const_data_ptr<std::int32_t>();
  const std::int32_t* lengths = kv_lengths.const_data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < shape.rows; ++i) {
    TORCH_CHECK(at[i] > (i == 0 ? -1 : at[i - 1]), name,
                ": positions must ascend from 0 on; found ", at[i], " in row ", i);
  }
  for (std::int64_t g = 0; shape.rows > 0 && g < shape.kv_heads; ++g) {
    TORCH_CHECK(at[shape.rows - 1] < lengths[g], name, ": kv head ", g, " holds ", lengths[g],
                " tokens, and a row stands at ", at[shape.rows - 1]);
  }
}

QuantisedFormat packed_format(std::int64_t group, std::int64_t key_bits, std::int64_t value_bits) {
  return {.key_bits = static_cast<int>(key_bits),
          .value_bits = static_cast<int>(value_bits),
          .group = group};
}

AttentionShape check_packed(const at::Tensor& q, const at::Tensor& query_offsets,
                            const at::Tensor& pool, const at::Tensor& block_table,
                            const at::Tensor& kv_lengths, const QuantisedFormat& format) {
  const char* name = "scsim::attention_packed";
  TORCH_CHECK(q.dim() == 3, name, ": q must be [rows, query_heads, head_dim]; found ", q.sizes());
  TORCH_CHECK(format.fits(q.size(2)), name,
              ": keys and values have 2, 4 or 8 bits, a group at least one token and a head a "
              "multiple of 4 channels; found ",
              format.key_bits, " and ", format.value_bits, " bits, groups of ", format.group,
              " and heads of ", q.size(2));
  const std::int64_t bytes = format.block_bytes(q.size(2));
  TORCH_CHECK(pool.dim() == 2 && pool.scalar_type() == at::kByte && pool.size(1) == bytes &&
                  pool.is_contiguous(),
              name, ": pool must be contiguous uint8 [num_blocks, ", bytes, "]; found ",
              pool.scalar_type(), " ", pool.sizes());
  TORCH_CHECK(q.device() == pool.device(), name, ": q and pool must be on one device; found ",
              q.device(), " and ", pool.device());
  check_int32(name, "block_table", block_table, 3);
  check_int32(name, "kv_lengths", kv_lengths, 2);
  TORCH_CHECK(
      kv_lengths.size(0) == block_table.size(0) && kv_lengths.size(1) == block_table.size(1), name,
      ": kv_lengths must be [sequences, kv_heads] as block_table ", block_table.sizes(),
      " says; found ", kv_lengths.sizes());
  const std::int64_t kv_heads = block_table.size(1), sequences = block_table.size(0);
  TORCH_CHECK(kv_heads > 0 && q.size(1) > 0 && q.size(1) % kv_heads == 0, name,
              ": query heads must be a multiple of kv heads; found ", q.size(1), " and ", kv_heads);
  check_int32(name, "query_offsets", query_offsets, 1);
  TORCH_CHECK(query_offsets.device().is_cpu() && query_offsets.is_contiguous() &&
                  query_offsets.size(0) == sequences + 1,
              name, ": query_offsets must be contiguous, on the CPU and have ", sequences + 1,
              " entries for ", sequences, " sequence(s); found ", query_offsets.sizes(), " on ",
              query_offsets.device());
  const std::int32_t* at = query_offsets.const_data_ptr<std::int32_t>();
  TORCH_CHECK(at[0] == 0 && at[sequences] == q.size(0), name,
              ": query_offsets must begin with 0 and end with the rows of q, ", q.size(0),
              "; found ", at[0], " and ", at[sequences]);
  for (std::int64_t s = 0; s < sequences; ++s) {
    TORCH_CHECK(at[s] <= at[s + 1], name, ": query_offsets must ascend; entry ", s, " is ", at[s],
                " and the next ", at[s + 1]);
  }
  return {.rows = q.size(0),
          .query_heads = q.size(1),
          .head_dim = q.size(2),
          .sequences = sequences,
          .kv_heads = kv_heads,
          .max_pages = block_table.size(2),
          .page_tokens = format.group,
          .num_pages = pool.size(0),
          .group = q.size(1) / kv_heads};
}

void check_selection(const AttentionShape& shape, const at::Tensor& query_offsets,
                     const at::Tensor& kv_lengths, const SelectionTensors& selection) {
  const char* name = "scsim::attention_prefill";
  if (selection.empty()) {
    TORCH_CHECK(!selection.tiles && !selection.column_offsets && !selection.columns, name,
                ": tiles and columns need tile_offsets");
    return;
  }
  TORCH_CHECK(selection.tile > 0, name, ": tile must be positive; found ", selection.tile);
  TORCH_CHECK(selection.tiles, name, ": tile_offsets need tiles");
  TORCH_CHECK(selection.column_offsets.has_value() == selection.columns.has_value(), name,
              ": column_offsets and columns need each other");
  TORCH_CHECK(selection.stride > 0, name, ": stride must be positive; found ", selection.stride);
  const std::vector<std::int64_t> starts = tile_starts(query_offsets, selection.tile);
  const std::int64_t group = heads_per_list(shape, selection, starts.back());
  const std::int64_t lists = shape.query_heads / group * starts.back();
  check_lists(name, "tiles", *selection.tile_offsets, *selection.tiles, lists);
  const bool has_columns = selection.columns.has_value();
  if (has_columns) {
    check_lists(name, "columns", *selection.column_offsets, *selection.columns, lists);
  }
  if (selection.bands) {
    check_int32(name, "bands", *selection.bands, 2);
    TORCH_CHECK(selection.bands->is_contiguous() && selection.bands->size(0) == lists &&
                    selection.bands->size(1) == 2,
                name, ": bands must be contiguous [", lists, ", 2], one per list; found ",
                selection.bands->sizes());
  }
  const std::int32_t* lengths = kv_lengths.const_data_ptr<std::int32_t>();
  for (std::int64_t h = 0; h < shape.query_heads; h += group) {
    for (std::int64_t s = 0; s < shape.sequences; ++s) {
      const std::int32_t held = lengths[s * shape.kv_heads + h / shape.group];
      for (std::int64_t t = starts[s]; t < starts[s + 1]; ++t) {
        check_list(selection, h / group * starts.back() + t, h, s, held);
      }
    }
  }
}

std::vector<std::int64_t> check_key_lists(const AttentionShape& shape,
                                          const at::Tensor& block_table,
                                          const at::Tensor& kv_lengths, const at::Tensor& offsets,
                                          const at::Tensor& units, std::int64_t unit) {
  const char* name = "scsim::attention_listed";
  TORCH_CHECK(unit > 0, name, ": unit must be positive; found ", unit);
  TORCH_CHECK(block_table.is_contiguous() && kv_lengths.is_contiguous(), name,
              ": block_table and kv_lengths must be contiguous");
  TORCH_CHECK(shape.rows == shape.sequences, name, ": q must have one row per sequence, ",
              shape.sequences, "; found ", shape.rows);
  const std::int64_t heads = shape.sequences * shape.kv_heads;
  const std::int64_t lists = offsets.dim() == 1 ? offsets.size(0) - 1 : -1;
  TORCH_CHECK(lists == heads || lists == heads * shape.group, name,
              ": offsets must make a list for each of ", heads, " kv heads or of ",
              heads * shape.group, " query heads; found ", offsets.sizes());
  check_lists(name, "units", offsets, units, lists);
  std::vector<std::int64_t> tokens;
  tokens.reserve(static_cast<std::size_t>(lists));
  for (std::int64_t e = 0; e < lists; ++e) {
    const std::int64_t head = e / (lists / heads);
    const std::int64_t held = kv_lengths.const_data_ptr<std::int32_t>()[head];
    const std::int32_t* pages = block_table.const_data_ptr<std::int32_t>() + head * shape.max_pages;
    TORCH_CHECK(held <= shape.max_pages * shape.page_tokens, name, ": kv head ", head, " holds ",
                held, " tokens, and block_table has room for ", shape.max_pages, " pages of ",
                shape.page_tokens);
    const std::int32_t* at = offsets.const_data_ptr<std::int32_t>() + e;
    std::int64_t before = -1, count = 0;
    for (std::int64_t i = at[0]; i < at[1]; ++i) {
      const std::int64_t listed = units.const_data_ptr<std::int32_t>()[i], first = listed * unit;
      TORCH_CHECK(listed > before, name, ": units of list ", e, " must ascend; found ", listed,
                  " behind ", before);
      TORCH_CHECK(first < held, name, ": list ", e, " names unit ", listed, " of ", unit,
                  " tokens, and its kv head holds ", held, " tokens");
      const std::int64_t end = std::min(first + unit, held);
      for (std::int64_t p = first / shape.page_tokens; p * shape.page_tokens < end; ++p) {
        TORCH_CHECK(pages[p] >= 0 && pages[p] < shape.num_pages, name, ": list ", e, " reads page ",
                    pages[p], "; the pool has ", shape.num_pages);
      }
      count += end - first;
      before = listed;
    }
    tokens.push_back(count);
  }
  return tokens;
}

std::vector<std::int64_t> tile_starts(const at::Tensor& query_offsets, std::int64_t tile) {
  const std::int32_t* at = query_offsets.const_data_ptr<std::int32_t>();
  std::vector<std::int64_t> starts = {0};
  for (std::int64_t s = 0; s + 1 < query_offsets.size(0); ++s) {
    starts.push_back(starts.back() + (at[s + 1] - at[s] + tile - 1) / tile);
  }
  return starts;
}

AttentionShape check_scores(const at::Tensor& q, const at::Tensor& pool,
                            const at::Tensor& block_table, const at::Tensor& kv_lengths,
                            const OptionalTensor& lse) {
  const char* name = "scsim::window_scores";
  const AttentionShape shape = check_attention(name, q, pool, block_table, kv_lengths);
  TORCH_CHECK(shape.sequences == 1, name, ": one sequence at a time; found ", shape.sequences);
  check_pages(name, shape, block_table, kv_lengths);
  for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
    const std::int32_t held = kv_lengths.const_data_ptr<std::int32_t>()[h];
    TORCH_CHECK(held >= shape.rows, name, ": q has ", shape.rows, " rows, and kv head ", h,
                " holds ", held, " tokens");
  }
  TORCH_CHECK(!lse || (lse->dim() == 2 && lse->size(0) == shape.rows &&
                       lse->size(1) == shape.query_heads && lse->scalar_type() == at::kFloat),
              name, ": lse must be float32 [", shape.rows, ", ", shape.query_heads, "]; found ",
              lse->scalar_type(), " ", lse->sizes());
  return shape;
}

void check_merge(const at::Tensor& out_a, const at::Tensor& lse_a, const at::Tensor& out_b,
                 const at::Tensor& lse_b) {
  TORCH_CHECK(out_a.dim() > 0 && out_a.sizes() == out_b.sizes() && lse_a.sizes() == lse_b.sizes() &&
                  lse_a.sizes() == out_a.sizes().slice(0, out_a.sizes().size() - 1),
              "scsim::merge_state: both parts must be out [..., head_dim] and lse [...]; found ",
              out_a.sizes(), " ", lse_a.sizes(), " and ", out_b.sizes(), " ", lse_b.sizes());
}

void check_norm(const char* name, const at::Tensor& x, const at::Tensor& weight) {
  TORCH_CHECK(x.dim() > 0 && weight.dim() == 1 && weight.size(0) == x.size(-1), name,
              ": weight must have as many numbers as a row of x; found ", weight.sizes(), " and x ",
              x.sizes());
}

void check_gate_up(const at::Tensor& gate_up) {
  TORCH_CHECK(gate_up.dim() == 2 && gate_up.size(1) % 2 == 0,
              "scsim::silu_and_multiply: gate_up must be [rows, 2 * n]; found ", gate_up.sizes());
}

void check_rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  TORCH_CHECK(x.dim() == 3 && cos.dim() == 2 && cos.sizes() == sin.sizes() &&
                  cos.size(0) == x.size(0) && 2 * cos.size(1) <= x.size(2),
              "scsim::apply_rope: cos and sin must be [rows, rotary_dim / 2] of x [rows, heads, "
              "head_dim] with rotary_dim <= head_dim; found ",
              cos.sizes(), ", ", sin.sizes(), " and ", x.sizes());
}

void check_linear(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias) {
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 2 && x.size(1) == weight.size(1),
              "scsim::linear: x must be [rows, in] and weight [out, in]; found ", x.sizes(),
              " and ", weight.sizes());
  TORCH_CHECK(!bias || (bias->dim() == 1 && bias->size(0) == weight.size(0)),
              "scsim::linear: bias must be [", weight.size(0), "]; found ", bias->sizes());
}

namespace {

void check_state(const char* name, const at::Tensor& state, at::IntArrayRef shape) {
  TORCH_CHECK(state.sizes() == shape, name, ": state must be ", shape, "; found ", state.sizes());
  TORCH_CHECK(state.is_contiguous() && state.scalar_type() == at::kFloat, name,
              ": the state is updated in place and must be contiguous float32; found ",
              state.scalar_type());
}

}  // namespace

void check_conv(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                const at::Tensor& state) {
  const char* name = "scsim::causal_conv";
  TORCH_CHECK(
      x.dim() == 3 && weight.dim() == 2 && weight.size(0) > 0 && weight.size(1) == x.size(2), name,
      ": x must be [batch, tokens, channels] and weight [kernel, channels]; found ", x.sizes(),
      " and ", weight.sizes());
  TORCH_CHECK(!bias || (bias->dim() == 1 && bias->size(0) == x.size(2)), name, ": bias must be [",
              x.size(2), "]; found ", bias->sizes());
  check_state(name, state, {x.size(0), weight.size(0) - 1, x.size(2)});
}

void check_ssd(const char* name, const at::Tensor& x, const at::Tensor& time_step,
               const at::Tensor& decay, const at::Tensor& b, const at::Tensor& c,
               const at::Tensor& skip, const at::Tensor& state) {
  TORCH_CHECK(x.dim() == 4 && time_step.sizes() == x.sizes().slice(0, 3), name,
              ": x must be [batch, tokens, heads, head_dim] and time_step [batch, tokens, heads]; "
              "found ",
              x.sizes(), " and ", time_step.sizes());
  TORCH_CHECK(b.dim() == 4 && b.sizes() == c.sizes() && b.size(0) == x.size(0) &&
                  b.size(1) == x.size(1) && b.size(2) > 0 && x.size(2) % b.size(2) == 0,
              name, ": b and c must be [batch, tokens, groups, state] with groups that divide the ",
              x.size(2), " heads; found ", b.sizes(), " and ", c.sizes(), " beside x ", x.sizes());
  TORCH_CHECK(decay.dim() == 1 && decay.size(0) == x.size(2) && decay.sizes() == skip.sizes(), name,
              ": decay and skip must be [", x.size(2), "]; found ", decay.sizes(), " and ",
              skip.sizes());
  check_state(name, state, {x.size(0), x.size(2), b.size(3), x.size(3)});
}

void check_selective(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                     const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                     const at::Tensor& state) {
  const char* name = "scsim::selective_scan";
  TORCH_CHECK(x.dim() == 3 && time_step.sizes() == x.sizes(), name,
              ": x and time_step must be [batch, tokens, channels]; found ", x.sizes(), " and ",
              time_step.sizes());
  TORCH_CHECK(decay.dim() == 2 && decay.size(1) == x.size(2) && skip.dim() == 1 &&
                  skip.size(0) == x.size(2),
              name, ": decay must be [state, channels] and skip [channels] of the ", x.size(2),
              " channels; found ", decay.sizes(), " and ", skip.sizes());
  TORCH_CHECK(b.dim() == 3 && b.sizes() == c.sizes() && b.size(0) == x.size(0) &&
                  b.size(1) == x.size(1) && b.size(2) == decay.size(0),
              name, ": b and c must be [batch, tokens, ", decay.size(0), "] of x ", x.sizes(),
              "; found ", b.sizes(), " and ", c.sizes());
  check_state(name, state, {x.size(0), decay.size(0), x.size(2)});
}

}  // namespace scsim::exec
