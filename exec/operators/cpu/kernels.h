// The inner loops of the CPU operators, as plain pointers and shapes. Their sources are compiled
// once per instruction set (see CMakeLists.txt), each into a table of its own; the widest one this
// machine has is picked when the library is first used.
//
//   const CpuKernels& kernels = cpu_kernels();
//   kernels.dot_rows(x, 1, in, weight, out, in, nullptr, y, out);
//
// A kernel is one item of work for one thread. Nothing in it depends on how many threads there are
// or on which other items are computed beside it, so results are the same bits in every case.
#pragma once

#include <cstdint>

namespace scsim::exec {

// The keys of one kv head of one sequence, on pages of K rows followed by V rows.
struct PagedHead {
  const float* pool;          // [num_pages, 2, page_tokens, head_dim]
  const std::int32_t* pages;  // [ceil(length / page_tokens)]
  std::int64_t page_tokens;
  std::int64_t head_dim;
  std::int64_t length;  // tokens held
};

// The keys of one kv head of one sequence in blocks of few bits (exec/operators/packed_block.h).
struct PackedHead {
  const std::uint8_t* pool;    // [num_blocks, block_bytes]
  const std::int32_t* blocks;  // [ceil(length / block_tokens)]
  std::int64_t block_bytes, block_tokens;
  std::int64_t head_dim;
  std::int64_t length;  // tokens held
  std::int64_t value_group;
  int key_bits, value_bits;
};

// Rows of queries against one kv head: `queries` positions times `group` heads that share it.
struct PrefillItem {
  PagedHead keys;
  const PackedHead* packed;  // if not null, in place of keys, which then say no more than lengths
  const float* q;            // row (i, g) at q + i * q_stride + g * head_dim
  std::int64_t q_stride;
  std::int64_t queries, group;
  std::int64_t first_limit;       // query i attends the keys below first_limit + i
  const std::int32_t* positions;  // if not null: below positions[i] + 1, these ascending
  float scale;                    // of the logits
  // Which keys: all of them, or those of the listed tiles of `tile` keys (tile i from key
  // i * stride on), single columns and, from key band_begin on, each query's last band_width.
  bool dense;
  const std::int32_t* tiles;
  std::int64_t num_tiles, tile, stride;
  const std::int32_t* columns;
  std::int64_t num_columns;
  std::int64_t band_begin, band_width;
  float* out;  // row (i, g) at out + i * out_stride + g * head_dim
  std::int64_t out_stride;
  float* lse;  // row (i, g) at lse + i * lse_stride + g
  std::int64_t lse_stride;
};

// One query position, `group` heads, against keys [begin, end) of one kv head: of all it holds, or
// of those in the listed units of `unit` keys each, where only the last may be shorter. Gives what
// the keys of other parts can be added to: sums weighted by 2^(logit - top), logits counted in
// powers of 2.
struct DecodeItem {
  PagedHead keys;
  const std::int32_t* units;  // null: all keys
  std::int64_t unit;
  const float* q;  // [group, head_dim]
  std::int64_t group, begin, end;
  float scale;
  float* sums;    // [group, head_dim]
  float* top;     // [group]
  float* weight;  // [group]
};

// Like DecodeItem.
struct PackedItem {
  PackedHead keys;
  const float* q;
  std::int64_t group, begin, end;
  float scale;
  float *sums, *top, *weight;
};

// Rows of queries against keys [begin, end) of one kv head; what becomes of the weights is summed.
struct ScoreItem {
  PagedHead keys;
  const float* q;  // row (i, g) at q + i * q_stride + g * head_dim
  std::int64_t q_stride;
  std::int64_t queries, group;
  std::int64_t first_limit;  // query i attends the keys below first_limit + i
  std::int64_t begin, end;
  float scale;
  // score_tops gives these, of row (i, g) at i * group + g; logits counted in powers of 2.
  float* top;
  float* weight;
  // score_sums takes the rows' LSE, row (i, g) at lse + i * lse_stride + g, and gives the sums of
  // weights: of key begin + k of head g at columns + g * column_stride + k; and, unless null, of
  // all (i, k) with one k + queries - 1 - i at that place behind diagonals + g * diagonal_stride.
  const float* lse;
  std::int64_t lse_stride;
  float* columns;
  std::int64_t column_stride;
  float* diagonals;
  std::int64_t diagonal_stride;
};

// A run of tokens of one group of heads: what its heads share of the scan.
struct SsdShared {
  const float *b, *c;  // [tokens, state], rows b_stride and c_stride apart
  std::int64_t b_stride, c_stride;
  std::int64_t tokens, state;
  // Rows of `padded` numbers, tokens rounded up to 8; zeros behind the last token.
  std::int64_t padded;
  float* b_columns;  // [state, padded]
  float* scores;     // [tokens, padded]: c_i . b_j, where j <= i
};

// One head over that run of tokens.
struct SsdItem {
  const SsdShared& shared;
  const float* x;  // [tokens, head_dim], rows x_stride apart
  std::int64_t x_stride;
  const float* time_step;  // [tokens], time_stride apart
  std::int64_t time_stride;
  float decay, skip;
  std::int64_t head_dim;
  float* carried;  // [state, head_dim]: before the run, then behind it
  float* y;        // [tokens, head_dim], rows y_stride apart
  std::int64_t y_stride;
};

// Up to 16 channels of one sequence, side by side in rows.
struct SelectiveItem {
  const float *x, *time_step, *b, *c;  // rows of tokens, so far apart:
  std::int64_t x_stride, time_stride, b_stride, c_stride;
  const float *decay, *skip;  // decay [state, ...], rows row_stride apart
  std::int64_t tokens, state, channels, row_stride;
  float* carried;  // [state, ...], rows row_stride apart
  float* y;
  std::int64_t y_stride;
};

struct CpuKernels {
  const char* name;

