// The bounds of each page of keys, channel by channel: what Quest remembers of a sequence.
//
//   PageBounds bounds(layers, /*page=*/16);
//   cache.append(layer, k, v, measure);
//   bounds.extend(cache, layer, k);                       // k: what was appended
//   at::Tensor rows = bounds.rows(layer, kv_head);        // [pages, 2 * head_dim]
//
// A row is the page's maxima, then its minima, so that a bound is a product: q . k <= (q where it
// is positive, q where it is negative) . row for every key of the page.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "exec/api/kv_cache.h"
#include "exec/api/method_state.h"

namespace scsim::methods {

class PageBounds final : public exec::MethodState {
 public:
  PageBounds(std::int64_t layers, std::int64_t page)
      : page_(page), layers_(static_cast<std::size_t>(layers)) {}

  // REQUIRES: all kv heads of the layer hold the same tokens. Where the cache is not what it was
  // when the bounds were last extended (a prefix of it, or another method's), what is missing is
  // read from it.
  void extend(const exec::KvCache& cache, std::int64_t layer, const at::Tensor& k);
  at::Tensor rows(std::int64_t layer, std::int64_t kv_head) const;

  std::unique_ptr<MethodState> clone() const override {
    return std::make_unique<PageBounds>(*this);  // layers are shared until one of both writes
  }
  std::int64_t bytes() const override;

 private:
  struct Layer {
    at::Tensor rows;  // [kv_heads, room, 2 * head_dim]
    std::int64_t tokens = 0;
  };
  // Takes keys [kv_heads, n, head_dim] of tokens first .. first + n.
  void put(Layer& layer, std::int64_t first, const at::Tensor& keys) const;

  std::int64_t page_;
  std::vector<Layer> layers_;
};

}  // namespace scsim::methods
