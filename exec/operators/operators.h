// The attention operators, as torch custom operators `scsim::...`, registered by the shared library
// libscsim_operators.so when it is loaded: by linking it, or from Python by
// torch.ops.load_library(path), then torch.ops.scsim.attention_decode(...).
//
//   auto [out, lse] = attention_decode(q, pool, block_table, kv_lengths, 1 / std::sqrt(head_dim));
//
// KV pages. A page holds `page_tokens` tokens of ONE kv head of ONE layer: K rows, then V rows.
//   pool         [num_pages, 2, page_tokens, head_dim]   float32 (CPU); any floating type (CUDA)
//   block_table  [sequences, kv_heads, max_pages] int32  page of each run of page_tokens tokens
//   kv_lengths   [sequences, kv_heads] int32             tokens held: ragged, 0 is allowed
// so heads, layers and sequences may each hold another number of tokens (compressed caches), and
// sequences may share pages (forks). Entries of block_table behind the last page held, and rows of
// the pool behind the last token, may be anything.
//
// Query heads come in groups: query head h reads kv head h / (query_heads / kv_heads).
// LSE is the natural log of the sum of exp(scale * q.k) over the attended keys; of no keys it is
// -infinity, and the output row is zero.
//
// On the CPU a result has the same bits for any number of threads, and attention also whether a
// sequence comes alone or in a batch, and a prompt in one piece or in chunks. (linear of more than
// 16 rows is libtorch's own and promises less.) Wrong arguments end in a c10::Error that says what
// was found.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <tuple>

#include "exec/operators/packed_block.h"

namespace scsim::exec {

// Sparse prefill: which keys each tile of query rows attends besides causality. Rows are cut in
// tiles of `tile` queries per sequence (the last may be shorter); tile_start[s] tiles belong to the
// sequences before s. For query head h and tile t of sequence s, list e = h * total_tiles +
// tile_start[s] + t names
//   key tiles  tiles[tile_offsets[e] .. tile_offsets[e+1]), ascending: tile i is the `tile` keys
//              from i * stride on. No two of them overlap
//   columns    columns[column_offsets[e] .. column_offsets[e+1]), ascending: single keys, none of
//              which lies in a listed key tile
//   a band     bands[e] = (begin, width): of the keys from `begin` on, each query's last `width`,
//              its own included. Listed tiles and columns lie below `begin`. Width 0: no band
// Where all query heads of a kv head attend the same, lists are those of kv heads (h is a kv head),
// and the keys are read once for all of the group.
// Key positions count the tokens held by the kv head, from 0. Keys after the query are masked.
struct PrefillSelection {
  std::int64_t tile = 64;
  std::int64_t stride = 0;                 // 0: as `tile`
  at::Tensor tile_offsets{}, tiles{};      // int32 [heads * total_tiles + 1], [...]
  at::Tensor column_offsets{}, columns{};  // int32, likewise; undefined: no columns
  at::Tensor bands{};                      // int32 [heads * total_tiles, 2]; undefined: none
};

// q             [total_queries, query_heads, head_dim], the sequences' new tokens one after another
// query_offsets [sequences + 1] int32 (CPU): sequence s has rows query_offsets[s] .. [s+1]
// The keys and values of the new tokens are in the cache already: row i of n of sequence s attends
// the first kv_lengths[s][g] - n + i + 1 tokens of kv head g. REQUIRES: kv_lengths >= n.
// Gives out [total_queries, query_heads, head_dim] and lse [total_queries, query_heads].
std::tuple<at::Tensor, at::Tensor> attention_prefill(
    const at::Tensor& q, const at::Tensor& query_offsets, const at::Tensor& pool,
    const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale,
    const c10::optional<PrefillSelection>& selection = c10::nullopt);

// Rows of one sequence that stand anywhere among the tokens held, all of which are in the cache.
// q           [rows, query_heads, head_dim]
// positions   [rows] int32 (CPU), ascending: row i attends the first positions[i] + 1 tokens of
// each
//             kv head, which must hold as many
// block_table and kv_lengths of one sequence; gives out and lse as attention_prefill does.
std::tuple<at::Tensor, at::Tensor> attention_at(const at::Tensor& q, const at::Tensor& positions,
                                                const at::Tensor& pool,
                                                const at::Tensor& block_table,
                                                const at::Tensor& kv_lengths, double scale);

// One query per sequence: q [sequences, query_heads, head_dim]; all held tokens are attended.
// Gives out [sequences, query_heads, head_dim] and lse [sequences, query_heads].
std::tuple<at::Tensor, at::Tensor> attention_decode(const at::Tensor& q, const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale);

// Attention to keys and values in few bits: those that stand before any of the rows of q, all of
// which attend all of them.
//   pool        [num_blocks, format.block_bytes(head_dim)] uint8  (packed_block.h)
//   block_table [sequences, kv_heads, max_blocks] int32           block of each run of format.group
//   kv_lengths  [sequences, kv_heads] int32                       tokens held
// q and query_offsets as in attention_prefill. Codes are read as they are stored, or unpacked a
// block at a time; a sequence's single row need not have the last bits it has among others.
std::tuple<at::Tensor, at::Tensor> attention_packed(const at::Tensor& q,
                                                    const at::Tensor& query_offsets,
                                                    const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale,
                                                    const QuantisedFormat& format);

// How much attention the keys of one sequence get from some rows of queries, by key and by
// distance: what SnapKV, H2O and TOVA choose tokens by, and MInference its columns and diagonals.
// q, kv_lengths and scale as in attention_prefill of one sequence: row i of n attends the first
// kv_lengths[0][g] - n + i + 1 tokens. The weight of key p in row i is exp(scale * q.k - lse).
// lse           [rows, query_heads] as attention_prefill gives it; absent: a first pass makes it
// Gives columns [query_heads, longest]: at p the sum over rows of the weight of key p, and
// diagonals [query_heads, longest]: at o the sum over rows of the weight of the key o before the
// row's own token; or, without with_diagonals, [query_heads, 0]. Where a head holds fewer than the
// longest, zeros follow. Nothing of the size rows x keys is ever held.
std::tuple<at::Tensor, at::Tensor> window_scores(
    const at::Tensor& q, const at::Tensor& pool, const at::Tensor& block_table,
    const at::Tensor& kv_lengths, double scale, const c10::optional<at::Tensor>& lse = c10::nullopt,
    bool with_diagonals = false);

// Sparse decode: which keys each query attends, in units of `unit` tokens. Unit i is the keys i *
// unit .. (i + 1) * unit, as far as they are held. There is a list, ascending, for each kv head of
// each sequence, which its query heads share, or one for each query head.
struct KeyLists {
  std::int64_t unit = 1;
  at::Tensor offsets{}, units{};  // int32 [lists + 1], [...]; on the CPU with a pool that is there
};

// One query per sequence, as attention_decode, over the listed keys only: nothing else is read, so
// only entries of block_table that hold listed keys need to be pages of `pool`.
// Gives out [sequences, query_heads, head_dim] and lse [sequences, query_heads].
std::tuple<at::Tensor, at::Tensor> attention_listed(const at::Tensor& q, const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale,
                                                    const KeyLists& lists);

// Attention over the union of two disjoint sets of keys from the attention over each:
// out_* [..., head_dim], lse_* [...]. Sets may be empty (lse -infinity).
std::tuple<at::Tensor, at::Tensor> merge_state(const at::Tensor& out_a, const at::Tensor& lse_a,
                                               const at::Tensor& out_b, const at::Tensor& lse_b);

// Fused elementwise parts of a layer, float32 on the CPU (torch's own operators elsewhere).
// x / sqrt(mean of x^2 + epsilon) * weight, over the last dimension.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
// x += delta, in place; gives the norm of the sum.
at::Tensor add_rms_norm(at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight,
                        double epsilon);
// gate_up [rows, 2 * n] -> silu(gate) * up [rows, n]
at::Tensor silu_and_multiply(const at::Tensor& gate_up);
// In place on x [rows, heads, head_dim] with cos, sin [rows, rotary_dim / 2]. Pairs are numbers i
// and i + rotary_dim / 2 of a head, or 2i and 2i + 1 (interleaved); numbers from rotary_dim on
// stay.
void apply_rope(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, bool interleaved);
// x [rows, in] times weight [out, in] transposed; up to 16 rows read the weights once, with the
// same bits whichever rows come together.
// (Write exec::linear: at::linear is found beside it.)
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                  const c10::optional<at::Tensor>& bias);

