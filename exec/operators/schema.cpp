// The operators' schemas, and the C++ functions of operators.h, which go through libtorch's
// dispatcher: what is called is the implementation registered for the tensors' device, by this
// library or by one that was loaded beside it.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "exec/operators/checks.h"
#include "exec/operators/operators.h"

TORCH_LIBRARY(scsim, library) {
  library.def(
      "attention_prefill(Tensor q, Tensor query_offsets, Tensor pool, Tensor block_table, "
      "Tensor kv_lengths, float scale, Tensor? tile_offsets=None, Tensor? tiles=None, "
      "Tensor? column_offsets=None, Tensor? columns=None, int tile=64, Tensor? bands=None, "
      "int stride=0) -> (Tensor out, Tensor lse)");
  library.def(
      "attention_at(Tensor q, Tensor positions, Tensor pool, Tensor block_table, "
      "Tensor kv_lengths, float scale) -> (Tensor out, Tensor lse)");
  library.def(
      "attention_decode(Tensor q, Tensor pool, Tensor block_table, Tensor kv_lengths, float scale) "
      "-> (Tensor out, Tensor lse)");
  library.def(
      "attention_packed(Tensor q, Tensor query_offsets, Tensor pool, Tensor block_table, "
      "Tensor kv_lengths, float scale, int group, int key_bits, int value_bits) "
      "-> (Tensor out, Tensor lse)");
  library.def(
      "window_scores(Tensor q, Tensor pool, Tensor block_table, Tensor kv_lengths, float scale, "
      "Tensor? lse=None, bool with_diagonals=False) -> (Tensor columns, Tensor diagonals)");
  library.def(
      "attention_listed(Tensor q, Tensor pool, Tensor block_table, Tensor kv_lengths, float scale, "
      "Tensor offsets, Tensor units, int unit=1) -> (Tensor out, Tensor lse)");
  library.def(
      "merge_state(Tensor out_a, Tensor lse_a, Tensor out_b, Tensor lse_b) "
      "-> (Tensor out, Tensor lse)");
  library.def("rms_norm(Tensor x, Tensor weight, float epsilon) -> Tensor");
  library.def("add_rms_norm(Tensor(a!) x, Tensor delta, Tensor weight, float epsilon) -> Tensor");
  library.def("silu_and_multiply(Tensor gate_up) -> Tensor");
  library.def("apply_rope(Tensor(a!) x, Tensor cos, Tensor sin, bool interleaved=False) -> ()");
  library.def("linear(Tensor x, Tensor weight, Tensor? bias=None) -> Tensor");
  library.def("causal_conv(Tensor x, Tensor weight, Tensor? bias, Tensor(a!) state) -> Tensor");
  library.def(
      "ssd_scan(Tensor x, Tensor time_step, Tensor decay, Tensor b, Tensor c, Tensor skip, "
      "Tensor(a!) state, int chunk=64) -> Tensor");
  library.def(
      "ssd_step(Tensor x, Tensor time_step, Tensor decay, Tensor b, Tensor c, Tensor skip, "
      "Tensor(a!) state) -> Tensor");
  library.def(
      "selective_scan(Tensor x, Tensor time_step, Tensor decay, Tensor b, Tensor c, Tensor skip, "
      "Tensor(a!) state) -> Tensor");
}

