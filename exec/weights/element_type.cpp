// Each quantised type is a struct that lies in the file as it is declared here, and a function that
// writes one block. All inner loops have fixed lengths and no branches, so that the compiler makes
// vector code of them; the functions are compiled for two instruction sets and the processor picks.
#include "exec/weights/element_type.h"

#include <array>
#include <bit>
#include <cstring>

#include "traces/check.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define SCSIM_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define SCSIM_EACH_PROCESSOR
#endif

namespace scsim::exec {
namespace {

using Half = std::uint16_t;

// Without branches: the exponent is moved by a multiplication, which makes subnormal numbers right;
// infinities and NaNs, which it leaves finite, get their exponent back.
inline float half_to_float(Half half) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fff) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112F;
  const std::uint32_t special = magnitude >= (0x7c00U << 13) ? 0x7f800000U : 0U;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaled) | special | sign);
}

inline float bfloat_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Blocks are read where they lie, at any address. They have ggml's names.
// NOLINTBEGIN(readability-identifier-naming)
#define SCSIM_IN_FILE __attribute__((packed, may_alias))

struct SCSIM_IN_FILE BlockQ4_0 {
  static constexpr int kElements = 32;
  Half scale;
  std::uint8_t low[16];  // elements 0..15 in the low halves, 16..31 in the high ones
};
struct SCSIM_IN_FILE BlockQ4_1 {
  static constexpr int kElements = 32;
  Half scale, minimum;
  std::uint8_t low[16];
};
struct SCSIM_IN_FILE BlockQ5_0 {
  static constexpr int kElements = 32;
  Half scale;
  std::uint32_t high;  // the fifth bits
  std::uint8_t low[16];
};
struct SCSIM_IN_FILE BlockQ5_1 {
  static constexpr int kElements = 32;
  Half scale, minimum;
  std::uint32_t high;
  std::uint8_t low[16];
};
struct SCSIM_IN_FILE BlockQ8_0 {
  static constexpr int kElements = 32;
  Half scale;
  std::int8_t values[32];
};
struct SCSIM_IN_FILE BlockQ4_K {
  static constexpr int kElements = 256;
  Half scale, minimum;
  std::uint8_t scales[12];  // eight 6-bit scales and eight 6-bit minima
  std::uint8_t low[128];
};
struct SCSIM_IN_FILE BlockQ5_K {
  static constexpr int kElements = 256;
  Half scale, minimum;
  std::uint8_t scales[12];
  std::uint8_t high[32];
  std::uint8_t low[128];
};
struct SCSIM_IN_FILE BlockQ6_K {
  static constexpr int kElements = 256;
  std::uint8_t low[128];
  std::uint8_t high[64];
  std::int8_t scales[16];
  Half scale;
};

inline void write_block(const BlockQ4_0& block, float* __restrict out) {
  const float scale = half_to_float(block.scale);
  for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>((block.low[i] & 15) - 8);
  for (int i = 0; i < 16; ++i) out[i + 16] = scale * static_cast<float>((block.low[i] >> 4) - 8);
}

inline void write_block(const BlockQ4_1& block, float* __restrict out) {
  const float scale = half_to_float(block.scale), minimum = half_to_float(block.minimum);
  for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>(block.low[i] & 15) + minimum;
  for (int i = 0; i < 16; ++i)
    out[i + 16] = scale * static_cast<float>(block.low[i] >> 4) + minimum;
}

// The fifth bit of element i, in its place (16 or 0), from the 32 of a block.
inline int fifth(std::uint32_t bits, int i) { return static_cast<int>((bits >> i) & 1) << 4; }

inline void write_block(const BlockQ5_0& block, float* __restrict out) {
  const float scale = half_to_float(block.scale);
  const std::uint32_t high = block.high;
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>(((block.low[i] & 15) | fifth(high, i)) - 16);
  }
  for (int i = 0; i < 16; ++i) {
    out[i + 16] = scale * static_cast<float>(((block.low[i] >> 4) | fifth(high, i + 16)) - 16);
  }
}

