// Attention on libtorch's own operators: gathers the pages, masks, and multiplies. It takes a copy
// of the keys it reads and the logits of a block of rows, which kernels of our own avoid.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <limits>

#include "exec/operators/generic.h"

namespace scsim::exec::generic {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
constexpr std::int64_t kMaxLogits = std::int64_t{1} << 26;  // held at a time by a prefill

struct Gathered {
  at::Tensor keys, values;  // [sequences, kv_heads, 1, tokens, head_dim] float32
  at::Tensor positions;     // [tokens]: 0, 1, ...
};

// The keys of some sequences, padded to the longest with zeros.
Gathered gather(const at::Tensor& pool, const at::Tensor& block_table, const at::Tensor& lengths,
                std::int64_t longest) {
  const std::int64_t page_tokens = pool.size(2), head_dim = pool.size(3);
  const std::int64_t num_pages = (longest + page_tokens - 1) / page_tokens;
  const auto integers = lengths.options().dtype(at::kLong).device(pool.device());
  const at::Tensor held = lengths.to(integers).unsqueeze(-1);
  at::Tensor pages = block_table.narrow(2, 0, num_pages).to(integers);
  const at::Tensor first_tokens = at::arange(num_pages, integers) * page_tokens;
  pages = pages.masked_fill(first_tokens >= held, 0);  // entries behind the last page are anything
  const at::Tensor positions = at::arange(num_pages * page_tokens, integers);
  const at::Tensor missing = (positions >= held).unsqueeze(-1);
  const at::Tensor both =
      pool.index_select(0, pages.flatten())
          .view({pages.size(0), pages.size(1), num_pages, 2, page_tokens, head_dim});
  const auto rows = [&](std::int64_t which) {
    return both.select(3, which)
        .reshape({pages.size(0), pages.size(1), num_pages * page_tokens, head_dim})
        .to(at::kFloat)
        .masked_fill(missing, 0)
        .unsqueeze(2);
  };
  return {rows(0), rows(1), positions};
}

// q [sequences, kv_heads, group, rows, head_dim]; `hidden` broadcasts to the logits [sequences,
// kv_heads, group, rows, tokens].
std::tuple<at::Tensor, at::Tensor> attend(const at::Tensor& q, const Gathered& gathered,
                                          const at::Tensor& hidden, double scale) {
  at::Tensor logits = at::matmul(q.to(at::kFloat) * scale, gathered.keys.transpose(-1, -2));
  logits.masked_fill_(hidden, kMinusInfinity);
  const at::Tensor lse = at::logsumexp(logits, -1);
  const at::Tensor base = lse.masked_fill(lse == kMinusInfinity, 0);
  const at::Tensor weights = logits.sub_(base.unsqueeze(-1)).exp_();
  return {at::matmul(weights, gathered.values), lse};
}

// Which keys the tiles [first, end) of the query rows of one sequence attend, by the selection:
// [query_heads, end - first, tokens], on the CPU.
at::Tensor selected(const SelectionTensors& selection, std::int64_t heads, std::int64_t total_tiles,
                    std::int64_t first, std::int64_t end, std::int64_t tokens) {
  at::Tensor mask = at::zeros({heads, end - first, tokens}, at::kBool);
  bool* to = mask.mutable_data_ptr<bool>();
  const auto each = [](const at::Tensor& offsets, const at::Tensor& entries, std::int64_t list,
                       const auto& use) {
    const std::int32_t* at = offsets.const_data_ptr<std::int32_t>();
    const std::int32_t* entry = entries.const_data_ptr<std::int32_t>();
    for (std::int64_t i = at[list]; i < at[list + 1]; ++i) use(entry[i]);
  };
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t t = first; t < end; ++t, to += tokens) {
      const std::int64_t list = h * total_tiles + t;
      each(*selection.tile_offsets, *selection.tiles, list, [&](std::int64_t number) {
        const std::int64_t begin = std::min(number * selection.stride, tokens);
        std::fill(to + begin, to + std::min(begin + selection.tile, tokens), true);
      });
      if (!selection.columns) continue;
      each(*selection.column_offsets, *selection.columns, list,
           [&](std::int64_t column) { to[column] = true; });
    }
  }
  return mask;
}

OptionalTensor on_cpu(const OptionalTensor& t) { return t ? OptionalTensor(t->cpu()) : t; }

}  // namespace

