#include "exec/operators/reference.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace scsim::exec::reference {
namespace {

at::Tensor wide(const at::Tensor& t) { return t.to(at::kDouble).contiguous(); }

const double* numbers(const at::Tensor& t) { return t.const_data_ptr<double>(); }

const std::int32_t* integers(const at::Tensor& t) { return t.const_data_ptr<std::int32_t>(); }

// One query over the keys at `positions` of one paged head.
void attend(const double* q, const at::Tensor& pool, const std::int32_t* pages,
            const std::vector<std::int64_t>& positions, double scale, double* out, double* lse) {
  const std::int64_t page_tokens = pool.size(2), head_dim = pool.size(3);
  const double* keys_and_values = numbers(pool);
  const auto row = [&](std::int64_t position, std::int64_t which) {
    const std::int64_t page = pages[position / page_tokens];
    return keys_and_values + ((page * 2 + which) * page_tokens + position % page_tokens) * head_dim;
  };
  std::vector<double> logits;
  double top = -std::numeric_limits<double>::infinity();
  for (const std::int64_t position : positions) {
    const double* key = row(position, 0);
    double logit = 0;
    for (std::int64_t d = 0; d < head_dim; ++d) logit += q[d] * key[d];
    logits.push_back(logit * scale);
    top = std::max(top, logits.back());
  }
  std::fill_n(out, head_dim, 0.0);
  *lse = top;
  if (top == -std::numeric_limits<double>::infinity()) return;
  double weights = 0;
  auto logit = logits.begin();
  for (const std::int64_t position : positions) {
    const double weight = std::exp(*logit++ - top);
    const double* value = row(position, 1);
    weights += weight;
    for (std::int64_t d = 0; d < head_dim; ++d) out[d] += weight * value[d];
  }
  for (std::int64_t d = 0; d < head_dim; ++d) out[d] /= weights;
  *lse += std::log(weights);
}

}  // namespace

Tensors attention_prefill(const at::Tensor& q, const at::Tensor& query_offsets,
                          const at::Tensor& pool, const at::Tensor& block_table,
                          const at::Tensor& kv_lengths, double scale,
                          const c10::optional<PrefillSelection>& selection) {
  const at::Tensor queries = wide(q), keys = wide(pool);
  const std::int64_t heads = q.size(1), head_dim = q.size(2);
  const std::int64_t sequences = block_table.size(0), kv_heads = block_table.size(1);
  at::Tensor out = at::zeros({q.size(0), heads, head_dim}, at::kDouble);
  at::Tensor lse = at::zeros({q.size(0), heads}, at::kDouble);
  const std::int32_t* offsets = integers(query_offsets);

  std::int64_t total_tiles = 0;
  for (std::int64_t s = 0; selection && s < sequences; ++s) {
    total_tiles += (offsets[s + 1] - offsets[s] + selection->tile - 1) / selection->tile;
  }
  std::int64_t tiles_before = 0;
  for (std::int64_t s = 0; s < sequences; ++s) {
    const std::int64_t rows = offsets[s + 1] - offsets[s];
    for (std::int64_t h = 0; h < heads; ++h) {
      const std::int64_t head = s * kv_heads + h / (heads / kv_heads);
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t end = integers(kv_lengths)[head] - rows + i + 1;
        std::vector<std::int64_t> positions;
        if (!selection) {
          for (std::int64_t p = 0; p < end; ++p) positions.push_back(p);
        } else {
          const std::int64_t lists = selection->tile_offsets.numel() - 1;
          const std::int64_t of = lists == kv_heads * total_tiles ? h / (heads / kv_heads) : h;
          const std::int64_t list = of * total_tiles + tiles_before + i / selection->tile;
          const std::int64_t stride = selection->stride == 0 ? selection->tile : selection->stride;
          const std::int32_t* at = integers(selection->tile_offsets) + list;
          for (std::int64_t t = at[0]; t < at[1]; ++t) {
            const std::int64_t first = integers(selection->tiles)[t] * stride;
            for (std::int64_t p = first; p < std::min(first + selection->tile, end); ++p) {
              positions.push_back(p);
            }
          }
          if (selection->columns.defined()) {
            at = integers(selection->column_offsets) + list;
            for (std::int64_t c = at[0]; c < at[1]; ++c) {
              const std::int64_t p = integers(selection->columns)[c];
              if (p < end) positions.push_back(p);
            }
          }
          if (selection->bands.defined()) {
            const std::int64_t begin = integers(selection->bands)[2 * list];
            const std::int64_t width = integers(selection->bands)[2 * list + 1];
            for (std::int64_t p = begin; p < end; ++p) {
              if (p >= end - width) positions.push_back(p);
            }
          }
        }
        const std::int64_t row = (offsets[s] + i) * heads + h;
        attend(numbers(queries) + row * head_dim, keys,
               integers(block_table) + head * block_table.size(2), positions, scale,
               out.mutable_data_ptr<double>() + row * head_dim,
               lse.mutable_data_ptr<double>() + row);
      }
    }
    if (selection) tiles_before += (rows + selection->tile - 1) / selection->tile;
  }
  return {out, lse};
}

