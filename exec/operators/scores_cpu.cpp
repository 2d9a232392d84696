// window_scores on the CPU in float32: cuts the keys of each kv head in parts for cpu/scores.cpp.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "exec/operators/checks.h"
#include "exec/operators/cpu/kernels.h"
#include "exec/operators/parallel.h"

namespace scsim::exec {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
// Keys of a part: a constant, because it decides the last bits of the result.
constexpr std::int64_t kKeyPart = 512;

struct Part {
  std::int64_t kv_head, begin, end;
};

// The rows' LSE [rows, query_heads] from what each part has of it, in the order of parts.
at::Tensor lse_of_rows(const AttentionShape& shape, const std::vector<Part>& parts,
                       const std::vector<float>& tops, const std::vector<float>& weights) {
  at::Tensor lse = at::empty({shape.rows, shape.query_heads}, at::kFloat);
  float* to = lse.mutable_data_ptr<float>();
  const std::int64_t size = shape.rows * shape.group;
  std::vector<float> top(static_cast<std::size_t>(shape.rows * shape.query_heads), kMinusInfinity);
  std::vector<float> weight(top.size(), 0.0F);
  const auto each = [&](const auto& use) {
    for (std::size_t p = 0; p < parts.size(); ++p) {
      for (std::int64_t i = 0; i < size; ++i) {
        const std::int64_t head = parts[p].kv_head * shape.group + i % shape.group;
        use(static_cast<std::size_t>(i / shape.group * shape.query_heads + head),
            p * static_cast<std::size_t>(size) + static_cast<std::size_t>(i));
      }
    }
  };
  each([&](std::size_t row, std::size_t at) { top[row] = std::max(top[row], tops[at]); });
  each([&](std::size_t row, std::size_t at) {
    if (weights[at] != 0) weight[row] += weights[at] * std::exp2(tops[at] - top[row]);
  });
  for (std::size_t row = 0; row < top.size(); ++row) {
    to[row] = weight[row] == 0 ? kMinusInfinity
                               : (top[row] + std::log2(weight[row])) * 0.693147180559945309F;
  }
  return lse;
}

std::tuple<at::Tensor, at::Tensor> window_scores(const at::Tensor& q_given, const at::Tensor& pool,
                                                 const at::Tensor& block_table,
                                                 const at::Tensor& kv_lengths, double scale,
                                                 const OptionalTensor& lse_given,
                                                 bool with_diagonals) {
  const AttentionShape shape = check_scores(q_given, pool, block_table, kv_lengths, lse_given);
  TORCH_CHECK(q_given.scalar_type() == at::kFloat,
              "scsim::window_scores: the CPU computes in float32; found ", q_given.scalar_type(),
              " q ", q_given.sizes());
  const at::Tensor q = q_given.contiguous();
  const std::int32_t* lengths = kv_lengths.const_data_ptr<std::int32_t>();
  const std::int64_t longest = *std::max_element(lengths, lengths + shape.kv_heads);
  at::Tensor columns = at::zeros({shape.query_heads, longest}, q.options());
  at::Tensor diagonals = at::zeros({shape.query_heads, with_diagonals ? longest : 0}, q.options());
  if (shape.rows == 0) return {columns, diagonals};

  std::vector<Part> parts;
  for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
    for (std::int64_t begin = 0; begin < lengths[h]; begin += kKeyPart) {
      parts.push_back({h, begin, std::min<std::int64_t>(begin + kKeyPart, lengths[h])});
    }
  }
  const CpuKernels& kernels = cpu_kernels();
  const auto each_part = [&](const auto& use) {
    parallel_items(static_cast<std::int64_t>(parts.size()), kernels.score_scratch(shape.head_dim),
                   [&](std::int64_t i, float* scratch) {
                     const Part& part = parts[static_cast<std::size_t>(i)];
                     ScoreItem item = {};
                     item.keys = {.pool = pool.const_data_ptr<float>(),
                                  .pages = block_table.const_data_ptr<std::int32_t>() +
                                           part.kv_head * shape.max_pages,
                                  .page_tokens = shape.page_tokens,
                                  .head_dim = shape.head_dim,
                                  .length = lengths[part.kv_head]};
                     item.q =
                         q.const_data_ptr<float>() + part.kv_head * shape.group * shape.head_dim;
                     item.q_stride = shape.query_heads * shape.head_dim;
                     item.queries = shape.rows;
                     item.group = shape.group;
                     item.first_limit = item.keys.length - shape.rows + 1;
                     item.begin = part.begin;
                     item.end = part.end;
                     item.scale = static_cast<float>(scale);
                     use(i, item, scratch);
                   });
  };

  at::Tensor lse;
  if (lse_given) {
    lse = lse_given->contiguous();
  } else {
    const std::int64_t size = shape.rows * shape.group;
    std::vector<float> tops(parts.size() * static_cast<std::size_t>(size)), weights(tops.size());
    each_part([&](std::int64_t i, ScoreItem& item, float* scratch) {
      item.top = tops.data() + i * size;
      item.weight = weights.data() + i * size;
      kernels.score_tops(item, scratch);
    });
    lse = lse_of_rows(shape, parts, tops, weights);
  }

  // A part has its own columns; its diagonals overlap with the next part's and are added up behind.
  const std::int64_t stride = kKeyPart + shape.rows - 1;
  std::vector<float> along(
      with_diagonals ? parts.size() * static_cast<std::size_t>(shape.group * stride) : 0);
  each_part([&](std::int64_t i, ScoreItem& item, float* scratch) {
    const Part& part = parts[static_cast<std::size_t>(i)];
    item.lse = lse.const_data_ptr<float>() + part.kv_head * shape.group;
    item.lse_stride = shape.query_heads;
    item.columns =
        columns.mutable_data_ptr<float>() + part.kv_head * shape.group * longest + part.begin;
    item.column_stride = longest;
    if (with_diagonals) item.diagonals = along.data() + i * shape.group * stride;
    item.diagonal_stride = stride;
    kernels.score_sums(item, scratch);
  });
  if (!with_diagonals) return {columns, diagonals};
  // Key k of a part lies below row i's own token by length - rows + i - (begin + k); the place
  // behind item.diagonals is k + rows - 1 - i, which is length - 1 - begin less that.
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const Part& part = parts[p];
    for (std::int64_t g = 0; g < shape.group; ++g) {
      const float* from = along.data() + (static_cast<std::int64_t>(p) * shape.group + g) * stride;
      float* to = diagonals.mutable_data_ptr<float>() + (part.kv_head * shape.group + g) * longest;
      const std::int64_t last = lengths[part.kv_head] - 1 - part.begin;
      for (std::int64_t i = 0; i < part.end - part.begin + shape.rows - 1 && i <= last; ++i) {
        to[last - i] += from[i];
      }
    }
  }
  return {columns, diagonals};
}

}  // namespace

TORCH_LIBRARY_IMPL(scsim, CPU, library) { library.impl("window_scores", &window_scores); }

}  // namespace scsim::exec
