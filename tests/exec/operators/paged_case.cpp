#include "tests/exec/operators/paged_case.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "exec/operators/generic.h"
#include "exec/operators/reference.h"

namespace scsim::exec::test {
namespace {

Tensors cpu_prefill(const PagedCase& c, const c10::optional<PrefillSelection>& selection) {
  return attention_prefill(c.q, c.query_offsets, c.pool, c.block_table, c.kv_lengths, c.scale,
                           selection);
}

Tensors cpu_decode(const PagedCase& c) {
  return attention_decode(c.decode_q, c.pool, c.block_table, c.kv_lengths, c.scale);
}

Tensors generic_prefill(const PagedCase& c, const c10::optional<PrefillSelection>& selection) {
  const auto given = [](const at::Tensor& t) {
    return t.defined() ? OptionalTensor(t) : OptionalTensor();
  };
  const PrefillSelection chosen = selection ? *selection : PrefillSelection{};
  return generic::attention_prefill(c.q, c.query_offsets, c.pool, c.block_table, c.kv_lengths,
                                    c.scale, given(chosen.tile_offsets), given(chosen.tiles),
                                    given(chosen.column_offsets), given(chosen.columns),
                                    chosen.tile, given(chosen.bands), chosen.stride);
}

Tensors generic_decode(const PagedCase& c) {
  return generic::attention_decode(c.decode_q, c.pool, c.block_table, c.kv_lengths, c.scale);
}

}  // namespace

at::Tensor normal(Rng& rng, at::IntArrayRef sizes, double deviation) {
  at::Tensor t = at::empty(sizes, at::kFloat);
  float* to = t.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) to[i] = static_cast<float>(rng.normal() * deviation);
  return t;
}

at::Tensor int32s(const std::vector<std::int64_t>& values) {
  at::Tensor t = at::empty({static_cast<std::int64_t>(values.size())}, at::kInt);
  std::ranges::transform(values, t.mutable_data_ptr<std::int32_t>(),
                         [](std::int64_t v) { return static_cast<std::int32_t>(v); });
  return t;
}

PagedCase::PagedCase(const PagedShape& shape, Rng& rng) {
  const auto pages_of = [&](std::int64_t length) {
    return (length + shape.page_tokens - 1) / shape.page_tokens;
  };
  std::int64_t num_pages = 2, max_pages = 1;
  for (const auto& heads : shape.lengths) {
    for (const std::int64_t length : heads) {
      num_pages += pages_of(length);
      max_pages = std::max(max_pages, pages_of(length));
    }
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(num_pages));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);

  const std::int64_t sequences = static_cast<std::int64_t>(shape.lengths.size());
  pool = at::full({num_pages, 2, shape.page_tokens, shape.head_dim},
                  std::numeric_limits<float>::quiet_NaN(), at::kFloat);
  block_table = at::full({sequences, shape.kv_heads, max_pages}, -1, at::kInt);
  kv_lengths = at::zeros({sequences, shape.kv_heads}, at::kInt);
  auto next = order.begin();
  for (std::int64_t s = 0; s < sequences; ++s) {
    for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
      const std::int64_t length =
          shape.lengths[static_cast<std::size_t>(s)][static_cast<std::size_t>(h)];
      kv_lengths[s][h] = length;
      for (std::int64_t p = 0; p < pages_of(length); ++p) {
        block_table[s][h][p] = *next;
        const std::int64_t held = std::min(shape.page_tokens, length - p * shape.page_tokens);
        pool[*next++].narrow(1, 0, held).copy_(normal(rng, {2, held, shape.head_dim}));
      }
    }
  }
  std::vector<std::int64_t> offsets = {0};
  for (const std::int64_t n : shape.new_tokens) offsets.push_back(offsets.back() + n);
  query_offsets = int32s(offsets);
  const std::int64_t heads = shape.kv_heads * shape.group;
  q = normal(rng, {offsets.back(), heads, shape.head_dim});
  decode_q = normal(rng, {sequences, heads, shape.head_dim});
  scale = 1 / std::sqrt(static_cast<double>(shape.head_dim));
}

PagedCase PagedCase::sequence(std::int64_t s) const {
  PagedCase one = *this;
  const std::int64_t first = query_offsets[s].item<std::int64_t>();
  const std::int64_t rows = query_offsets[s + 1].item<std::int64_t>() - first;
  one.block_table = block_table.narrow(0, s, 1).contiguous();
  one.kv_lengths = kv_lengths.narrow(0, s, 1).contiguous();
  one.q = q.narrow(0, first, rows);
  one.query_offsets = int32s({0, rows});
  one.decode_q = decode_q.narrow(0, s, 1);
  return one;
}

PagedShape random_shape(Rng& rng) {
  const std::vector<std::int64_t> head_dims = {32, 64, 80, 128, 20};
  const std::vector<std::int64_t> pages = {1, 3, 16, 64, 100, 128};
  PagedShape shape;
  shape.kv_heads = 1 + static_cast<std::int64_t>(rng.below(3));
  shape.group = 1 + static_cast<std::int64_t>(rng.below(8));
  shape.head_dim = head_dims[rng.below(head_dims.size())];
  shape.page_tokens = pages[rng.below(pages.size())];
  const std::uint64_t sequences = 1 + rng.below(3);
  for (std::uint64_t s = 0; s < sequences; ++s) {
    shape.lengths.emplace_back();
    std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
    for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
      shape.lengths.back().push_back(
          rng.chance(0.15) ? 0 : static_cast<std::int64_t>(rng.below(rng.chance(0.2) ? 700 : 150)));
      shortest = std::min(shortest, shape.lengths.back().back());
    }
    const std::int64_t most = std::min<std::int64_t>(shortest, 90);
    shape.new_tokens.push_back(
        static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most) + 1)));
  }
  return shape;
}