Tensors attention_at(const at::Tensor& q, const at::Tensor& positions, const at::Tensor& pool,
                     const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale) {
  at::Tensor out = at::zeros(q.sizes(), at::kDouble);
  at::Tensor lse = at::zeros({q.size(0), q.size(1)}, at::kDouble);
  for (std::int64_t i = 0; i < q.size(0); ++i) {
    const at::Tensor attended = at::full_like(kv_lengths, integers(positions)[i] + 1);
    const auto [row, row_lse] =
        attention_decode(q.narrow(0, i, 1), pool, block_table, attended, scale);
    out.narrow(0, i, 1).copy_(row);
    lse.narrow(0, i, 1).copy_(row_lse);
  }
  return {out, lse};
}

Tensors attention_decode(const at::Tensor& q, const at::Tensor& pool, const at::Tensor& block_table,
                         const at::Tensor& kv_lengths, double scale) {
  const at::Tensor queries = wide(q), keys = wide(pool);
  const std::int64_t heads = q.size(1), head_dim = q.size(2), kv_heads = block_table.size(1);
  at::Tensor out = at::zeros({q.size(0), heads, head_dim}, at::kDouble);
  at::Tensor lse = at::zeros({q.size(0), heads}, at::kDouble);
  for (std::int64_t row = 0; row < q.size(0) * heads; ++row) {
    const std::int64_t head = row / heads * kv_heads + row % heads / (heads / kv_heads);
    std::vector<std::int64_t> positions;
    for (std::int64_t p = 0; p < integers(kv_lengths)[head]; ++p) positions.push_back(p);
    attend(numbers(queries) + row * head_dim, keys,
           integers(block_table) + head * block_table.size(2), positions, scale,
           out.mutable_data_ptr<double>() + row * head_dim, lse.mutable_data_ptr<double>() + row);
  }
  return {out, lse};
}

Tensors window_scores(const at::Tensor& q, const at::Tensor& pool, const at::Tensor& block_table,
                      const at::Tensor& kv_lengths, double scale) {
  const at::Tensor queries = wide(q), contents = wide(pool);
  const std::int64_t rows = q.size(0), heads = q.size(1), head_dim = q.size(2);
  const std::int64_t kv_heads = block_table.size(1), page_tokens = pool.size(2);
  const std::int32_t* lengths = integers(kv_lengths);
  const std::int64_t longest = *std::max_element(lengths, lengths + kv_heads);
  at::Tensor columns = at::zeros({heads, longest}, at::kDouble);
  at::Tensor diagonals = at::zeros({heads, longest}, at::kDouble);
  for (std::int64_t h = 0; h < heads; ++h) {
    const std::int64_t kv_head = h / (heads / kv_heads);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t own = lengths[kv_head] - rows + i;
      std::vector<double> weights;
      for (std::int64_t p = 0; p <= own; ++p) {
        const std::int64_t page =
            integers(block_table)[kv_head * block_table.size(2) + p / page_tokens];
        const double* key =
            numbers(contents) + (page * 2 * page_tokens + p % page_tokens) * head_dim;
        double logit = 0;
        for (std::int64_t d = 0; d < head_dim; ++d) {
          logit += numbers(queries)[(i * heads + h) * head_dim + d] * key[d];
        }
        weights.push_back(logit * scale);
      }
      const double top = *std::max_element(weights.begin(), weights.end());
      if (top == -std::numeric_limits<double>::infinity()) continue;
      double sum = 0;
      for (double& weight : weights) sum += weight = std::exp(weight - top);
      for (std::int64_t p = 0; p <= own; ++p) {
        const double weight = weights[static_cast<std::size_t>(p)] / sum;
        columns.mutable_data_ptr<double>()[h * longest + p] += weight;
        diagonals.mutable_data_ptr<double>()[h * longest + own - p] += weight;
      }
    }
  }
  return {columns, diagonals};
}

Tensors attention_listed(const at::Tensor& q, const at::Tensor& pool, const at::Tensor& block_table,
                         const at::Tensor& kv_lengths, double scale, const KeyLists& lists) {
  const at::Tensor queries = wide(q), keys = wide(pool);
  const std::int64_t heads = q.size(1), head_dim = q.size(2), kv_heads = block_table.size(1);
  at::Tensor out = at::zeros({q.size(0), heads, head_dim}, at::kDouble);
  at::Tensor lse = at::zeros({q.size(0), heads}, at::kDouble);
  const bool per_query_head = lists.offsets.size(0) - 1 == q.size(0) * heads;
  for (std::int64_t row = 0; row < q.size(0) * heads; ++row) {
    const std::int64_t head = row / heads * kv_heads + row % heads / (heads / kv_heads);
    const std::int32_t* at = integers(lists.offsets) + (per_query_head ? row : head);
    std::vector<std::int64_t> positions;
    for (std::int64_t i = at[0]; i < at[1]; ++i) {
      const std::int64_t first = integers(lists.units)[i] * lists.unit;
      for (std::int64_t p = first; p < first + lists.unit; ++p) {
        if (p < integers(kv_lengths)[head]) positions.push_back(p);
      }
    }
    attend(numbers(queries) + row * head_dim, keys,
           integers(block_table) + head * block_table.size(2), positions, scale,
           out.mutable_data_ptr<double>() + row * head_dim, lse.mutable_data_ptr<double>() + row);
  }
  return {out, lse};
}

