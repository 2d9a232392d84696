// One query against keys and values in few bits, read as they are stored.
//
// A key is minimum + code * scale, of its channel and block. So q.k = q.minimum + (q * scale).code:
// the query is scaled once for the tokens of a block, and what remains is a product with small
// whole numbers. A value is minimum + code * scale, of its token and group of channels, so the
// token's weight is scaled once for the channels of a group. Nothing is unpacked to memory, and a
// code is not even shifted into place: what it is masked out as is a power of two times too large,
// which the other factor makes good.
//
// Heads whose channels do not fill whole words are unpacked a block at a time and multiplied number
// by number: correct, and not fast.
#include <cstdint>
#include <cstring>

#include "exec/operators/cpu/kernels.h"
#include "exec/operators/cpu/simd.h"
#include "exec/operators/cpu/softmax.h"
#include "exec/operators/cpu/tables.h"

namespace scsim::exec::SCSIM_ISA {
namespace {

constexpr std::int64_t kKeys = 64;  // at a time, at most: those of one block

using Half8 = std::uint16_t __attribute__((vector_size(16)));

// Eight float16 numbers; infinities and NaN become large numbers, as no block holds any.
SCSIM_INLINE Float8 load_halves(const std::uint8_t* from) {
  Half8 halves;
  std::memcpy(&halves, from, sizeof(halves));
  const Int8 bits = __builtin_convertvector(halves, Int8);
  // The exponent's bias is 15 in the one and 127 in the other: 2^112 apart, for subnormals too.
  const Float8 magnitude = reinterpret_cast<Float8>((bits & 0x7fff) << 13) * 0x1p112F;
  return reinterpret_cast<Float8>(reinterpret_cast<Int8>(magnitude) | ((bits & 0x8000) << 16));
}

SCSIM_INLINE float load_half(const std::uint8_t* from) {
  std::uint16_t half;
  std::memcpy(&half, from, sizeof(half));
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fff) << 13;
  float x;
  std::memcpy(&x, &magnitude, sizeof(x));
  return half & 0x8000 ? -x * 0x1p112F : x * 0x1p112F;
}

constexpr std::int64_t kWordBytes = 16;  // eight lanes of 16 bits

// How many vectors of eight codes are in a word.
constexpr std::int64_t vectors_in_word(int bits) { return 16 / bits; }

SCSIM_INLINE Int8 load_word(const std::uint8_t* from) {
  Half8 lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return __builtin_convertvector(lanes, Int8);
}

// Vector number `v` of a word, 2^(bits * v) times too large.
SCSIM_INLINE Float8 codes(Int8 word, int bits, std::int64_t v) {
  return __builtin_convertvector(word & (((1 << bits) - 1) << (bits * v)), Float8);
}

// 2^(-bits * v).
SCSIM_INLINE float to_unit(int bits, std::int64_t v) {
  return 1.0F / static_cast<float>(std::int32_t{1} << (bits * v));
}

float code(const std::uint8_t* row, std::int64_t head_dim, int bits, std::int64_t d) {
  const std::int64_t in_word = 8 * vectors_in_word(bits);
  if (head_dim % in_word == 0) {
    const std::int64_t lane = d % 8, v = d % in_word / 8;
    row += d / in_word * kWordBytes + 2 * lane + v * bits / 8;
    return static_cast<float>((*row >> (v * bits % 8)) & ((1 << bits) - 1));
  }
  const int per_byte = 8 / bits;
  return static_cast<float>((row[d / per_byte] >> (d % per_byte * bits)) & ((1 << bits) - 1));
}

// Where the parts of a block lie; the format is told in exec/operators/packed_block.h.
struct Block {
  const std::uint8_t *key_codes, *value_codes, *key_minimum, *key_scale, *value_minimum,
      *value_scale;

