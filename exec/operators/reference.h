// The operators as their definitions read: loops over numbers, sums in double. Obviously right and
// slow; tests and benchmarks compare with them. Arguments are as in operators.h, on the CPU and of
// any floating type; results are float64.
#pragma once

#include "exec/operators/operators.h"

namespace scsim::exec::reference {

using Tensors = std::tuple<at::Tensor, at::Tensor>;

Tensors attention_prefill(const at::Tensor& q, const at::Tensor& query_offsets,
                          const at::Tensor& pool, const at::Tensor& block_table,
                          const at::Tensor& kv_lengths, double scale,
                          const c10::optional<PrefillSelection>& selection = c10::nullopt);
Tensors attention_at(const at::Tensor& q, const at::Tensor& positions, const at::Tensor& pool,
                     const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale);
Tensors attention_decode(const at::Tensor& q, const at::Tensor& pool, const at::Tensor& block_table,
                         const at::Tensor& kv_lengths, double scale);
Tensors attention_packed(const at::Tensor& q, const at::Tensor& query_offsets,
                         const at::Tensor& pool, const at::Tensor& block_table,
                         const at::Tensor& kv_lengths, double scale, const QuantisedFormat& format);
Tensors window_scores(const at::Tensor& q, const at::Tensor& pool, const at::Tensor& block_table,
                      const at::Tensor& kv_lengths, double scale);
Tensors attention_listed(const at::Tensor& q, const at::Tensor& pool, const at::Tensor& block_table,
                         const at::Tensor& kv_lengths, double scale, const KeyLists& lists);
Tensors merge_state(const at::Tensor& out_a, const at::Tensor& lse_a, const at::Tensor& out_b,
                    const at::Tensor& lse_b);
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
at::Tensor silu_and_multiply(const at::Tensor& gate_up);
at::Tensor rope(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                bool interleaved);
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                  const c10::optional<at::Tensor>& bias);

// Recurrences, one token after another; y and the state behind it. `state` is only read.
Tensors causal_conv(const at::Tensor& x, const at::Tensor& weight,
                    const c10::optional<at::Tensor>& bias, const at::Tensor& state);
Tensors ssd_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                 const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                 const at::Tensor& state);
Tensors selective_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                       const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                       const at::Tensor& state);

}  // namespace scsim::exec::reference
