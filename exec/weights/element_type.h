// How a checkpoint stores numbers: as floats one by one, or in blocks of 32 or 256 that share their
// scales (GGUF's quantised types).
//
//   to_floats(ElementType::kQ4_1, bytes, out);     // out.size() elements
//
// The values are those of ggml's reference code to the last bit: products and sums are single
// float32 operations in its order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace scsim::exec {

// The quantised types have ggml's names. NOLINTBEGIN(readability-identifier-naming)
enum class ElementType : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ5_K,
  kQ6_K
};
// NOLINTEND(readability-identifier-naming)

struct ElementFormat {
  std::int64_t block_elements = 1;  // 1: no blocks
  std::int64_t block_bytes = 0;
  std::string name;  // for people: "f32", "bf16", "Q4_1"
};
const ElementFormat& format_of(ElementType type);

// Writes out.size() values. REQUIRES: whole blocks, and that many bytes. May be called by several
// threads at once.
void to_floats(ElementType type, std::span<const std::byte> bytes, std::span<float> out);

}  // namespace scsim::exec
