#include "exec/operators/packed_block.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace scsim::exec {
namespace {

// Channels come in words of 16 bytes where they fill them.
bool in_words(std::int64_t head_dim, int bits) { return head_dim % (128 / bits) == 0; }

at::Tensor pack(const at::Tensor& codes, int bits) {  // [..., head_dim] -> [..., bytes]
  std::vector<std::int64_t> shape = codes.sizes().vec();
  const std::int64_t per_byte = 8 / bits, head_dim = shape.back();
  at::Tensor ordered = codes;
  if (in_words(head_dim, bits)) {
    ordered = codes.reshape({-1, head_dim * bits / 128, 16 / bits, 8}).transpose(2, 3);
  }
  const at::Tensor parts = ordered.reshape({-1, per_byte});
  at::Tensor packed = parts.select(1, 0).clone();
  for (std::int64_t i = 1; i < per_byte; ++i) {
    packed.bitwise_or_(parts.select(1, i).bitwise_left_shift(i * bits));
  }
  shape.back() = head_dim * bits / 8;
  return packed.reshape(shape);
}

at::Tensor unpack(const at::Tensor& packed, std::int64_t head_dim, int bits) {
  std::vector<std::int64_t> shape = packed.sizes().vec();
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < 8 / bits; ++i) {
    parts.push_back(packed.bitwise_right_shift(i * bits).bitwise_and((1 << bits) - 1));
  }
  at::Tensor codes = at::stack(parts, -1);
  if (in_words(head_dim, bits)) {
    codes = codes.reshape({-1, head_dim * bits / 128, 8, 16 / bits}).transpose(2, 3);
  }
  shape.back() = head_dim;
  return codes.reshape(shape);
}

struct Codes {
  at::Tensor codes, minimum, scale;  // the latter float16, with 1 as the size of the group's extent
};

// Codes are chosen for the rounded minimum and scale, which is what reading them back will use.
Codes encode(const at::Tensor& x, std::int64_t group_dim, int bits) {
  const double levels = (1 << bits) - 1;
  const at::Tensor low = x.amin(group_dim, true), high = x.amax(group_dim, true);
  Codes out;
  out.minimum = low.to(at::kHalf);
  const at::Tensor minimum = out.minimum.to(at::kFloat);
  out.scale = ((high - minimum) / levels).to(at::kHalf);
  const at::Tensor scale = out.scale.to(at::kFloat);
  const at::Tensor safe = at::where(scale == 0, at::ones_like(scale), scale);
  out.codes = ((x - minimum) / safe).round_().clamp_(0, levels).to(at::kByte);
  return out;
}

at::Tensor decode(const Codes& of) {
  return of.codes.to(at::kFloat) * of.scale.to(at::kFloat) + of.minimum.to(at::kFloat);
}

at::Tensor bytes_of(const at::Tensor& x) {  // [n, ...] of float16 -> [n, bytes]
  return x.contiguous().reshape({x.size(0), -1}).view(at::kByte);
}

// The same arithmetic on the numbers from(0) .. from(n - 1).
template <class Number>
void round_group(std::int64_t n, int bits, const Number& number) {
  float low = std::numeric_limits<float>::infinity(), high = -low;
  for (std::int64_t i = 0; i < n; ++i) {
    low = std::min(low, number(i));
    high = std::max(high, number(i));
  }
  const auto levels = static_cast<float>((1 << bits) - 1);
  const float minimum = static_cast<c10::Half>(low);
  const float scale = static_cast<c10::Half>((high - minimum) / levels);
  const float safe = scale == 0 ? 1 : scale;
  for (std::int64_t i = 0; i < n; ++i) {
    const float code = std::clamp(std::nearbyint((number(i) - minimum) / safe), 0.0F, levels);
    number(i) = code * scale + minimum;
  }
}

}  // namespace

std::int64_t QuantisedFormat::value_group(std::int64_t head_dim) const {
  return std::gcd(group, head_dim);
}

bool QuantisedFormat::fits(std::int64_t head_dim) const {
  const auto known = [](int bits) { return bits == 2 || bits == 4 || bits == 8; };
  return known(key_bits) && known(value_bits) && group > 0 && head_dim % 4 == 0;
}

std::int64_t QuantisedFormat::block_bytes(std::int64_t head_dim) const {
  const std::int64_t elements = group * head_dim, halves = 2;
  return elements * key_bits / 8 + elements * value_bits / 8 + 2 * head_dim * halves +
         2 * (elements / value_group(head_dim)) * halves;
}

