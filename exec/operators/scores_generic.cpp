// window_scores on libtorch's own operators, a block of rows at a time.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <limits>

#include "exec/operators/generic.h"

namespace scsim::exec::generic {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
constexpr std::int64_t kMaxLogits = std::int64_t{1} << 26;  // held at a time

}  // namespace

std::tuple<at::Tensor, at::Tensor> window_scores(const at::Tensor& q, const at::Tensor& pool,
                                                 const at::Tensor& block_table,
                                                 const at::Tensor& kv_lengths, double scale,
                                                 const OptionalTensor& lse_given,
                                                 bool with_diagonals) {
  const at::Tensor lengths = kv_lengths.cpu(), table = block_table.cpu();
  const AttentionShape shape = check_scores(q, pool, table, lengths, lse_given);
  const std::int64_t longest = lengths.max().item<std::int32_t>();
  const auto floats = q.options().dtype(at::kFloat);
  const auto integers = q.options().dtype(at::kLong);
  at::Tensor columns = at::zeros({shape.query_heads, longest}, floats);
  at::Tensor diagonals = at::zeros({shape.query_heads, with_diagonals ? longest : 0}, floats);
  const std::int64_t block =
      std::max<std::int64_t>(1, kMaxLogits / std::max<std::int64_t>(1, longest * shape.group));
  for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
    const std::int64_t held = lengths.const_data_ptr<std::int32_t>()[h];
    if (held == 0 || shape.rows == 0) continue;
    const at::Tensor pages =
        block_table[0][h].narrow(0, 0, (held + shape.page_tokens - 1) / shape.page_tokens);
    const at::Tensor keys = pool.select(1, 0)
                                .index_select(0, pages.to(integers))
                                .reshape({-1, shape.head_dim})
                                .narrow(0, 0, held)
                                .to(at::kFloat);
    const at::Tensor positions = at::arange(held, integers);
    for (std::int64_t first = 0; first < shape.rows; first += block) {
      const std::int64_t count = std::min(block, shape.rows - first);
      const at::Tensor queries = q.narrow(0, first, count)
                                     .narrow(1, h * shape.group, shape.group)
                                     .transpose(0, 1)
                                     .to(at::kFloat);  // [group, count, head_dim]
      const at::Tensor own = at::arange(first, first + count, integers) + (held - shape.rows);
      const at::Tensor distance = own.unsqueeze(1) - positions;  // [count, held]
      const at::Tensor logits =
          at::matmul(queries * scale, keys.t()).masked_fill_(distance < 0, kMinusInfinity);
      at::Tensor lse =
          lse_given ? lse_given->narrow(0, first, count).narrow(1, h * shape.group, shape.group).t()
                    : at::logsumexp(logits, {2});
      lse = lse.masked_fill(lse == kMinusInfinity, 0).unsqueeze(2);
      const at::Tensor weights = (logits - lse).exp_();
      columns.narrow(0, h * shape.group, shape.group).narrow(1, 0, held).add_(weights.sum(1));
      if (!with_diagonals) continue;
      const at::Tensor places =
          distance.clamp_min(0).flatten().unsqueeze(0).expand({shape.group, -1});
      diagonals.narrow(0, h * shape.group, shape.group).scatter_add_(1, places, weights.flatten(1));
    }
  }
  return {columns, diagonals};
}

TORCH_LIBRARY_IMPL(scsim, CompositeExplicitAutograd, library) {
  library.impl("window_scores", &window_scores);
}

}  // namespace scsim::exec::generic
