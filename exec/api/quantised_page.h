// KV pages in few bits, as KIVI stores them: keys are quantised per channel (their outliers sit in
// channels), in groups of tokens; values per token, in groups of channels. A value is
// minimum + code * scale of its group; minimum and scale are float16 and counted with the codes.
//
//   QuantisedFormat format{.key_bits = 2, .value_bits = 2, .group = 32};
//   at::Tensor packed = quantise_pages(pages, format);       // [pages, packed_bytes] of uint8
//   at::Tensor again = dequantise_pages(packed, format, page_tokens, head_dim, at::kFloat);
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace scsim::exec {

struct QuantisedFormat {
  int key_bits = 4, value_bits = 4;  // 2, 4 or 8
  std::int64_t group = 32;           // tokens of a key group, channels of a value group
  bool operator==(const QuantisedFormat&) const = default;
  // Whole groups only, and whole bytes of codes.
  bool fits(std::int64_t page_tokens, std::int64_t head_dim) const;
  std::int64_t packed_bytes(std::int64_t page_tokens, std::int64_t head_dim) const;
};

// pages [n, 2, page_tokens, head_dim] of any float type. REQUIRES: format.fits().
at::Tensor quantise_pages(const at::Tensor& pages, const QuantisedFormat& format);
// [n, 2, page_tokens, head_dim] of `type`.
at::Tensor dequantise_pages(const at::Tensor& packed, const QuantisedFormat& format,
                            std::int64_t page_tokens, std::int64_t head_dim, at::ScalarType type);

}  // namespace scsim::exec