namespace scsim::exec {
namespace {

template <class Function>
auto find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Function>();
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> attention_prefill(
    const at::Tensor& q, const at::Tensor& query_offsets, const at::Tensor& pool,
    const at::Tensor& block_table, const at::Tensor& kv_lengths, double scale,
    const c10::optional<PrefillSelection>& selection) {
  using Tensors = std::tuple<at::Tensor, at::Tensor>;
  static const auto operation =
      find<Tensors(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                   const at::Tensor&, double, const OptionalTensor&, const OptionalTensor&,
                   const OptionalTensor&, const OptionalTensor&, std::int64_t,
                   const OptionalTensor&, std::int64_t)>("scsim::attention_prefill");
  const auto defined = [](const at::Tensor& t) {
    return t.defined() ? OptionalTensor(t) : OptionalTensor();
  };
  const PrefillSelection chosen = selection ? *selection : PrefillSelection{};
  TORCH_CHECK(!selection || chosen.tile_offsets.defined(),
              "scsim::attention_prefill: a selection needs tile_offsets");
  return operation.call(q, query_offsets, pool, block_table, kv_lengths, scale,
                        defined(chosen.tile_offsets), defined(chosen.tiles),
                        defined(chosen.column_offsets), defined(chosen.columns), chosen.tile,
                        defined(chosen.bands), chosen.stride);
}

std::tuple<at::Tensor, at::Tensor> attention_at(const at::Tensor& q, const at::Tensor& positions,
                                                const at::Tensor& pool,
                                                const at::Tensor& block_table,
                                                const at::Tensor& kv_lengths, double scale) {
  static const auto operation = find<decltype(attention_at)>("scsim::attention_at");
  return operation.call(q, positions, pool, block_table, kv_lengths, scale);
}

std::tuple<at::Tensor, at::Tensor> attention_decode(const at::Tensor& q, const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale) {
  static const auto operation = find<decltype(attention_decode)>("scsim::attention_decode");
  return operation.call(q, pool, block_table, kv_lengths, scale);
}

std::tuple<at::Tensor, at::Tensor> attention_packed(const at::Tensor& q,
                                                    const at::Tensor& query_offsets,
                                                    const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale,
                                                    const QuantisedFormat& format) {
  using Tensors = std::tuple<at::Tensor, at::Tensor>;
  static const auto operation =
      find<Tensors(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                   const at::Tensor&, double, std::int64_t, std::int64_t, std::int64_t)>(
          "scsim::attention_packed");
  return operation.call(q, query_offsets, pool, block_table, kv_lengths, scale, format.group,
                        format.key_bits, format.value_bits);
}

std::tuple<at::Tensor, at::Tensor> window_scores(const at::Tensor& q, const at::Tensor& pool,
                                                 const at::Tensor& block_table,
                                                 const at::Tensor& kv_lengths, double scale,
                                                 const c10::optional<at::Tensor>& lse,
                                                 bool with_diagonals) {
  static const auto operation = find<decltype(window_scores)>("scsim::window_scores");
  return operation.call(q, pool, block_table, kv_lengths, scale, lse, with_diagonals);
}

std::tuple<at::Tensor, at::Tensor> attention_listed(const at::Tensor& q, const at::Tensor& pool,
                                                    const at::Tensor& block_table,
                                                    const at::Tensor& kv_lengths, double scale,
                                                    const KeyLists& lists) {
  using Tensors = std::tuple<at::Tensor, at::Tensor>;
  static const auto operation =
      find<Tensors(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                   double, const at::Tensor&, const at::Tensor&, std::int64_t)>(
          "scsim::attention_listed");
  return operation.call(q, pool, block_table, kv_lengths, scale, lists.offsets, lists.units,
                        lists.unit);
}

std::tuple<at::Tensor, at::Tensor> merge_state(const at::Tensor& out_a, const at::Tensor& lse_a,
                                               const at::Tensor& out_b, const at::Tensor& lse_b) {
  static const auto operation = find<decltype(merge_state)>("scsim::merge_state");
  return operation.call(out_a, lse_a, out_b, lse_b);
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  static const auto operation = find<decltype(rms_norm)>("scsim::rms_norm");
  return operation.call(x, weight, epsilon);
}

at::Tensor add_rms_norm(at::Tensor& x, const at::Tensor& delta, const at::Tensor& weight,
                        double epsilon) {
  static const auto operation = find<decltype(add_rms_norm)>("scsim::add_rms_norm");
  return operation.call(x, delta, weight, epsilon);
}

at::Tensor silu_and_multiply(const at::Tensor& gate_up) {
  static const auto operation = find<decltype(silu_and_multiply)>("scsim::silu_and_multiply");
  return operation.call(gate_up);
}

void apply_rope(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, bool interleaved) {
  static const auto operation = find<decltype(apply_rope)>("scsim::apply_rope");
  operation.call(x, cos, sin, interleaved);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                  const c10::optional<at::Tensor>& bias) {
  static const auto operation = find<decltype(linear)>("scsim::linear");
  return operation.call(x, weight, bias);
}

at::Tensor causal_conv(const at::Tensor& x, const at::Tensor& weight,
                       const c10::optional<at::Tensor>& bias, at::Tensor& state) {
  static const auto operation = find<decltype(causal_conv)>("scsim::causal_conv");
  return operation.call(x, weight, bias, state);
}

at::Tensor ssd_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                    const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                    at::Tensor& state, std::int64_t chunk) {
  static const auto operation = find<decltype(ssd_scan)>("scsim::ssd_scan");
  return operation.call(x, time_step, decay, b, c, skip, state, chunk);
}

at::Tensor ssd_step(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                    const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                    at::Tensor& state) {
  static const auto operation = find<decltype(ssd_step)>("scsim::ssd_step");
  return operation.call(x, time_step, decay, b, c, skip, state);
}

at::Tensor selective_scan(const at::Tensor& x, const at::Tensor& time_step, const at::Tensor& decay,
                          const at::Tensor& b, const at::Tensor& c, const at::Tensor& skip,
                          at::Tensor& state) {
  static const auto operation = find<decltype(selective_scan)>("scsim::selective_scan");
  return operation.call(x, time_step, decay, b, c, skip, state);
}

}  // namespace scsim::exec
