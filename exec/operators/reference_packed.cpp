// Packed blocks read number by number, as packed_block.h says they lie.
#include <ATen/ATen.h>

#include <cmath>

#include "exec/operators/reference.h"

namespace scsim::exec::reference {
namespace {

double half(const std::uint8_t* bytes) {
  const int bits = bytes[0] + 256 * bytes[1], exponent = bits / 1024 % 32, fraction = bits % 1024;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits >= 32768 ? -magnitude : magnitude;
}

struct Head {
  const std::uint8_t* pool;
  const std::int32_t* blocks;
  std::int64_t head_dim;
  QuantisedFormat format;

  const std::uint8_t* block(std::int64_t token) const {
    return pool + blocks[token / format.group] * format.block_bytes(head_dim);
  }
  // The code of channel d in the row that begins at `row`.
  int code(const std::uint8_t* row, int bits, std::int64_t d) const {
    const std::int64_t word_channels = 128 / bits;
    std::int64_t first_bit = d * bits;
    if (head_dim % word_channels == 0) {
      const std::int64_t in_word = d % word_channels, lane = in_word % 8, i = in_word / 8;
      first_bit = d / word_channels * 128 + lane * 16 + i * bits;
    }
    return (row[first_bit / 8] >> (first_bit % 8)) % (1 << bits);
  }
  double key(std::int64_t token, std::int64_t d) const {
    const std::int64_t elements = format.group * head_dim;
    const std::uint8_t* at = block(token);
    const int found =
        code(at + token % format.group * head_dim * format.key_bits / 8, format.key_bits, d);
    at += elements * (format.key_bits + format.value_bits) / 8;
    return half(at + 2 * d) + found * half(at + 2 * (head_dim + d));
  }
  double value(std::int64_t token, std::int64_t d) const {
    const std::int64_t elements = format.group * head_dim, in_block = token % format.group;
    const std::int64_t channels = format.value_group(head_dim), groups = head_dim / channels;
    const std::uint8_t* at = block(token);
    const int found =
        code(at + elements * format.key_bits / 8 + in_block * head_dim * format.value_bits / 8,
             format.value_bits, d);
    at += elements * (format.key_bits + format.value_bits) / 8 + 4 * head_dim;
    const std::int64_t number = d / channels * format.group + in_block;
    return half(at + 2 * number) + found * half(at + 2 * (groups * format.group + number));
  }
};

}  // namespace

Tensors attention_packed(const at::Tensor& q, const at::Tensor& query_offsets,
                         const at::Tensor& pool, const at::Tensor& block_table,
                         const at::Tensor& kv_lengths, double scale,
                         const QuantisedFormat& format) {
  // Unpacked to pages of one token each, of which every row attends all.
  const std::int64_t sequences = block_table.size(0), kv_heads = block_table.size(1);
  const std::int64_t head_dim = q.size(2), heads = q.size(1);
  at::Tensor out = at::zeros({q.size(0), heads, head_dim}, at::kDouble);
  at::Tensor lse = at::zeros({q.size(0), heads}, at::kDouble);
  for (std::int64_t s = 0; s < sequences; ++s) {
    for (std::int64_t h = 0; h < kv_heads; ++h) {
      const std::int64_t held = kv_lengths[s][h].item<std::int64_t>();
      const at::Tensor numbers = block_table[s][h].contiguous();
      const Head head{pool.const_data_ptr<std::uint8_t>(), numbers.const_data_ptr<std::int32_t>(),
                      head_dim, format};
      at::Tensor pages = at::zeros({std::max<std::int64_t>(held, 1), 2, 1, head_dim}, at::kDouble);
      for (std::int64_t t = 0; t < held; ++t) {
        double* row = pages.mutable_data_ptr<double>() + 2 * t * head_dim;
        for (std::int64_t d = 0; d < head_dim; ++d) {
          row[d] = head.key(t, d);
          row[head_dim + d] = head.value(t, d);
        }
      }
      const at::Tensor table = at::arange(pages.size(0), at::kInt).view({1, 1, -1});
      const at::Tensor length = at::full({1, 1}, held, at::kInt);
      const std::int64_t group = heads / kv_heads;
      for (std::int64_t r = query_offsets[s].item<std::int64_t>();
           r < query_offsets[s + 1].item<std::int64_t>(); ++r) {
        const auto [row_out, row_lse] = attention_decode(
            q.narrow(0, r, 1).narrow(1, h * group, group), pages, table, length, scale);
        out.narrow(0, r, 1).narrow(1, h * group, group).copy_(row_out);
        lse.narrow(0, r, 1).narrow(1, h * group, group).copy_(row_lse);
      }
    }
  }
  return {out, lse};
}

}  // namespace scsim::exec::reference
