// Attention of many queries: blocks of six rows against chunks of 64 keys, with the softmax kept
// up to date as chunks pass (so logits are never stored), on one inner loop that multiplies six
// rows by sixteen columns in registers.
//
// A chunk's keys and values are copied once into panels of sixteen columns, whatever pages they
// come from: contiguous tiles and gathered columns are then the same to what follows. All rows of
// the item, of all query heads that share the kv head, pass over a chunk while it is in the cache.
// Rows of one block have nearly the same last key, so what causality hides is hardly computed.
#include <cstdint>

#include "exec/operators/cpu/kernels.h"
#include "exec/operators/cpu/panels.h"
#include "exec/operators/cpu/tables.h"

namespace scsim::exec::SCSIM_ISA {
namespace {

struct Scratch {
  float *q, *out, *top, *weight;  // of each row: scaled query, sums, largest logit, sum of weights
  float *keys, *values;           // panels of the chunk: [4][head_dim][16], [width / 16][64][16]
  float* logits;                  // [6][64] of the block
  float* unpacked;      // rows of the chunk's keys, then of its values, if they are packed
  std::int64_t floats;  // that all of it takes

  Scratch(float* base, std::int64_t rows, std::int64_t head_dim) {
    const std::int64_t width = up_to(head_dim, kPanel);
    float* next = base;
    const auto take = [&](std::int64_t n) {
      float* taken = next;
      next += up_to(n, kPanel);  // keeps each part on cache lines of its own
      return taken;
    };
    rows = up_to(rows, kRows);
    q = take(rows * head_dim);
    out = take(rows * width);
    top = take(rows);
    weight = take(rows);
    keys = take(kKeys * head_dim);
    values = take(kKeys * width);
    logits = take(kRows * kKeys);
    unpacked = take(2 * kKeys * head_dim);
    floats = next - base;
  }
};

// Up to 64 keys: contiguous from `first`, or the given columns. Contiguous ones may belong to a
// band: then each query attends no more than its last `width` keys.
struct Chunk {
  std::int64_t count, first;
  const std::int32_t* columns;
  std::int64_t width;

  std::int64_t position(std::int64_t i) const { return columns ? columns[i] : first + i; }
  // How many of them lie below `limit`; positions ascend, so these come first.
  std::int64_t below(std::int64_t limit) const {
    if (!columns) return limit <= first ? 0 : (limit - first < count ? limit - first : count);
    std::int64_t n = count;
    while (n > 0 && columns[n - 1] >= limit) --n;
    return n;
  }
  // How many of them a query that attends those below `limit` leaves out from the start.
  std::int64_t left_out(std::int64_t limit) const {
    const std::int64_t lowest = limit - width;
    return width == 0 || lowest <= first ? 0 : lowest - first;
  }
};

void pack_values(const float* const* rows, std::int64_t count, std::int64_t head_dim,
                 float* panels) {
  for (std::int64_t d = 0; d < head_dim; d += kPanel) {
    float* panel = panels + d * kKeys;
    if (d + kPanel <= head_dim) {
      for (std::int64_t i = 0; i < count; ++i) {
        store(panel + i * kPanel, load(rows[i] + d));
        store(panel + i * kPanel + 8, load(rows[i] + d + 8));
      }
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        for (std::int64_t j = 0; j < kPanel; ++j) {
          panel[i * kPanel + j] = d + j < head_dim ? rows[i][d + j] : 0;
        }
      }
    }
  }
}

class Item {
 public:
  Item(const PrefillItem& item, float* memory)
      : item_(item),
        rows_(item.queries * item.group),
        head_dim_(item.keys.head_dim),
        width_(up_to(item.keys.head_dim, kPanel)),
        scratch_(memory, rows_, item.keys.head_dim) {}

  void run() {
    take_queries();
    const std::int64_t end = limit(item_.queries - 1);
    const std::int64_t held = end < item_.keys.length ? end : item_.keys.length;
    if (item_.dense) {
      attend_range(0, held);
    } else {
      for (std::int64_t t = 0; t < item_.num_tiles; ++t) {
        const std::int64_t first = item_.tiles[t] * item_.stride;
        attend_range(first, first + item_.tile < held ? first + item_.tile : held);
      }
      for (std::int64_t i = 0; i < item_.num_columns; i += kKeys) {
        const std::int64_t left = item_.num_columns - i;
        attend({left < kKeys ? left : kKeys, 0, item_.columns + i, 0});
      }
      if (item_.band_width > 0) {
        const std::int64_t lowest = limit(0) - item_.band_width;
        attend_range(lowest < item_.band_begin ? item_.band_begin : lowest, held, item_.band_width);
      }
    }
    give_results();
  }

 private:
  // A query attends keys below it.
  std::int64_t limit(std::int64_t query) const {
    return item_.positions ? item_.positions[query] + 1 : item_.first_limit + query;
  }