std::tuple<at::Tensor, at::Tensor> attention_prefill(
    const at::Tensor& q, const at::Tensor& query_offsets, const at::Tensor& pool,
    const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale,
    const OptionalTensor& tile_offsets, const OptionalTensor& tiles,
    const OptionalTensor& column_offsets, const OptionalTensor& columns, std::int64_t tile,
    const OptionalTensor& bands, std::int64_t stride) {
  const char* name = "scsim::attention_prefill";
  const AttentionShape shape = check_attention(name, q, pool, block_table, kv_lengths);
  const at::Tensor lengths = kv_lengths.cpu();
  check_pages(name, shape, block_table.cpu(), lengths);
  check_offsets(shape, query_offsets, lengths);
  const SelectionTensors selection = {
      on_cpu(tile_offsets), on_cpu(tiles), on_cpu(column_offsets),     on_cpu(columns),
      on_cpu(bands),        tile,          stride == 0 ? tile : stride};
  check_selection(shape, query_offsets, lengths, selection);

  at::Tensor out = at::empty_like(q, at::MemoryFormat::Contiguous);
  at::Tensor lse = at::empty({shape.rows, shape.query_heads}, q.options().dtype(at::kFloat));
  const std::vector<std::int64_t> starts = tile_starts(query_offsets, selection.empty() ? 1 : tile);
  const std::int32_t* offsets = query_offsets.const_data_ptr<std::int32_t>();
  const auto integers = q.options().dtype(at::kLong);
  for (std::int64_t s = 0; s < shape.sequences; ++s) {
    const std::int64_t rows = offsets[s + 1] - offsets[s];
    if (rows == 0) continue;
    const at::Tensor held = lengths.narrow(0, s, 1);
    const Gathered gathered =
        gather(pool, block_table.narrow(0, s, 1), held, held.max().item<std::int32_t>());
    const std::int64_t tokens = gathered.positions.size(0);
    const std::int64_t block = std::max<std::int64_t>(1, kMaxLogits / (tokens * shape.query_heads));
    for (std::int64_t first = 0; first < rows; first += block) {
      const std::int64_t count = std::min(block, rows - first);
      const at::Tensor i = at::arange(first, first + count, integers);
      // [1, kv_heads, 1, rows, 1]
      const at::Tensor limits =
          (held.to(integers).unsqueeze(-1) - rows + i + 1).unsqueeze(2).unsqueeze(-1);
      at::Tensor hidden = gathered.positions >= limits;
      if (!selection.empty()) {
        const std::int64_t first_tile = first / tile, end_tile = (first + count - 1) / tile + 1;
        const std::int64_t group = heads_per_list(shape, selection, starts.back());
        const std::int64_t lists = shape.query_heads / group;
        const at::Tensor by_tile = selected(selection, lists, starts.back(), starts[s] + first_tile,
                                            starts[s] + end_tile, tokens);
        const at::Tensor row_tiles = at::floor_divide(i, tile) - first_tile;
        const at::Tensor by_row = by_tile.to(q.device()).index_select(1, row_tiles);
        at::Tensor shown = by_row.view({1, shape.kv_heads, shape.group / group, count, tokens});
        if (selection.bands) {
          const at::Tensor band = selection.bands->view({lists, starts.back(), 2})
                                      .narrow(1, starts[s] + first_tile, end_tile - first_tile)
                                      .to(integers)
                                      .index_select(1, row_tiles)
                                      .view({1, shape.kv_heads, shape.group / group, count, 2});
          const at::Tensor begin = band.narrow(-1, 0, 1), width = band.narrow(-1, 1, 1);
          shown = shown.logical_or(
              (gathered.positions >= at::maximum(begin, limits - width)).logical_and(width > 0));
        }
        hidden = hidden.logical_or(shown.logical_not());
      }
      const at::Tensor queries = q.narrow(0, offsets[s] + first, count)
                                     .reshape({count, shape.kv_heads, shape.group, shape.head_dim})
                                     .permute({1, 2, 0, 3})
                                     .unsqueeze(0);
      const auto [part, part_lse] = attend(queries, gathered, hidden, scale);
      out.narrow(0, offsets[s] + first, count).copy_(part[0].flatten(0, 1).transpose(0, 1));
      lse.narrow(0, offsets[s] + first, count).copy_(part_lse[0].flatten(0, 1).t());
    }
  }
  return {out, lse};
}