Tensors merge_state(const at::Tensor& out_a, const at::Tensor& lse_a, const at::Tensor& out_b,
                    const at::Tensor& lse_b) {
  const at::Tensor a = wide(out_a), b = wide(out_b), of_a = wide(lse_a), of_b = wide(lse_b);
  at::Tensor out = at::zeros_like(a), lse = at::zeros_like(of_a);
  const std::int64_t n = a.size(-1);
  for (std::int64_t r = 0; r < of_a.numel(); ++r) {
    const double top = std::max(numbers(of_a)[r], numbers(of_b)[r]);
    lse.mutable_data_ptr<double>()[r] = top;
    if (top == -std::numeric_limits<double>::infinity()) continue;
    const double wa = std::exp(numbers(of_a)[r] - top), wb = std::exp(numbers(of_b)[r] - top);
    for (std::int64_t d = r * n; d < (r + 1) * n; ++d) {
      out.mutable_data_ptr<double>()[d] = (wa * numbers(a)[d] + wb * numbers(b)[d]) / (wa + wb);
    }
    lse.mutable_data_ptr<double>()[r] = top + std::log(wa + wb);
  }
  return {out, lse};
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const at::Tensor from = wide(x), scale = wide(weight);
  at::Tensor y = at::zeros_like(from);
  const std::int64_t n = from.size(-1);
  for (std::int64_t r = 0; r < from.numel() / n; ++r) {
    double squares = 0;
    for (std::int64_t d = 0; d < n; ++d) squares += std::pow(numbers(from)[r * n + d], 2);
    for (std::int64_t d = 0; d < n; ++d) {
      y.mutable_data_ptr<double>()[r * n + d] =
          numbers(from)[r * n + d] / std::sqrt(squares / static_cast<double>(n) + epsilon) *
          numbers(scale)[d];
    }
  }
  return y;
}

at::Tensor silu_and_multiply(const at::Tensor& gate_up) {
  const at::Tensor from = wide(gate_up);
  const std::int64_t n = from.size(1) / 2;
  at::Tensor y = at::zeros({from.size(0), n}, at::kDouble);
  for (std::int64_t r = 0; r < from.size(0); ++r) {
    for (std::int64_t d = 0; d < n; ++d) {
      const double gate = numbers(from)[r * 2 * n + d], up = numbers(from)[r * 2 * n + n + d];
      y.mutable_data_ptr<double>()[r * n + d] = gate / (1 + std::exp(-gate)) * up;
    }
  }
  return y;
}

at::Tensor rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                bool interleaved) {
  const at::Tensor c = wide(cos), s = wide(sin);
  at::Tensor y = wide(x).clone();
  const std::int64_t heads = x.size(1), head_dim = x.size(2), half = cos.size(1);
  for (std::int64_t row = 0; row < x.size(0) * heads; ++row) {
    double* head = y.mutable_data_ptr<double>() + row * head_dim;
    for (std::int64_t i = 0; i < half; ++i) {
      double& a = head[interleaved ? 2 * i : i];
      double& b = head[interleaved ? 2 * i + 1 : half + i];
      const double cosine = numbers(c)[row / heads * half + i];
      const double sine = numbers(s)[row / heads * half + i];
      const double turned = a * cosine - b * sine;
      b = b * cosine + a * sine;
      a = turned;
    }
  }
  return y;
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                  const c10::optional<at::Tensor>& bias) {
  const at::Tensor from = wide(x), weights = wide(weight);
  const at::Tensor added = bias ? wide(*bias) : at::zeros({weight.size(0)}, at::kDouble);
  at::Tensor y = at::zeros({x.size(0), weight.size(0)}, at::kDouble);
  const std::int64_t inputs = x.size(1), outputs = weight.size(0);
  for (std::int64_t r = 0; r < x.size(0); ++r) {
    for (std::int64_t o = 0; o < outputs; ++o) {
      double sum = numbers(added)[o];
      for (std::int64_t i = 0; i < inputs; ++i) {
        sum += numbers(from)[r * inputs + i] * numbers(weights)[o * inputs + i];
      }
      y.mutable_data_ptr<double>()[r * outputs + o] = sum;
    }
  }
  return y;
}

}  // namespace scsim::exec::reference
