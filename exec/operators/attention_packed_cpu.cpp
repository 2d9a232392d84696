// Attention to packed blocks on the CPU in float32. A single row of a sequence reads codes as they
// are stored; of more rows each block is unpacked once for many of them, in the cache.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "exec/operators/checks.h"
#include "exec/operators/cpu/kernels.h"
#include "exec/operators/decode_parts.h"
#include "exec/operators/parallel.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kRows = 192;  // that pass over the keys together, over all heads of a group

std::tuple<at::Tensor, at::Tensor> packed(const at::Tensor& q_given,
                                          const at::Tensor& query_offsets, const at::Tensor& pool,
                                          const at::Tensor& block_table,
                                          const at::Tensor& kv_lengths, double scale,
                                          std::int64_t group, std::int64_t key_bits,
                                          std::int64_t value_bits) {
  const char* name = "scsim::attention_packed";
  const QuantisedFormat format = packed_format(group, key_bits, value_bits);
  const AttentionShape shape =
      check_packed(q_given, query_offsets, pool, block_table, kv_lengths, format);
  TORCH_CHECK(q_given.scalar_type() == at::kFloat, name,
              ": the CPU computes in float32; found q of ", q_given.scalar_type());
  TORCH_CHECK(block_table.device().is_cpu() && kv_lengths.device().is_cpu(), name,
              ": block_table and kv_lengths must be on the CPU as q is; found ",
              block_table.device(), " and ", kv_lengths.device());
  check_pages(name, shape, block_table, kv_lengths);

  const at::Tensor q = q_given.contiguous();
  at::Tensor out = at::empty_like(q);
  at::Tensor lse = at::empty({shape.rows, shape.query_heads}, q.options());
  std::vector<PackedHead> heads;
  for (std::int64_t i = 0; i < shape.sequences * shape.kv_heads; ++i) {
    heads.push_back({.pool = pool.const_data_ptr<std::uint8_t>(),
                     .blocks = block_table.const_data_ptr<std::int32_t>() + i * shape.max_pages,
                     .block_bytes = pool.size(1),
                     .block_tokens = format.group,
                     .head_dim = shape.head_dim,
                     .length = kv_lengths.const_data_ptr<std::int32_t>()[i],
                     .value_group = format.value_group(shape.head_dim),
                     .key_bits = format.key_bits,
                     .value_bits = format.value_bits});
  }
  const std::int32_t* offsets = query_offsets.const_data_ptr<std::int32_t>();
  const std::int64_t most = std::max<std::int64_t>(kRows / shape.group, 1);
  std::vector<DecodeRow> single;
  std::vector<PrefillItem> items;
  std::int64_t longest = 0;
  for (std::int64_t s = 0; s < shape.sequences; ++s) {
    const std::int64_t rows = offsets[s + 1] - offsets[s];
    for (std::int64_t first = 0; first < rows; first += most) {
      for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
        const PackedHead& head = heads[static_cast<std::size_t>(s * shape.kv_heads + h)];
        const std::int64_t row = (offsets[s] + first) * shape.query_heads + h * shape.group;
        const float* from = q.const_data_ptr<float>() + row * shape.head_dim;
        float* to = out.mutable_data_ptr<float>() + row * shape.head_dim;
        float* lse_to = lse.mutable_data_ptr<float>() + row;
        if (rows == 1) {
          DecodeRow one = {};
          one.packed = &head;
          one.q = from;
          one.group = shape.group;
          one.attended = head.length;
          one.out = to;
          one.lse = lse_to;
          single.push_back(one);
          continue;
        }
        PrefillItem item = {};
        item.keys.head_dim = shape.head_dim;
        item.keys.length = head.length;
        item.packed = &head;
        item.q = from;
        item.q_stride = shape.query_heads * shape.head_dim;
        item.queries = std::min(most, rows - first);
        item.group = shape.group;
        item.first_limit = head.length;  // every row attends all of them
        item.scale = static_cast<float>(scale);
        item.dense = true;
        item.out = to;
        item.out_stride = item.q_stride;
        item.lse = lse_to;
        item.lse_stride = shape.query_heads;
        items.push_back(item);
        longest = std::max(longest, item.queries * shape.group);
      }
    }
  }
  decode_in_parts(single, shape.head_dim, static_cast<float>(scale));
  const CpuKernels& kernels = cpu_kernels();
  parallel_items(std::ssize(items), kernels.prefill_scratch(longest, shape.head_dim),
                 [&](std::int64_t i, float* scratch) {
                   kernels.prefill(items[static_cast<std::size_t>(i)], scratch);
                 });
  return {out, lse};
}

}  // namespace

TORCH_LIBRARY_IMPL(scsim, CPU, library) { library.impl("attention_packed", &packed); }

}  // namespace scsim::exec