  // Floats of scratch memory that an item needs (64-byte aligned).
  std::int64_t (*prefill_scratch)(std::int64_t rows, std::int64_t head_dim);
  void (*prefill)(const PrefillItem& item, float* scratch);
  std::int64_t (*decode_scratch)(std::int64_t group, std::int64_t head_dim);
  void (*decode)(const DecodeItem& item, float* scratch);
  std::int64_t (*packed_scratch)(std::int64_t group, std::int64_t head_dim);
  void (*attend_packed)(const PackedItem& item, float* scratch);

  std::int64_t (*score_scratch)(std::int64_t head_dim);
  void (*score_tops)(const ScoreItem& item, float* scratch);
  void (*score_sums)(const ScoreItem& item, float* scratch);
  // y[i] = x . rows[i], each of n numbers.
  void (*dot_listed)(const float* x, const float* const* rows, std::int64_t count, std::int64_t n,
                     float* y);

  // y[r * y_stride + o] = x[r, :] . weight[o, :] + bias[o], reading each weight once. bias may be
  // null.
  void (*dot_rows)(const float* x, std::int64_t rows, std::int64_t x_stride, const float* weight,
                   std::int64_t outputs, std::int64_t inputs, const float* bias, float* y,
                   std::int64_t y_stride);

  // One row each. `delta` may be null; otherwise it is first added to x.
  void (*rms_norm)(float* x_updated, const float* x, const float* delta, const float* weight,
                   std::int64_t n, float epsilon, float* y);
  void (*silu_and_multiply)(const float* gate, const float* up, std::int64_t n, float* y);
  void (*rope)(float* x, const float* cos, const float* sin, std::int64_t half, bool interleaved);

  // y = silu(bias + sum of rows[k] * weight[k, :]); bias may be null.
  void (*conv_row)(const float* const* rows, std::int64_t kernel, const float* weight,
                   const float* bias, std::int64_t channels, float* y);
  void (*ssd_share)(const SsdShared& shared);
  std::int64_t (*ssd_scratch)(std::int64_t chunk, std::int64_t head_dim);
  void (*ssd_chunk)(const SsdItem& item, float* scratch);
  void (*ssd_step)(const float* x, float time_step, float decay, const float* b, const float* c,
                   float skip, std::int64_t state, std::int64_t head_dim, float* carried, float* y);
  std::int64_t (*selective_scratch)(std::int64_t state);
  void (*selective_scan)(const SelectiveItem& item, float* scratch);
};

namespace portable {
const CpuKernels& kernels();
}
namespace avx2 {
const CpuKernels& kernels();
}

// The widest this machine can run; SCSIM_CPU_KERNELS=portable in the environment asks for the
// other.
const CpuKernels& cpu_kernels();

}  // namespace scsim::exec