  Block(const PackedHead& head, std::int64_t position) {
    const std::int64_t numbers = head.block_tokens * head.head_dim;
    const std::int64_t value_halves = numbers / head.value_group * 2;
    key_codes = head.pool + head.blocks[position / head.block_tokens] * head.block_bytes;
    value_codes = key_codes + numbers * head.key_bits / 8;
    key_minimum = value_codes + numbers * head.value_bits / 8;
    key_scale = key_minimum + head.head_dim * 2;
    value_minimum = key_scale + head.head_dim * 2;
    value_scale = value_minimum + value_halves;
  }
};

constexpr std::int64_t keys_at_once(std::int64_t group) {
  return group == 1 ? 8 : group == 4 ? 2 : 4;
}

// logits[g][k] = base[g] + q[g] . codes of token k, for `count` tokens, a multiple of 8 of which
// those from `held` on repeat the last. q is prepared for codes that are too large.
template <int kGroup, int kBits>
SCSIM_INLINE void multiply_codes(const float* q, const float* base, std::int64_t head_dim,
                                 const std::uint8_t* rows, std::int64_t held, std::int64_t count,
                                 float* logits) {
  constexpr std::int64_t kAtOnce = keys_at_once(kGroup), kSums = kGroup * kAtOnce;
  constexpr std::int64_t kVectors = vectors_in_word(kBits);
  const std::int64_t row_bytes = head_dim * kBits / 8;
  for (std::int64_t k = 0; k < count; k += kAtOnce) {
    const std::uint8_t* row[kAtOnce];
#pragma GCC unroll 8
    for (std::int64_t i = 0; i < kAtOnce; ++i) {
      row[i] = rows + (k + i < held ? k + i : held - 1) * row_bytes;
    }
    Float8 sums[kSums <= 8 ? 8 : 16] = {};
    for (std::int64_t word = 0; word * 8 * kVectors < head_dim; ++word) {
      Int8 words[kAtOnce];
#pragma GCC unroll 8
      for (std::int64_t i = 0; i < kAtOnce; ++i) words[i] = load_word(row[i] + word * kWordBytes);
#pragma GCC unroll 8
      for (std::int64_t n = 0; n < kVectors; ++n) {
        Float8 v[kGroup];
#pragma GCC unroll 4
        for (std::int64_t g = 0; g < kGroup; ++g)
          v[g] = load(q + g * head_dim + 8 * (word * kVectors + n));
#pragma GCC unroll 8
        for (std::int64_t i = 0; i < kAtOnce; ++i) {
          const Float8 key = codes(words[i], kBits, n);
#pragma GCC unroll 4
          for (std::int64_t g = 0; g < kGroup; ++g) sums[g * kAtOnce + i] += v[g] * key;
        }
      }
    }
    float totals[16];
    store(totals, sums_of(sums));
    if (kSums > 8) store(totals + 8, sums_of(sums + 8));
#pragma GCC unroll 16
    for (std::int64_t i = 0; i < kSums; ++i) {
      logits[i / kAtOnce * kKeys + k + i % kAtOnce] = totals[i] + base[i / kAtOnce];
    }
  }
}

// Adds the values of `count` tokens by their weights to sums[g], for kVectors * 8 channels of one
// group and one word from `column` on: scaled[g][k] is the weight times the group's scale,
// minimum[g] the sum of weights times minima.
template <int kGroup, std::int64_t kVectors, int kBits>
SCSIM_INLINE void add_codes(float* sums, const float* factor, const float* scaled,
                            const float* minimum, const std::uint8_t* rows, std::int64_t count,
                            std::int64_t head_dim, std::int64_t column) {
  constexpr std::int64_t kInWord = 8 * vectors_in_word(kBits);
  const std::int64_t row_bytes = head_dim * kBits / 8, first = column % kInWord / 8;
  rows += column / kInWord * kWordBytes;
  Int8 mask[kVectors];
#pragma GCC unroll 8
  for (std::int64_t v = 0; v < kVectors; ++v) {
    mask[v] = Int8{} + (((1 << kBits) - 1) << (kBits * (first + v)));
  }
  Float8 total[kGroup][kVectors] = {};
  for (std::int64_t k = 0; k < count; ++k) {
    const Int8 word = load_word(rows + k * row_bytes);
    Float8 w[kGroup];
#pragma GCC unroll 4
    for (std::int64_t g = 0; g < kGroup; ++g) w[g] = all(scaled[g * kKeys + k]);
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kVectors; ++v) {
      const Float8 value = __builtin_convertvector(word & mask[v], Float8);
#pragma GCC unroll 4
      for (std::int64_t g = 0; g < kGroup; ++g) total[g][v] += w[g] * value;
    }
  }
#pragma GCC unroll 4
  for (std::int64_t g = 0; g < kGroup; ++g) {
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kVectors; ++v) {
      float* to = sums + g * head_dim + column + 8 * v;
      store(to, load(to) * factor[g] + minimum[g] + total[g][v] * to_unit(kBits, first + v));
    }
  }
}