std::tuple<at::Tensor, at::Tensor> attention_at(const at::Tensor& q, const at::Tensor& positions,
                                                const at::Tensor& pool,
                                                const at::Tensor& block_table,
                                                const at::Tensor& kv_lengths, double scale) {
  const AttentionShape shape =
      check_attention("scsim::attention_at", q, pool, block_table, kv_lengths);
  const at::Tensor held = kv_lengths.cpu();
  check_positions(shape, positions, held);
  at::Tensor out = at::empty_like(q, at::MemoryFormat::Contiguous);
  at::Tensor lse = at::empty({shape.rows, shape.query_heads}, q.options().dtype(at::kFloat));
  if (shape.rows == 0) return {out, lse};
  const Gathered gathered = gather(pool, block_table, held, held.max().item<std::int32_t>());
  const std::int64_t block =
      std::max<std::int64_t>(1, kMaxLogits / (gathered.positions.size(0) * shape.query_heads));
  const at::Tensor where = positions.to(q.options().dtype(at::kLong)).view({1, 1, 1, -1, 1});
  for (std::int64_t first = 0; first < shape.rows; first += block) {
    const std::int64_t count = std::min(block, shape.rows - first);
    const at::Tensor queries = q.narrow(0, first, count)
                                   .reshape({count, shape.kv_heads, shape.group, shape.head_dim})
                                   .permute({1, 2, 0, 3})
                                   .unsqueeze(0);
    const auto [part, part_lse] =
        attend(queries, gathered, gathered.positions > where.narrow(3, first, count), scale);
    out.narrow(0, first, count).copy_(part[0].flatten(0, 1).transpose(0, 1));
    lse.narrow(0, first, count).copy_(part_lse[0].flatten(0, 1).t());
  }
  return {out, lse};
}

std::tuple<at::Tensor, at::Tensor> attention_decode(const at::Tensor& q, const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale) {
  const char* name = "scsim::attention_decode";
  const AttentionShape shape = check_attention(name, q, pool, block_table, kv_lengths);
  TORCH_CHECK(shape.rows == shape.sequences, name, ": q must have one row per sequence, ",
              shape.sequences, "; found ", q.sizes());
  const at::Tensor lengths = kv_lengths.cpu();
  check_pages(name, shape, block_table.cpu(), lengths);
  const std::int64_t longest = lengths.numel() == 0 ? 0 : lengths.max().item<std::int32_t>();
  if (longest == 0) {
    return {at::zeros_like(q), at::full({shape.rows, shape.query_heads}, kMinusInfinity,
                                        q.options().dtype(at::kFloat))};
  }
  const Gathered gathered = gather(pool, block_table, lengths, longest);
  const at::Tensor held = lengths.to(gathered.positions.options());
  const at::Tensor hidden =
      gathered.positions >= held.view({shape.sequences, shape.kv_heads, 1, 1, 1});
  const at::Tensor queries =
      q.reshape({shape.sequences, shape.kv_heads, shape.group, 1, shape.head_dim});
  const auto [out, lse] = attend(queries, gathered, hidden, scale);
  return {out.reshape(q.sizes()).to(q.scalar_type()), lse.reshape({shape.rows, shape.query_heads})};
}

std::tuple<at::Tensor, at::Tensor> attention_packed(
    const at::Tensor& q, const at::Tensor& query_offsets, const at::Tensor& pool,
    const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale, std::int64_t group,
    std::int64_t key_bits, std::int64_t value_bits) {
  const QuantisedFormat format = packed_format(group, key_bits, value_bits);
  const AttentionShape shape =
      check_packed(q, query_offsets, pool, block_table, kv_lengths, format);
  const at::Tensor lengths = kv_lengths.cpu();
  check_pages("scsim::attention_packed", shape, block_table.cpu(), lengths);
  at::Tensor out = at::zeros_like(q, at::MemoryFormat::Contiguous);
  at::Tensor lse =
      at::full({shape.rows, shape.query_heads}, kMinusInfinity, q.options().dtype(at::kFloat));
  const std::int32_t* offsets = query_offsets.const_data_ptr<std::int32_t>();
  const auto integers = q.options().dtype(at::kLong);
  for (std::int64_t s = 0; s < shape.sequences; ++s) {
    const std::int64_t rows = offsets[s + 1] - offsets[s];
    const at::Tensor held = lengths.narrow(0, s, 1);
    const std::int64_t longest = held.max().item<std::int32_t>();
    if (rows == 0 || longest == 0) continue;
    // The sequence's blocks become pages of their own, one after the other.
    const std::int64_t blocks = (longest + format.group - 1) / format.group;
    const at::Tensor used = at::arange(blocks, at::kLong) * format.group;
    const at::Tensor numbers = block_table.narrow(0, s, 1)
                                   .narrow(2, 0, blocks)
                                   .cpu()
                                   .to(at::kLong)
                                   .masked_fill(used >= held.unsqueeze(-1), 0);
    const at::Tensor pages = unpack_blocks(pool.index_select(0, numbers.flatten().to(q.device())),
                                           format, shape.head_dim, at::kFloat);
    const at::Tensor table = at::arange(numbers.numel(), at::kInt).view(numbers.sizes());
    const Gathered gathered = gather(pages, table, held, longest);
    const at::Tensor hidden =
        gathered.positions >= held.to(integers).view({1, shape.kv_heads, 1, 1, 1});
    const std::int64_t block =
        std::max<std::int64_t>(1, kMaxLogits / (gathered.positions.size(0) * shape.query_heads));
    for (std::int64_t first = 0; first < rows; first += block) {
      const std::int64_t count = std::min(block, rows - first);
      const at::Tensor queries = q.narrow(0, offsets[s] + first, count)
                                     .reshape({count, shape.kv_heads, shape.group, shape.head_dim})
                                     .permute({1, 2, 0, 3})
                                     .unsqueeze(0);
      const auto [part, part_lse] = attend(queries, gathered, hidden, scale);
      out.narrow(0, offsets[s] + first, count).copy_(part[0].flatten(0, 1).transpose(0, 1));
      lse.narrow(0, offsets[s] + first, count).copy_(part_lse[0].flatten(0, 1).t());
    }
  }
  return {out, lse};
}

