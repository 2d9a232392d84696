// Keys and values in few bits, as KIVI stores them, in blocks of `group` tokens of one kv head.
// Keys are quantised per channel (their outliers sit in channels) over the tokens of the block;
// values per token, in groups of channels. A number is minimum + code * scale of its group; minimum
// and scale are float16.
//
//   QuantisedFormat format{.key_bits = 2, .value_bits = 2, .group = 32};
//   at::Tensor packed = pack_blocks(rows, format);          // [blocks, block_bytes] of uint8
//   at::Tensor again = unpack_blocks(packed, format, head_dim, at::kFloat);
//
// A block is, one part behind the other: codes of the keys [group, head_dim], codes of the values
// likewise, minima and scales of the keys [head_dim] each, minima and scales of the values [channel
// groups, group] each. Codes lie side by side along the channels, the lowest bits first, where
// words of 16 bytes are filled by whole vectors of eight channels in an order that a vector
// register likes: the i-th code of the 16 bits that are lane l is channel 8 * i + l of the word's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace scsim::exec {

struct QuantisedFormat {
  int key_bits = 4, value_bits = 4;  // 2, 4 or 8
  std::int64_t group = 32;           // tokens of a block
  bool operator==(const QuantisedFormat&) const = default;

  // Channels of a value group: `group`, or where that does not divide a head, what divides both.
  std::int64_t value_group(std::int64_t head_dim) const;
  bool fits(std::int64_t head_dim) const;  // known bits, and whole bytes of codes
  std::int64_t block_bytes(std::int64_t head_dim) const;
};

// rows [blocks, 2, group, head_dim] of any floating type: keys, then values. REQUIRES:
// format.fits().
at::Tensor pack_blocks(const at::Tensor& rows, const QuantisedFormat& format);
// [blocks, 2, group, head_dim] of `type`.
at::Tensor unpack_blocks(const at::Tensor& packed, const QuantisedFormat& format,
                         std::int64_t head_dim, at::ScalarType type);

// In place, to what packing would read back: the keys [format.group, head_dim] of one block, whose
// rows need not lie together; the values of tokens of any number. Packing what was rounded keeps it
// (as long as the numbers of a group differ by more than float16 loses of the largest of them).
void round_keys(std::span<float* const> rows, std::int64_t head_dim, const QuantisedFormat& format);
void round_values(std::span<float* const> rows, std::int64_t head_dim,
                  const QuantisedFormat& format);
// The same on tensors [format.group or tokens, head_dim] of any device and floating type, as new
// ones.
at::Tensor rounded_keys(const at::Tensor& rows, const QuantisedFormat& format);
at::Tensor rounded_values(const at::Tensor& rows, const QuantisedFormat& format);

}  // namespace scsim::exec