// A run of tokens within one block.
struct Tokens {
  Block block;
  std::int64_t first, count;  // first: in the block
};

// kGroup queries, from number `from` on, against one run. `scaled` is memory for kGroup queries.
template <int kGroup, int kKeyBits, int kValueBits>
void attend_tokens(const PackedItem& item, const float* queries, std::int64_t from,
                   const Tokens& tokens, float* scaled) {
  const PackedHead& head = item.keys;
  const std::int64_t head_dim = head.head_dim, group = head.value_group;
  const Block& block = tokens.block;
  float base[kGroup];
  for (std::int64_t g = 0; g < kGroup; ++g) {
    const float* q = queries + (from + g) * head_dim;
    Float8 sum = {};
    for (std::int64_t d = 0; d < head_dim; d += 8) {
      const Float8 v = load(q + d);
      const float unit = to_unit(kKeyBits, d / 8 % vectors_in_word(kKeyBits));
      sum += v * load_halves(block.key_minimum + 2 * d);
      store(scaled + g * head_dim + d, v * load_halves(block.key_scale + 2 * d) * unit);
    }
    base[g] = sum_lanes(sum);
  }
  const std::int64_t padded = (tokens.count + 7) / 8 * 8;
  alignas(64) float weights[kGroup * kKeys] = {}, by_scale[kGroup * kKeys];
  multiply_codes<kGroup, kKeyBits>(scaled, base, head_dim,
                                   block.key_codes + tokens.first * head_dim * kKeyBits / 8,
                                   tokens.count, padded, weights);
  float factor[kGroup];
  for (std::int64_t g = 0; g < kGroup; ++g) {
    factor[g] =
        soften(weights + g * kKeys, tokens.count, item.top[from + g], item.weight[from + g]);
  }
  const std::uint8_t* rows = block.value_codes + tokens.first * head_dim * kValueBits / 8;
  for (std::int64_t c = 0; c * group < head_dim; ++c) {
    const std::int64_t at = 2 * (c * head.block_tokens + tokens.first);
    Float8 minima[kGroup] = {};
    for (std::int64_t k = 0; k < padded; k += 8) {
      // Of a last, incomplete vector more is read than belongs to the run: it has no weight, but
      // must be a number.
      const Float8 low = load_halves(block.value_minimum + at + 2 * k);
      const Float8 scale = load_halves(block.value_scale + at + 2 * k);
#pragma GCC unroll 4
      for (std::int64_t g = 0; g < kGroup; ++g) {
        const Float8 w = load(weights + g * kKeys + k);
        minima[g] += w * low;
        store(by_scale + g * kKeys + k, w * scale);
      }
    }
    float minimum[kGroup];
    for (std::int64_t g = 0; g < kGroup; ++g) minimum[g] = sum_lanes(minima[g]);
    constexpr std::int64_t kInWord = vectors_in_word(kValueBits), kMost = kGroup == 4 ? 2 : 4;
    constexpr std::int64_t kVectors = kMost < kInWord ? kMost : kInWord;
    float* sums = item.sums + from * head_dim;
    std::int64_t d = c * group;
    const std::int64_t end = d + group;
    // A step of kVectors stays within a word if it begins at a multiple of itself.
    for (; d % (8 * kVectors) == 0 && d + 8 * kVectors <= end; d += 8 * kVectors) {
      add_codes<kGroup, kVectors, kValueBits>(sums, factor, by_scale, minimum, rows, tokens.count,
                                              head_dim, d);
    }
    for (; d < end; d += 8) {
      add_codes<kGroup, 1, kValueBits>(sums, factor, by_scale, minimum, rows, tokens.count,
                                       head_dim, d);
    }
  }
}