inline void write_block(const BlockQ5_1& block, float* __restrict out) {
  const float scale = half_to_float(block.scale), minimum = half_to_float(block.minimum);
  const std::uint32_t high = block.high;
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>((block.low[i] & 15) | fifth(high, i)) + minimum;
  }
  for (int i = 0; i < 16; ++i) {
    out[i + 16] = scale * static_cast<float>((block.low[i] >> 4) | fifth(high, i + 16)) + minimum;
  }
}

inline void write_block(const BlockQ8_0& block, float* __restrict out) {
  const float scale = half_to_float(block.scale);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(block.values[i]);
}

struct ScalesAndMinima {
  std::array<float, 8> scales, minima;
};

// Bytes 0-3 hold the first four scales and 4-7 the first four minima, six bits each; the others'
// low four bits are in bytes 8-11 and their high two bits in what the first eight bytes leave.
inline ScalesAndMinima unpack(const std::uint8_t (&packed)[12], Half scale, Half minimum) {
  const float by_scale = half_to_float(scale), by_minimum = half_to_float(minimum);
  ScalesAndMinima unpacked;
  for (int i = 0; i < 4; ++i) {
    const int a = packed[i], b = packed[i + 4], rest = packed[i + 8];
    unpacked.scales[i] = by_scale * static_cast<float>(a & 63);
    unpacked.minima[i] = by_minimum * static_cast<float>(b & 63);
    unpacked.scales[i + 4] = by_scale * static_cast<float>((rest & 15) | ((a >> 6) << 4));
    unpacked.minima[i + 4] = by_minimum * static_cast<float>((rest >> 4) | ((b >> 6) << 4));
  }
  return unpacked;
}

inline void write_block(const BlockQ4_K& block, float* __restrict out) {
  const ScalesAndMinima by = unpack(block.scales, block.scale, block.minimum);
  for (std::size_t group = 0; group < 4; ++group) {
    const std::uint8_t* low = block.low + 32 * group;
    float* to = out + 64 * group;
    const float scale0 = by.scales[2 * group], minimum0 = by.minima[2 * group];
    const float scale1 = by.scales[2 * group + 1], minimum1 = by.minima[2 * group + 1];
    for (int i = 0; i < 32; ++i) to[i] = scale0 * static_cast<float>(low[i] & 15) - minimum0;
    for (int i = 0; i < 32; ++i) to[i + 32] = scale1 * static_cast<float>(low[i] >> 4) - minimum1;
  }
}

inline void write_block(const BlockQ5_K& block, float* __restrict out) {
  const ScalesAndMinima by = unpack(block.scales, block.scale, block.minimum);
  for (std::size_t group = 0; group < 4; ++group) {
    const std::uint8_t* low = block.low + 32 * group;
    float* to = out + 64 * group;
    const float scale0 = by.scales[2 * group], minimum0 = by.minima[2 * group];
    const float scale1 = by.scales[2 * group + 1], minimum1 = by.minima[2 * group + 1];
    for (int i = 0; i < 32; ++i) {
      const int fifth = ((block.high[i] >> (2 * group)) & 1) << 4;
      to[i] = scale0 * static_cast<float>((low[i] & 15) | fifth) - minimum0;
    }
    for (int i = 0; i < 32; ++i) {
      const int fifth = ((block.high[i] >> (2 * group + 1)) & 1) << 4;
      to[i + 32] = scale1 * static_cast<float>((low[i] >> 4) | fifth) - minimum1;
    }
  }
}

// Two halves of 128 elements, each of four runs of 32: low bits from 64 bytes (low nibbles of both
// 32s, then the high ones), high two bits from 32 bytes; a scale for each 16.
inline void write_block(const BlockQ6_K& block, float* __restrict out) {
  const float by_scale = half_to_float(block.scale);
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t run = 0; run < 4; ++run) {
      const std::uint8_t* low = block.low + 64 * half + 32 * (run % 2);
      const std::uint8_t* high = block.high + 32 * half;
      const std::int8_t* scales = block.scales + 8 * half + 2 * run;
      const int low_shift = run < 2 ? 0 : 4, high_shift = 2 * static_cast<int>(run);
      float* to = out + 128 * half + 32 * run;
      const float scale0 = by_scale * static_cast<float>(scales[0]);
      const float scale1 = by_scale * static_cast<float>(scales[1]);
      for (int i = 0; i < 16; ++i) {
        const int q = ((low[i] >> low_shift) & 15) | (((high[i] >> high_shift) & 3) << 4);
        to[i] = scale0 * static_cast<float>(q - 32);
      }
      for (int i = 16; i < 32; ++i) {
        const int q = ((low[i] >> low_shift) & 15) | (((high[i] >> high_shift) & 3) << 4);
        to[i] = scale1 * static_cast<float>(q - 32);
      }
    }
  }
}