// Recurrent layers (Mamba). Each goes on from `state`, float32 and contiguous, and leaves there
// what the next call goes on from: a sequence may be cut anywhere, and a new one starts at zeros.
// Where chunks of ssd_scan begin decides the order of its sums, so another cut may give other last
// bits. REQUIRES: time_step >= 0 and decay <= 0. Tensors of [batch, tokens, ...] may be parts of
// wider rows.

// Depthwise causal convolution, then SiLU. x [batch, tokens, channels]; weight [kernel, channels],
// the newest input's last; bias [channels]; state [batch, kernel - 1, channels]: the inputs before
// x, oldest first.
at::Tensor causal_conv(const at::Tensor& x, const at::Tensor& weight,
                       const c10::optional<at::Tensor>& bias, at::Tensor& state);

// Mamba-2 (state space duality). Of each head, with S [state, head_dim] and row vectors:
//   S_t = exp(time_step_t * decay) S_t-1 + time_step_t * b_t^T x_t,   y_t = c_t S_t + skip * x_t
// x [batch, tokens, heads, head_dim]; time_step [batch, tokens, heads]; decay, skip [heads];
// b, c [batch, tokens, groups, state]: head h reads group h / (heads / groups); state [batch,
// heads, state, head_dim]. Gives y as x is. Within a chunk of tokens all is matrix products, and
// only the state goes from chunk to chunk; the result is that of one token after another.
at::Tensor ssd_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                    const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                    at::Tensor& state, std::int64_t chunk = 64);
// The same for one token: x [batch, heads, head_dim], time_step [batch, heads], b, c [batch,
// groups, state].
at::Tensor ssd_step(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                    const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                    at::Tensor& state);

// Mamba-1. Of each channel i, with a state of its own per n:
//   s_t[n] = exp(time_step_t * decay[n]) s_t-1[n] + time_step_t * b_t[n] * x_t
//   y_t = sum over n of c_t[n] * s_t[n], + skip * x_t
// x, time_step [batch, tokens, channels]; decay [state, channels]; b, c [batch, tokens, state];
// skip [channels]; state [batch, state, channels]. Gives y as x is.
at::Tensor selective_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                          const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                          at::Tensor& state);

}  // namespace scsim::exec