template <int kKeyBits, int kValueBits>
void attend_run(const PackedItem& item, const float* queries, const Tokens& tokens, float* scaled) {
  std::int64_t g = 0;
  for (; g + 4 <= item.group; g += 4) {
    attend_tokens<4, kKeyBits, kValueBits>(item, queries, g, tokens, scaled);
  }
  switch (item.group - g) {
    case 3:
      return attend_tokens<3, kKeyBits, kValueBits>(item, queries, g, tokens, scaled);
    case 2:
      return attend_tokens<2, kKeyBits, kValueBits>(item, queries, g, tokens, scaled);
    case 1:
      return attend_tokens<1, kKeyBits, kValueBits>(item, queries, g, tokens, scaled);
    default:
      return;
  }
}

// The same for any shape, from unpacked rows: [count, head_dim] keys, then as many values.
void attend_unpacked(const PackedItem& item, const float* queries, std::int64_t count,
                     const float* rows) {
  const std::int64_t head_dim = item.keys.head_dim;
  for (std::int64_t g = 0; g < item.group; ++g) {
    alignas(64) float weights[kKeys] = {};
    for (std::int64_t k = 0; k < count; ++k) {
      float logit = 0;
      for (std::int64_t d = 0; d < head_dim; ++d) {
        logit += queries[g * head_dim + d] * rows[k * head_dim + d];
      }
      weights[k] = logit;
    }
    const float factor = soften(weights, count, item.top[g], item.weight[g]);
    float* sums = item.sums + g * head_dim;
    for (std::int64_t d = 0; d < head_dim; ++d) {
      float total = sums[d] * factor;
      for (std::int64_t k = 0; k < count; ++k) {
        total += weights[k] * rows[(count + k) * head_dim + d];
      }
      sums[d] = total;
    }
  }
}

// The run of tokens from `position` on, up to `end`.
Tokens run_at(const PackedHead& head, std::int64_t position, std::int64_t end) {
  const std::int64_t first = position % head.block_tokens;
  std::int64_t count = head.block_tokens - first;
  if (count > kKeys) count = kKeys;
  if (count > end - position) count = end - position;
  return {Block(head, position), first, count};
}

bool fills_words(const PackedHead& head) {
  const auto whole = [&](int bits) { return head.head_dim % (8 * vectors_in_word(bits)) == 0; };
  return whole(head.key_bits) && whole(head.value_bits) && head.value_group % 8 == 0 &&
         head.block_tokens % 8 == 0;
}

// Vector number `n` of a row whose channels fill words, from the row's first word on.
SCSIM_INLINE Float8 vector_of(const std::uint8_t* row, int bits, std::int64_t n) {
  const std::int64_t in_word = vectors_in_word(bits), v = n % in_word;
  return codes(load_word(row + n / in_word * kWordBytes), bits, v) * to_unit(bits, v);
}

void unpack_run(const PackedHead& head, const Tokens& tokens, float* keys, float* values) {
  const std::int64_t head_dim = head.head_dim, group = head.value_group;
  const Block& block = tokens.block;
  const std::int64_t key_bytes = head_dim * head.key_bits / 8;
  const std::int64_t value_bytes = head_dim * head.value_bits / 8;
  for (std::int64_t n = 0; n < head_dim / 8; ++n) {
    const Float8 low = load_halves(block.key_minimum + 16 * n);
    const Float8 scale = load_halves(block.key_scale + 16 * n);
    for (std::int64_t i = 0; i < tokens.count; ++i) {
      const std::uint8_t* row = block.key_codes + (tokens.first + i) * key_bytes;
      store(keys + i * head_dim + 8 * n, vector_of(row, head.key_bits, n) * scale + low);
    }
  }
  for (std::int64_t i = 0; i < tokens.count; ++i) {
    const std::uint8_t* row = block.value_codes + (tokens.first + i) * value_bytes;
    for (std::int64_t d = 0; d < head_dim; d += group) {
      const std::int64_t at = 2 * (d / group * head.block_tokens + tokens.first + i);
      const float low = load_half(block.value_minimum + at);
      const float scale = load_half(block.value_scale + at);
      for (std::int64_t n = d / 8; n < (d + group) / 8; ++n) {
        store(values + i * head_dim + 8 * n, vector_of(row, head.value_bits, n) * scale + low);
      }
    }
  }
}