PrefillSelection random_selection(const PagedCase& c, std::int64_t tile, Rng& rng,
                                  bool by_kv_head) {
  std::vector<std::int64_t> tile_offsets = {0}, tiles, column_offsets = {0}, columns;
  const std::int64_t kv_heads = c.block_table.size(1);
  const std::int64_t heads = by_kv_head ? kv_heads : c.q.size(1);
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t s = 0; s < c.block_table.size(0); ++s) {
      const std::int64_t rows = (c.query_offsets[s + 1] - c.query_offsets[s]).item<std::int64_t>();
      const std::int64_t held = c.kv_lengths[s][h / (heads / kv_heads)].item<std::int64_t>();
      for (std::int64_t t = 0; t * tile < rows; ++t) {
        for (std::int64_t k = 0; k * tile < held; ++k) {
          if (rng.chance(0.4)) {
            tiles.push_back(k);
            continue;
          }
          for (std::int64_t p = k * tile; p < std::min((k + 1) * tile, held); ++p) {
            if (rng.chance(0.2)) columns.push_back(p);
          }
        }
        tile_offsets.push_back(static_cast<std::int64_t>(tiles.size()));
        column_offsets.push_back(static_cast<std::int64_t>(columns.size()));
      }
    }
  }
  return {.tile = tile,
          .tile_offsets = int32s(tile_offsets),
          .tiles = int32s(tiles),
          .column_offsets = int32s(column_offsets),
          .columns = int32s(columns)};
}

PrefillSelection random_bands(const PagedCase& c, std::int64_t tile, Rng& rng, bool by_kv_head) {
  std::vector<std::int64_t> tile_offsets = {0}, tiles, column_offsets = {0}, columns, bands;
  const std::int64_t kv_heads = c.block_table.size(1);
  const std::int64_t heads = by_kv_head ? kv_heads : c.q.size(1);
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t s = 0; s < c.block_table.size(0); ++s) {
      const std::int64_t rows = (c.query_offsets[s + 1] - c.query_offsets[s]).item<std::int64_t>();
      const std::int64_t held = c.kv_lengths[s][h / (heads / kv_heads)].item<std::int64_t>();
      for (std::int64_t t = 0; t * tile < rows; ++t) {
        // Where the band begins: behind it a band, below it tiles at any key and columns.
        const auto begin =
            static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(held) + 1));
        bands.push_back(begin);
        bands.push_back(rng.chance(0.2) ? 0 : static_cast<std::int64_t>(1 + rng.below(120)));
        for (std::int64_t p = 0; p < begin;) {
          if (rng.chance(0.05) && p + tile <= begin) {
            tiles.push_back(p);
            p += tile;
            continue;
          }
          if (rng.chance(0.2)) columns.push_back(p);
          ++p;
        }
        tile_offsets.push_back(static_cast<std::int64_t>(tiles.size()));
        column_offsets.push_back(static_cast<std::int64_t>(columns.size()));
      }
    }
  }
  return {.tile = tile,
          .stride = 1,
          .tile_offsets = int32s(tile_offsets),
          .tiles = int32s(tiles),
          .column_offsets = int32s(column_offsets),
          .columns = int32s(columns),
          .bands = int32s(bands).view({-1, 2})};
}

const std::vector<Implementation>& implementations() {
  static const std::vector<Implementation> all = {{"cpu", cpu_prefill, cpu_decode},
                                                  {"generic", generic_prefill, generic_decode}};
  return all;
}

Tensors expected_prefill(const PagedCase& c, const c10::optional<PrefillSelection>& selection) {
  return reference::attention_prefill(c.q, c.query_offsets, c.pool, c.block_table, c.kv_lengths,
                                      c.scale, selection);
}

Tensors expected_decode(const PagedCase& c) {
  return reference::attention_decode(c.decode_q, c.pool, c.block_table, c.kv_lengths, c.scale);
}

double difference(const at::Tensor& found, const at::Tensor& expected) {
  if (found.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
  const at::Tensor a = found.to(at::kDouble).contiguous(), b = expected.contiguous();
  double largest = 1, apart = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.const_data_ptr<double>()[i], y = b.const_data_ptr<double>()[i];
    if (x == y) continue;
    const double d = std::abs(x - y);
    apart =
        d >= 0 ? std::max(apart, d) : std::numeric_limits<double>::infinity();  // NaN is no match
    if (std::isfinite(y)) largest = std::max(largest, std::abs(y));
  }
  return apart / largest;
}

double difference(const Tensors& found, const Tensors& expected) {
  return std::max(difference(std::get<0>(found), std::get<0>(expected)),
                  difference(std::get<1>(found), std::get<1>(expected)));
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && a.is_contiguous() &&
         b.is_contiguous() &&
         (a.numel() == 0 || std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0);
}

bool same_bits(const Tensors& a, const Tensors& b) {
  return same_bits(std::get<0>(a), std::get<0>(b)) && same_bits(std::get<1>(a), std::get<1>(b));
}

}  // namespace scsim::exec::test