template <class Block>
inline __attribute__((always_inline)) void write_blocks(const std::byte* bytes,
                                                        std::span<float> out) {
  const auto* block = reinterpret_cast<const Block*>(bytes);
  float* to = out.data();
  for (std::size_t left = out.size(); left > 0; left -= Block::kElements) {
    write_block(*block++, to);
    to += Block::kElements;
  }
}

SCSIM_EACH_PROCESSOR void write_halves(const std::byte* bytes, std::span<float> out) {
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) {
    Half half;
    std::memcpy(&half, bytes + 2 * i, 2);
    to[i] = half_to_float(half);
  }
}

SCSIM_EACH_PROCESSOR void write_bfloats(const std::byte* bytes, std::span<float> out) {
  float* to = out.data();
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, 2);
    to[i] = bfloat_to_float(bits);
  }
}

#define SCSIM_WRITE_BLOCKS(name)                                                         \
  SCSIM_EACH_PROCESSOR void write_##name(const std::byte* bytes, std::span<float> out) { \
    write_blocks<Block##name>(bytes, out);                                               \
  }
SCSIM_WRITE_BLOCKS(Q4_0)
SCSIM_WRITE_BLOCKS(Q4_1)
SCSIM_WRITE_BLOCKS(Q5_0)
SCSIM_WRITE_BLOCKS(Q5_1)
SCSIM_WRITE_BLOCKS(Q8_0)
SCSIM_WRITE_BLOCKS(Q4_K)
SCSIM_WRITE_BLOCKS(Q5_K)
SCSIM_WRITE_BLOCKS(Q6_K)

// NOLINTEND(readability-identifier-naming)

void write_singles(const std::byte* bytes, std::span<float> out) {
  if (!out.empty()) std::memcpy(out.data(), bytes, out.size_bytes());
}

struct Entry {
  ElementFormat format;
  void (*write)(const std::byte*, std::span<float>);
};

template <class Block>
Entry blocks(const char* name, void (*write)(const std::byte*, std::span<float>)) {
  return {{Block::kElements, sizeof(Block), name}, write};
}

const Entry& entry(ElementType type) {
  static const std::array<Entry, 11> table = {{
      {{1, 4, "f32"}, write_singles},
      {{1, 2, "f16"}, write_halves},
      {{1, 2, "bf16"}, write_bfloats},
      blocks<BlockQ4_0>("Q4_0", write_Q4_0),
      blocks<BlockQ4_1>("Q4_1", write_Q4_1),
      blocks<BlockQ5_0>("Q5_0", write_Q5_0),
      blocks<BlockQ5_1>("Q5_1", write_Q5_1),
      blocks<BlockQ8_0>("Q8_0", write_Q8_0),
      blocks<BlockQ4_K>("Q4_K", write_Q4_K),
      blocks<BlockQ5_K>("Q5_K", write_Q5_K),
      blocks<BlockQ6_K>("Q6_K", write_Q6_K),
  }};
  return table[static_cast<std::size_t>(type)];
}

}  // namespace

const ElementFormat& format_of(ElementType type) { return entry(type).format; }

void to_floats(ElementType type, std::span<const std::byte> bytes, std::span<float> out) {
  const Entry& by = entry(type);
  const auto block_elements = static_cast<std::size_t>(by.format.block_elements);
  SCSIM_CHECK_EQ(out.size() % block_elements, 0U);
  SCSIM_CHECK_EQ(bytes.size(),
                 out.size() / block_elements * static_cast<std::size_t>(by.format.block_bytes));
  by.write(bytes.data(), out);
}

}  // namespace scsim::exec
