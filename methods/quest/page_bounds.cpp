#include "methods/quest/page_bounds.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "methods/quest/quest.h"
#include "traces/check.h"

namespace scsim::methods {

void PageBounds::extend(const exec::KvCache& cache, std::int64_t layer_number,
                        const at::Tensor& k) {
  Layer& layer = layers_[static_cast<std::size_t>(layer_number)];
  const std::int64_t length = cache.length(layer_number, 0), appended = k.size(0);
  for (std::int64_t h = 1; h < k.size(1); ++h) {
    SCSIM_CHECK_EQ(cache.length(layer_number, h), length);
  }
  if (layer.tokens == length - appended) {
    put(layer, layer.tokens, k.transpose(0, 1));
  } else {
    // Whole pages below are as they were; a partly filled one is read again.
    const std::int64_t first = std::min(layer.tokens, length - appended) / page_ * page_;
    std::vector<at::Tensor> keys;
    for (std::int64_t h = 0; h < k.size(1); ++h) {
      keys.push_back(cache.rows(layer_number, h).first.narrow(0, first, length - first));
    }
    put(layer, first, at::stack(keys));
  }
  layer.tokens = length;
}

void PageBounds::put(Layer& layer, std::int64_t first, const at::Tensor& keys) const {
  const std::int64_t heads = keys.size(0), n = keys.size(1), dim = keys.size(2);
  if (n == 0) return;
  const std::int64_t pages = (first + n + page_ - 1) / page_;
  const std::int64_t room = (pages + kQuestRoom - 1) / kQuestRoom * kQuestRoom;
  const std::int64_t before = layer.rows.defined() ? layer.rows.size(1) : 0;
  if (room != before || layer.rows.use_count() > 1) {
    at::Tensor own = at::empty({heads, room, 2 * dim}, keys.options());
    const std::int64_t kept = std::min((first + page_ - 1) / page_, before);
    if (kept > 0) own.narrow(1, 0, kept).copy_(layer.rows.narrow(1, 0, kept));
    layer.rows = own;
  }
  // Keys [from, to) of one page each, beside what the page has already.
  const auto widen = [&](std::int64_t from, std::int64_t to) {
    const at::Tensor part = keys.narrow(1, from, to - from);
    const at::Tensor row = layer.rows.select(1, (first + from) / page_);
    at::Tensor most = row.narrow(1, 0, dim), least = row.narrow(1, dim, dim);
    if ((first + from) % page_ == 0) {
      most.copy_(part.amax(1));
      least.copy_(part.amin(1));
    } else {
      most.copy_(at::maximum(most, part.amax(1)));
      least.copy_(at::minimum(least, part.amin(1)));
    }
  };
  std::int64_t done = std::min((page_ - first % page_) % page_, n);
  if (done > 0) widen(0, done);
  const std::int64_t whole = (n - done) / page_;
  if (whole > 0) {
    const at::Tensor part = keys.narrow(1, done, whole * page_).reshape({heads, whole, page_, dim});
    const at::Tensor rows = layer.rows.narrow(1, (first + done) / page_, whole);
    rows.narrow(2, 0, dim).copy_(part.amax(2));
    rows.narrow(2, dim, dim).copy_(part.amin(2));
    done += whole * page_;
  }
  if (done < n) widen(done, n);
}

at::Tensor PageBounds::rows(std::int64_t layer_number, std::int64_t kv_head) const {
  const Layer& layer = layers_[static_cast<std::size_t>(layer_number)];
  return layer.rows[kv_head].narrow(0, 0, (layer.tokens + page_ - 1) / page_);
}

std::int64_t PageBounds::bytes() const {
  std::int64_t bytes = 0;
  for (const Layer& layer : layers_) {
    if (layer.rows.defined()) bytes += static_cast<std::int64_t>(layer.rows.nbytes());
  }
  return bytes;
}

}  // namespace scsim::methods