std::tuple<at::Tensor, at::Tensor> attention_listed(const at::Tensor& q, const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale,
                                                    const at::Tensor& offsets,
                                                    const at::Tensor& units, std::int64_t unit) {
  const char* name = "scsim::attention_listed";
  const AttentionShape shape = check_attention(name, q, pool, block_table, kv_lengths);
  const at::Tensor pages = block_table.cpu(), lengths = kv_lengths.cpu();
  const at::Tensor starts = offsets.cpu(), listed = units.cpu();
  const std::vector<std::int64_t> tokens =
      check_key_lists(shape, pages, lengths, starts, listed, unit);
  const auto lists = static_cast<std::int64_t>(tokens.size());
  if (lists == 0) return {at::empty_like(q), at::empty({0, shape.query_heads}, q.options())};
  const std::int64_t group = shape.rows * shape.query_heads / lists;

  // The row of the pool of every listed key, padded to the longest list with what is hidden again.
  const std::int64_t longest = std::max<std::int64_t>(1, *std::ranges::max_element(tokens));
  at::Tensor key_rows = at::zeros({lists, longest}, at::kLong);
  for (std::int64_t e = 0; e < lists; ++e) {
    const std::int64_t head = e * group / shape.group;
    const std::int32_t* of = pages.const_data_ptr<std::int32_t>() + head * shape.max_pages;
    const std::int32_t* from =
        listed.const_data_ptr<std::int32_t>() + starts.const_data_ptr<std::int32_t>()[e];
    std::int64_t* to = key_rows.mutable_data_ptr<std::int64_t>() + e * longest;
    for (std::int64_t i = 0; i < tokens[static_cast<std::size_t>(e)]; ++i) {
      const std::int64_t position = from[i / unit] * unit + i % unit;
      to[i] =
          2 * of[position / shape.page_tokens] * shape.page_tokens + position % shape.page_tokens;
    }
  }
  const auto integers = q.options().dtype(at::kLong);
  const at::Tensor rows = pool.view({-1, shape.head_dim});
  const at::Tensor index = key_rows.to(q.device());
  const at::Tensor hidden = at::arange(longest, integers).unsqueeze(0) >=
                            at::tensor(tokens, at::kLong).to(integers).unsqueeze(1);
  const auto gathered = [&](std::int64_t behind) {
    return rows.index_select(0, (index + behind).flatten())
        .view({1, lists, longest, shape.head_dim})
        .to(at::kFloat)
        .masked_fill(hidden.view({1, lists, longest, 1}), 0)
        .unsqueeze(2);
  };
  const Gathered keys = {gathered(0), gathered(shape.page_tokens), at::Tensor()};
  const auto [out, lse] = attend(q.reshape({1, lists, group, 1, shape.head_dim}), keys,
                                 hidden.view({1, lists, 1, 1, longest}), scale);
  return {out.reshape(q.sizes()).to(q.scalar_type()), lse.reshape({shape.rows, shape.query_heads})};
}

TORCH_LIBRARY_IMPL(scsim, CompositeExplicitAutograd, library) {
  library.impl("attention_at", &attention_at);
  library.impl("attention_listed", &attention_listed);
  library.impl("attention_packed", &attention_packed);
  library.impl("attention_prefill", &attention_prefill);
  library.impl("attention_decode", &attention_decode);
}

}  // namespace scsim::exec::generic