// For any shape.
void unpack_numbers(const PackedHead& head, const Tokens& tokens, float* keys, float* values) {
  const std::int64_t head_dim = head.head_dim;
  const Block& block = tokens.block;
  for (std::int64_t i = 0; i < tokens.count; ++i, keys += head_dim, values += head_dim) {
    const std::int64_t token = tokens.first + i;
    const std::uint8_t* key_codes = block.key_codes + token * head_dim * head.key_bits / 8;
    const std::uint8_t* value_codes = block.value_codes + token * head_dim * head.value_bits / 8;
    for (std::int64_t d = 0; d < head_dim; ++d) {
      const std::int64_t at = 2 * (d / head.value_group * head.block_tokens + token);
      keys[d] = load_half(block.key_minimum + 2 * d) +
                code(key_codes, head_dim, head.key_bits, d) * load_half(block.key_scale + 2 * d);
      values[d] =
          load_half(block.value_minimum + at) +
          code(value_codes, head_dim, head.value_bits, d) * load_half(block.value_scale + at);
    }
  }
}

using AttendRun = void (*)(const PackedItem&, const float*, const Tokens&, float*);

AttendRun attend_run_of(const PackedHead& head) {
  if (!fills_words(head)) return nullptr;
  const auto of_values = [&](auto with2, auto with4, auto with8) {
    return head.value_bits == 2 ? with2 : head.value_bits == 4 ? with4 : with8;
  };
  switch (head.key_bits) {
    case 2:
      return of_values(attend_run<2, 2>, attend_run<2, 4>, attend_run<2, 8>);
    case 4:
      return of_values(attend_run<4, 2>, attend_run<4, 4>, attend_run<4, 8>);
    default:
      return of_values(attend_run<8, 2>, attend_run<8, 4>, attend_run<8, 8>);
  }
}

}  // namespace

void unpack(const PackedHead& head, std::int64_t first, std::int64_t count, float* keys,
            float* values) {
  const std::int64_t head_dim = head.head_dim;
  for (std::int64_t done = 0; done < count;) {
    const Tokens tokens = run_at(head, first + done, first + count);
    if (fills_words(head)) {
      unpack_run(head, tokens, keys, values);
    } else {
      unpack_numbers(head, tokens, keys, values);
    }
    done += tokens.count;
    keys += tokens.count * head_dim;
    values += tokens.count * head_dim;
  }
}

std::int64_t packed_scratch(std::int64_t group, std::int64_t head_dim) {
  return (group + 4 + 2 * kKeys) * head_dim;
}

void attend_packed(const PackedItem& item, float* scratch) {
  const PackedHead& head = item.keys;
  const std::int64_t head_dim = head.head_dim;
  const float scale = item.scale * kLog2E;
  for (std::int64_t i = 0; i < item.group * head_dim; ++i) {
    scratch[i] = item.q[i] * scale;
    item.sums[i] = 0;
  }
  for (std::int64_t g = 0; g < item.group; ++g) {
    item.top[g] = kMinusInfinity;
    item.weight[g] = 0;
  }
  float* const more = scratch + item.group * head_dim;
  const AttendRun attend = attend_run_of(head);
  for (std::int64_t at = item.begin; at < item.end;) {
    const Tokens tokens = run_at(head, at, item.end);
    if (attend) {
      attend(item, scratch, tokens, more);
    } else {
      unpack_numbers(head, tokens, more, more + tokens.count * head_dim);
      attend_unpacked(item, scratch, tokens.count, more);
    }
    at += tokens.count;
  }
}

}  // namespace scsim::exec::SCSIM_ISA
