#include "methods/last_queries.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "traces/check.h"

namespace scsim::methods {
namespace {

struct LastQueries final : exec::MethodState {
  std::unique_ptr<MethodState> clone() const override {
    return std::make_unique<LastQueries>(*this);
  }
  std::int64_t bytes() const override {
    std::int64_t bytes = 0;
    for (const at::Tensor& queries : of_layer) {
      if (queries.defined()) bytes += static_cast<std::int64_t>(queries.nbytes());
    }
    return bytes;
  }
  std::vector<at::Tensor> of_layer;  // never written in place
};

at::Tensor last_rows(const at::Tensor& rows, std::int64_t count) {
  const std::int64_t kept = std::min(rows.size(0), count);
  return rows.narrow(0, rows.size(0) - kept, kept);
}

}  // namespace

at::Tensor last_queries(exec::LayerStep& step, std::int64_t window) {
  const std::size_t layer = static_cast<std::size_t>(step.layer);
  at::Tensor queries = last_rows(step.q, window);
  auto* held = dynamic_cast<LastQueries*>(step.cache.mutable_method_state());
  if (held != nullptr && held->of_layer[layer].defined() && queries.size(0) < window) {
    queries = last_rows(at::cat({held->of_layer[layer], queries}), window);
  }
  if (!step.last_chunk) {
    if (held == nullptr) {
      SCSIM_CHECK(step.cache.method_state() == nullptr);
      auto made = std::make_unique<LastQueries>();
      made->of_layer.resize(static_cast<std::size_t>(step.num_layers));
      held = made.get();
      step.cache.set_method_state(std::move(made));
    }
    held->of_layer[layer] = queries.clone();
  } else if (held != nullptr && step.layer + 1 == step.num_layers) {
    step.cache.set_method_state(nullptr);
  }
  return queries;
}

}  // namespace scsim::methods