at::Tensor pack_blocks(const at::Tensor& rows, const QuantisedFormat& format) {
  const std::int64_t n = rows.size(0), tokens = rows.size(2), dim = rows.size(3);
  TORCH_CHECK(format.fits(dim) && tokens == format.group, "pack_blocks: a block is ", format.group,
              " tokens; found ", rows.sizes());
  const at::Tensor all = rows.to(at::kFloat);
  const std::int64_t channels = format.value_group(dim);
  const Codes keys = encode(all.select(1, 0), 1, format.key_bits);
  const Codes values =
      encode(all.select(1, 1).reshape({n, tokens, -1, channels}), 3, format.value_bits);
  const auto by_group = [](const at::Tensor& x) { return bytes_of(x.squeeze(3).transpose(1, 2)); };
  return at::cat({pack(keys.codes, format.key_bits).reshape({n, -1}),
                  pack(values.codes.reshape({n, tokens, dim}), format.value_bits).reshape({n, -1}),
                  bytes_of(keys.minimum), bytes_of(keys.scale), by_group(values.minimum),
                  by_group(values.scale)},
                 1);
}

at::Tensor unpack_blocks(const at::Tensor& packed, const QuantisedFormat& format,
                         std::int64_t head_dim, at::ScalarType type) {
  const std::int64_t n = packed.size(0), tokens = format.group, elements = tokens * head_dim;
  TORCH_CHECK(packed.size(1) == format.block_bytes(head_dim), "unpack_blocks: a block has ",
              format.block_bytes(head_dim), " bytes; found ", packed.sizes());
  const std::int64_t channels = format.value_group(head_dim), groups = head_dim / channels;
  std::int64_t at = 0;
  const auto take = [&](std::int64_t bytes) {
    at += bytes;
    return packed.narrow(1, at - bytes, bytes);
  };
  const auto halves = [&](std::int64_t count, at::IntArrayRef shape) {
    return take(2 * count).clone(at::MemoryFormat::Contiguous).view(at::kHalf).reshape(shape);
  };
  Codes keys, values;
  keys.codes = unpack(take(elements * format.key_bits / 8).reshape({n, tokens, -1}), head_dim,
                      format.key_bits);
  values.codes = unpack(take(elements * format.value_bits / 8).reshape({n, tokens, -1}), head_dim,
                        format.value_bits)
                     .reshape({n, tokens, groups, channels});
  keys.minimum = halves(head_dim, {n, 1, head_dim});
  keys.scale = halves(head_dim, {n, 1, head_dim});
  values.minimum = halves(groups * tokens, {n, groups, tokens}).transpose(1, 2).unsqueeze(3);
  values.scale = halves(groups * tokens, {n, groups, tokens}).transpose(1, 2).unsqueeze(3);
  return at::stack({decode(keys), decode(values).reshape({n, tokens, head_dim})}, 1).to(type);
}

void round_keys(std::span<float* const> rows, std::int64_t head_dim,
                const QuantisedFormat& format) {
  for (std::int64_t d = 0; d < head_dim; ++d) {
    round_group(std::ssize(rows), format.key_bits,
                [&](std::int64_t i) -> float& { return rows[static_cast<std::size_t>(i)][d]; });
  }
}

void round_values(std::span<float* const> rows, std::int64_t head_dim,
                  const QuantisedFormat& format) {
  const std::int64_t channels = format.value_group(head_dim);
  for (float* row : rows) {
    for (std::int64_t d = 0; d < head_dim; d += channels) {
      round_group(channels, format.value_bits,
                  [&](std::int64_t i) -> float& { return row[d + i]; });
    }
  }
}

at::Tensor rounded_keys(const at::Tensor& rows, const QuantisedFormat& format) {
  return decode(encode(rows.to(at::kFloat), 0, format.key_bits)).to(rows.scalar_type());
}

at::Tensor rounded_values(const at::Tensor& rows, const QuantisedFormat& format) {
  const at::Tensor groups =
      rows.to(at::kFloat).reshape({rows.size(0), -1, format.value_group(rows.size(1))});
  return decode(encode(groups, 2, format.value_bits)).reshape(rows.sizes()).to(rows.scalar_type());
}

}  // namespace scsim::exec
