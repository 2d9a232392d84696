// The operators on libtorch's own ones: for tensors of any device and floating type, with the
// arithmetic of attention in float32. They serve wherever no implementation of the device's own is
// registered (today: everything but the CPU), through the dispatcher; tests call them directly.
#pragma once

#include "exec/operators/checks.h"

namespace scsim::exec::generic {

// block_table and kv_lengths may be on any device; those on the CPU spare a wait for the device.
std::tuple<at::Tensor, at::Tensor> attention_prefill(
    const at::Tensor& q, const at::Tensor& query_offsets, const at::Tensor& pool,
    const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale,
    const OptionalTensor& tile_offsets, const OptionalTensor& tiles,
    const OptionalTensor& column_offsets, const OptionalTensor& columns, std::int64_t tile,
    const OptionalTensor& bands, std::int64_t stride);
std::tuple<at::Tensor, at::Tensor> attention_at(const at::Tensor& q, const at::Tensor& positions,
                                                const at::Tensor& pool,
                                                const at::Tensor& block_table,
                                                const at::Tensor& kv_lengths, double scale);
std::tuple<at::Tensor, at::Tensor> attention_decode(const at::Tensor& q, const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale);
std::tuple<at::Tensor, at::Tensor> attention_packed(
    const at::Tensor& q, const at::Tensor& query_offsets, const at::Tensor& pool,
    const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale, std::int64_t group,
    std::int64_t key_bits, std::int64_t value_bits);
std::tuple<at::Tensor, at::Tensor> window_scores(const at::Tensor& q, const at::Tensor& pool,
                                                 const at::Tensor& block_table,
                                                 const at::Tensor& kv_lengths, double scale,
                                                 const OptionalTensor& lse, bool with_diagonals);
std::tuple<at::Tensor, at::Tensor> attention_listed(const at::Tensor& q, const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale,
                                                    const at::Tensor& offsets,
                                                    const at::Tensor& units, std::int64_t unit);
std::tuple<at::Tensor, at::Tensor> merge_state(const at::Tensor& out_a, const at::Tensor& lse_a,
                                               const at::Tensor& out_b, const at::Tensor& lse_b);
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
at::Tensor add_rms_norm(at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight,
                        double epsilon);
at::Tensor silu_and_multiply(const at::Tensor& gate_up);
void apply_rope(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, bool interleaved);
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias);
// On the forms of differentiable.h.
at::Tensor causal_conv(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias,
                       at::Tensor& state);
at::Tensor ssd_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                    const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                    at::Tensor& state, std::int64_t chunk);
at::Tensor ssd_step(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                    const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                    at::Tensor& state);
at::Tensor selective_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                          const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                          at::Tensor& state);

}  // namespace scsim::exec::generic
