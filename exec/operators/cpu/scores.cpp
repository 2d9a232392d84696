// How much attention keys get from a window of queries, without the attention itself: the same
// blocks of logits as a prefill, but what is kept of a weight is a sum over queries.
//
// Two passes over the keys, both cut in parts: score_tops gives each row's largest logit and sum of
// weights within a part, from which the caller makes the row's LSE; score_sums adds up
// exp(logit - LSE) by key and, where asked, by distance from the query.
#include <cstdint>

#include "exec/operators/cpu/kernels.h"
#include "exec/operators/cpu/panels.h"
#include "exec/operators/cpu/tables.h"

namespace scsim::exec::SCSIM_ISA {
namespace {

struct Scratch {
  float* keys;    // panels of the chunk: [4][head_dim][16]
  float* q;       // [6][head_dim], of a block with fewer than six rows
  float* logits;  // [6][64]
  std::int64_t floats;

  Scratch(float* base, std::int64_t head_dim)
      : keys(base),
        q(keys + kKeys * head_dim),
        logits(q + up_to(kRows * head_dim, kPanel)),
        floats(logits + kRows * kKeys - base) {}
};

// Logits in powers of two of rows [row, row + 6) of one query head against keys [first, ...).
struct Block {
  std::int64_t head, row, rows;  // rows: how many of the six there are
  std::int64_t first, padded;    // padded: logits that were computed of each row
  std::int64_t valid[kRows];     // how many of these keys each row attends
  float* logits;                 // [6][64]
};

// Calls use(block) for all blocks in which anything is attended.
template <class Use>
SCSIM_INLINE void each_block(const ScoreItem& item, float* memory, const Use& use) {
  const std::int64_t head_dim = item.keys.head_dim;
  const Scratch scratch(memory, head_dim);
  const float scale = item.scale * kLog2E;
  for (std::int64_t first = item.begin; first < item.end; first += kKeys) {
    const std::int64_t count = item.end - first < kKeys ? item.end - first : kKeys;
    const float* keys[kKeys] = {};
    for (std::int64_t i = 0; i < count; ++i) keys[i] = key_row(item.keys, first + i);
    pack_keys(keys, count, head_dim, scratch.keys);
    for (std::int64_t g = 0; g < item.group; ++g) {
      for (std::int64_t row = 0; row < item.queries; row += kRows) {
        Block block = {.head = g,
                       .row = row,
                       .rows = item.queries - row < kRows ? item.queries - row : kRows,
                       .first = first,
                       .padded = 0,
                       .valid = {},
                       .logits = scratch.logits};
        for (std::int64_t r = 0; r < block.rows; ++r) {
          const std::int64_t below = item.first_limit + row + r - first;
          block.valid[r] = below < 0 ? 0 : (below < count ? below : count);
        }
        const std::int64_t depth = block.valid[block.rows - 1];  // the last row sees the most
        if (depth == 0) continue;
        block.padded = up_to(depth, kPanel);
        const float* q = item.q + row * item.q_stride + g * head_dim;
        std::int64_t stride = item.q_stride;
        if (block.rows < kRows) {
          for (std::int64_t r = 0; r < kRows; ++r) {
            for (std::int64_t d = 0; d < head_dim; ++d) {
              scratch.q[r * head_dim + d] = r < block.rows ? q[r * stride + d] : 0;
            }
          }
          q = scratch.q;
          stride = head_dim;
        }
        for (std::int64_t k = 0; k < block.padded; k += kPanel) {
          Float8 c[kRows][2] = {};
          multiply(q, stride, scratch.keys + k * head_dim, head_dim, c);
#pragma GCC unroll 6
          for (int r = 0; r < kRows; ++r) {
            store(scratch.logits + r * kKeys + k, c[r][0] * scale);
            store(scratch.logits + r * kKeys + k + 8, c[r][1] * scale);
          }
        }
        use(block);
      }
    }
  }
}

}  // namespace

std::int64_t score_scratch(std::int64_t head_dim) { return Scratch(nullptr, head_dim).floats; }

void score_tops(const ScoreItem& item, float* scratch) {
  for (std::int64_t i = 0; i < item.queries * item.group; ++i) {
    item.top[i] = kMinusInfinity;
    item.weight[i] = 0;
  }
  each_block(item, scratch, [&](const Block& block) {
    for (std::int64_t r = 0; r < block.rows; ++r) {
      const std::int64_t at = (block.row + r) * item.group + block.head;
      soften(block.logits + r * kKeys, 0, 0, block.valid[r], block.padded, item.top[at],
             item.weight[at]);
    }
  });
}

void score_sums(const ScoreItem& item, float* scratch) {
  const std::int64_t keys = item.end - item.begin;
  for (std::int64_t g = 0; g < item.group; ++g) {
    for (std::int64_t k = 0; k < keys; ++k) item.columns[g * item.column_stride + k] = 0;
    if (!item.diagonals) continue;
    for (std::int64_t k = 0; k < keys + item.queries - 1; ++k) {
      item.diagonals[g * item.diagonal_stride + k] = 0;
    }
  }
  each_block(item, scratch, [&](const Block& block) {
    alignas(32) float sums[kKeys];
    for (std::int64_t k = 0; k < block.padded; k += 8) store(sums + k, Float8{});
    for (std::int64_t r = 0; r < block.rows; ++r) {
      const std::int64_t row = block.row + r;
      const float lse = item.lse[row * item.lse_stride + block.head] * kLog2E;
      if (lse == kMinusInfinity) continue;  // every key it attends has weight 0
      float* logits = block.logits + r * kKeys;
      for (std::int64_t k = block.valid[r]; k < block.padded; ++k) logits[k] = kMinusInfinity;
      for (std::int64_t k = 0; k < block.padded; k += 8) {
        const Float8 weight = power_of_two(load(logits + k) - lse);
        store(logits + k, weight);
        store(sums + k, load(sums + k) + weight);
      }
      if (!item.diagonals) continue;
      float* along = item.diagonals + block.head * item.diagonal_stride + block.first - item.begin +
                     item.queries - 1 - row;
      for (std::int64_t k = 0; k < block.valid[r]; ++k) along[k] += logits[k];
    }
    float* to = item.columns + block.head * item.column_stride + block.first - item.begin;
    const std::int64_t held =
        item.end - block.first < block.padded ? item.end - block.first : block.padded;
    for (std::int64_t k = 0; k < held; ++k) to[k] += sums[k];
  });
}

}  // namespace scsim::exec::SCSIM_ISA
