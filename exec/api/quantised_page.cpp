// Layout of a packed page: codes of the keys, codes of the values, then minima and scales (float16)
// of the keys' groups [token groups, head_dim] and of the values' groups [page_tokens, channel
// groups]. Codes lie side by side along the channels, the lowest bits first.
#include "exec/api/quantised_page.h"

#include <ATen/ATen.h>

#include "traces/check.h"

namespace scsim::exec {
namespace {

at::Tensor pack(const at::Tensor& codes, int bits) {  // [n, elements] of uint8 -> [n, bytes]
  if (bits == 8) return codes;
  const std::int64_t per_byte = 8 / bits;
  const at::Tensor parts = codes.reshape({codes.size(0), -1, per_byte});
  at::Tensor packed = parts.select(2, 0).clone();
  for (std::int64_t i = 1; i < per_byte; ++i) {
    packed.bitwise_or_(parts.select(2, i).bitwise_left_shift(i * bits));
  }
  return packed;
}

at::Tensor unpack(const at::Tensor& packed, int bits) {
  if (bits == 8) return packed;
  const std::int64_t per_byte = 8 / bits;
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < per_byte; ++i) {
    parts.push_back(packed.bitwise_right_shift(i * bits).bitwise_and((1 << bits) - 1));
  }
  return at::stack(parts, 2).reshape({packed.size(0), -1});
}

struct Codes {
  at::Tensor codes, minimum, scale;
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

at::Tensor bytes_of(const at::Tensor& x) {  // [n, ...] of float16 -> [n, bytes]
  return x.contiguous().reshape({x.size(0), -1}).view(at::kByte);
}

at::Tensor halves(const at::Tensor& bytes, at::IntArrayRef shape) {
  return bytes.contiguous().view(at::kHalf).reshape(shape).to(at::kFloat);
}

}  // namespace

bool QuantisedFormat::fits(std::int64_t page_tokens, std::int64_t head_dim) const {
  const auto known = [](int bits) { return bits == 2 || bits == 4 || bits == 8; };
  return known(key_bits) && known(value_bits) && group > 0 && page_tokens % group == 0 &&
         head_dim % group == 0 && head_dim % 4 == 0;
}

std::int64_t QuantisedFormat::packed_bytes(std::int64_t page_tokens, std::int64_t head_dim) const {
  const std::int64_t elements = page_tokens * head_dim;
  return elements * key_bits / 8 + elements * value_bits / 8 + 2 * (elements / group) * 4;
}

at::Tensor quantise_pages(const at::Tensor& pages, const QuantisedFormat& format) {
  const std::int64_t n = pages.size(0), tokens = pages.size(2), dim = pages.size(3);
  SCSIM_CHECK(format.fits(tokens, dim));
  const at::Tensor k =
      pages.select(1, 0).to(at::kFloat).reshape({n, tokens / format.group, format.group, dim});
  const at::Tensor v =
      pages.select(1, 1).to(at::kFloat).reshape({n, tokens, dim / format.group, format.group});
  const Codes keys = encode(k, 2, format.key_bits), values = encode(v, 3, format.value_bits);
  return at::cat({pack(keys.codes.reshape({n, -1}), format.key_bits),
                  pack(values.codes.reshape({n, -1}), format.value_bits), bytes_of(keys.minimum),
                  bytes_of(keys.scale), bytes_of(values.minimum), bytes_of(values.scale)},
                 1);
}

at::Tensor dequantise_pages(const at::Tensor& packed, const QuantisedFormat& format,
                            std::int64_t page_tokens, std::int64_t head_dim, at::ScalarType type) {
  const std::int64_t n = packed.size(0), elements = page_tokens * head_dim;
  SCSIM_CHECK_EQ(packed.size(1), format.packed_bytes(page_tokens, head_dim));
  std::int64_t at = 0;
  const auto take = [&](std::int64_t bytes) {
    at += bytes;
    return packed.narrow(1, at - bytes, bytes);
  };
  const std::int64_t groups = elements / format.group * 2;  // bytes of their minima, or scales
  const std::vector<std::int64_t> key_groups = {n, page_tokens / format.group, 1, head_dim};
  const std::vector<std::int64_t> value_groups = {n, page_tokens, head_dim / format.group, 1};
  const at::Tensor k = unpack(take(elements * format.key_bits / 8), format.key_bits)
                           .reshape({n, page_tokens / format.group, format.group, head_dim});
  const at::Tensor v = unpack(take(elements * format.value_bits / 8), format.value_bits)
                           .reshape({n, page_tokens, head_dim / format.group, format.group});
  const at::Tensor key_minimum = halves(take(groups), key_groups);
  const at::Tensor key_scale = halves(take(groups), key_groups);
  const at::Tensor value_minimum = halves(take(groups), value_groups);
  const at::Tensor value_scale = halves(take(groups), value_groups);
  const std::vector<std::int64_t> page = {n, page_tokens, head_dim};
  return at::stack({(k.to(at::kFloat) * key_scale + key_minimum).reshape(page),
                    (v.to(at::kFloat) * value_scale + value_minimum).reshape(page)},
                   1)
      .to(type);
}

}  // namespace scsim::exec