  void take_queries() {
    const float scale = item_.scale * kLog2E;
    const std::int64_t padded = up_to(rows_, kRows);
    for (std::int64_t r = 0; r < padded; ++r) {
      float* to = scratch_.q + r * head_dim_;
      const float* from = item_.q + r / item_.group * item_.q_stride + r % item_.group * head_dim_;
      for (std::int64_t d = 0; d < head_dim_; ++d) to[d] = r < rows_ ? from[d] * scale : 0;
      scratch_.top[r] = kMinusInfinity;
      scratch_.weight[r] = 0;
    }
    for (std::int64_t i = 0; i < padded * width_; ++i) scratch_.out[i] = 0;
  }

  void attend_range(std::int64_t first, std::int64_t end, std::int64_t width = 0) {
    for (; first < end; first += kKeys) {
      attend({end - first < kKeys ? end - first : kKeys, first, nullptr, width});
    }
  }

  void attend(const Chunk& chunk) {
    const std::int64_t count = chunk.below(limit(item_.queries - 1));
    if (count == 0) return;
    const float* keys[kKeys] = {};
    const float* values[kKeys] = {};
    if (item_.packed) {
      float* const unpacked_values = scratch_.unpacked + kKeys * head_dim_;
      unpack(*item_.packed, chunk.first, count, scratch_.unpacked, unpacked_values);
      for (std::int64_t i = 0; i < count; ++i) {
        keys[i] = scratch_.unpacked + i * head_dim_;
        values[i] = unpacked_values + i * head_dim_;
      }
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        keys[i] = key_row(item_.keys, chunk.position(i));
        values[i] = keys[i] + item_.keys.page_tokens * head_dim_;
      }
    }
    pack_keys(keys, count, head_dim_, scratch_.keys);
    pack_values(values, count, head_dim_, scratch_.values);
    for (std::int64_t r = 0; r < rows_; r += kRows) attend_block(chunk, r);
  }

  void attend_block(const Chunk& chunk, std::int64_t row) {
    std::int64_t skipped[kRows], valid[kRows];
    std::int64_t begin = kKeys, depth = 0;
    for (std::int64_t r = 0; r < kRows; ++r) {
      const std::int64_t query = row + r < rows_ ? (row + r) / item_.group : item_.queries - 1;
      valid[r] = row + r < rows_ ? chunk.below(limit(query)) : 0;
      skipped[r] = chunk.left_out(limit(query));
      if (valid[r] <= skipped[r]) continue;
      depth = valid[r] > depth ? valid[r] : depth;
      begin = skipped[r] < begin ? skipped[r] : begin;
    }
    if (depth == 0) return;
    begin = begin / kPanel * kPanel;
    float* logits = scratch_.logits;
    const std::int64_t padded = up_to(depth, kPanel);
    const float* q = scratch_.q + row * head_dim_;
    for (std::int64_t k = begin; k < padded; k += kPanel) {
      Float8 c[kRows][2] = {};
      multiply(q, head_dim_, scratch_.keys + k * head_dim_, head_dim_, c);
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        store(logits + r * kKeys + k, c[r][0]);
        store(logits + r * kKeys + k + 8, c[r][1]);
      }
    }
    float factor[kRows];
    for (std::int64_t r = 0; r < kRows; ++r) {
      factor[r] = soften(logits + r * kKeys, begin, skipped[r], valid[r], padded,
                         scratch_.top[row + r], scratch_.weight[row + r]);
    }
    for (std::int64_t d = 0; d < width_; d += kPanel) {
      float* out = scratch_.out + row * width_ + d;
      Float8 c[kRows][2];
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        c[r][0] = load(out + r * width_) * factor[r];
        c[r][1] = load(out + r * width_ + 8) * factor[r];
      }
      multiply(logits + begin, kKeys, scratch_.values + d * kKeys + begin * kPanel, depth - begin,
               c);
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        store(out + r * width_, c[r][0]);
        store(out + r * width_ + 8, c[r][1]);
      }
    }
  }

  void give_results() {
    for (std::int64_t r = 0; r < rows_; ++r) {
      const std::int64_t i = r / item_.group, g = r % item_.group;
      const float weight = scratch_.weight[r];
      const float share = weight == 0 ? 0 : 1 / weight;
      float* out = item_.out + i * item_.out_stride + g * head_dim_;
      for (std::int64_t d = 0; d < head_dim_; ++d) out[d] = scratch_.out[r * width_ + d] * share;
      item_.lse[i * item_.lse_stride + g] =
          weight == 0 ? kMinusInfinity : (scratch_.top[r] + __builtin_log2f(weight)) * kLn2;
    }
  }

  const PrefillItem& item_;
  const std::int64_t rows_, head_dim_, width_;
  const Scratch scratch_;
};

}  // namespace

std::int64_t prefill_scratch(std::int64_t rows, std::int64_t head_dim) {
  return Scratch(nullptr, rows, head_dim).floats;
}

void prefill(const PrefillItem& item, float* scratch) { Item(item, scratch).run(); }

}  // namespace scsim::exec::SCSIM_ISA
