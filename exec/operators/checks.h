// What every implementation of the operators asks of its arguments, said once. Wrong arguments end
// in a c10::Error (from Python: RuntimeError) that names the operator and what was found.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <vector>

#include "exec/operators/packed_block.h"

namespace scsim::exec {

using OptionalTensor = c10::optional<at::Tensor>;

struct AttentionShape {
  std::int64_t rows, query_heads, head_dim;  // of q
  std::int64_t sequences, kv_heads, max_pages, page_tokens, num_pages;
  std::int64_t group;  // query heads per kv head
};

// Shapes and types of q, pool, block_table and kv_lengths.
AttentionShape check_attention(const char* name, const at::Tensor& q, const at::Tensor& pool,
                               const at::Tensor& block_table, const at::Tensor& kv_lengths);

// Contents, which must be on the CPU: every length fits its row of pages, every page exists.
void check_pages(const char* name, const AttentionShape& shape, const at::Tensor& block_table,
                 const at::Tensor& kv_lengths);

// query_offsets ascend from 0 to the rows of q, and every kv head holds the new tokens.
void check_offsets(const AttentionShape& shape, const at::Tensor& query_offsets,
                   const at::Tensor& kv_lengths);

// Positions of the rows of one sequence ascend among the tokens that every kv head holds.
void check_positions(const AttentionShape& shape, const at::Tensor& positions,
                     const at::Tensor& kv_lengths);

// A format as the operator's schema takes it.
QuantisedFormat packed_format(std::int64_t group, std::int64_t key_bits, std::int64_t value_bits);

// Shapes and types of attention_packed's arguments, and that query_offsets ascend from 0 to the
// rows of q. A page of the shape is a block.
AttentionShape check_packed(const at::Tensor& q, const at::Tensor& query_offsets,
                            const at::Tensor& pool, const at::Tensor& block_table,
                            const at::Tensor& kv_lengths, const QuantisedFormat& format);

// A selection as the operator's schema takes it; empty() means all keys.
struct SelectionTensors {
  OptionalTensor tile_offsets, tiles, column_offsets, columns, bands;
  std::int64_t tile, stride;
  bool empty() const { return !tile_offsets.has_value(); }
};

// Query heads that share a list of a selection: 1, or all of a group where lists are those of kv
// heads. `tiles` are the tiles of queries of all sequences.
std::int64_t heads_per_list(const AttentionShape& shape, const SelectionTensors& selection,
                            std::int64_t tiles);

// Offsets ascend and fit the number of tiles of queries; tiles of one list ascend and do not
// overlap; columns ascend, are held by the kv head and lie in none of the list's tiles; both lie
// below the list's band. Tensors must be on the CPU.
void check_selection(const AttentionShape& shape, const at::Tensor& query_offsets,
                     const at::Tensor& kv_lengths, const SelectionTensors& selection);

// Lists of attention_listed: one for each kv head or each query head; units ascend, each has a
// token that is held, and the pages of listed tokens exist. Gives how many tokens each list names.
// Tensors must be on the CPU.
std::vector<std::int64_t> check_key_lists(const AttentionShape& shape,
                                          const at::Tensor& block_table,
                                          const at::Tensor& kv_lengths, const at::Tensor& offsets,
                                          const at::Tensor& units, std::int64_t unit);

// Tiles of query rows of all sequences before sequence s, for s = 0 .. sequences.
std::vector<std::int64_t> tile_starts(const at::Tensor& query_offsets, std::int64_t tile);

// q, pool, block_table and kv_lengths are of one sequence whose heads all hold the rows of q, and
// lse, if any, has their shape. The last two must be on the CPU.
AttentionShape check_scores(const at::Tensor& q, const at::Tensor& pool,
                            const at::Tensor& block_table, const at::Tensor& kv_lengths,
                            const OptionalTensor& lse);

// The other operators: shapes only.
void check_merge(const at::Tensor& out_a, const at::Tensor& lse_a, const at::Tensor& out_b,
                 const at::Tensor& lse_b);
void check_norm(const char* name, const at::Tensor& x, const at::Tensor& weight);
void check_gate_up(const at::Tensor& gate_up);
void check_rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);
void check_linear(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias);

// Of recurrent layers: shapes, and that the state can be written in place.
void check_conv(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                const at::Tensor& state);
// x [batch, tokens, heads, head_dim].
void check_ssd(const char* name, const at::Tensor& x, const at::Tensor& time_step,
               const at::Tensor& decay, const at::Tensor& b, const at::Tensor& c,
               const at::Tensor& skip, const at::Tensor& state);
void check_selective(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                     const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                     const at::Tensor& state);

}  // namespace scsim::exec
