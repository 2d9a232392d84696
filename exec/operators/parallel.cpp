// The one file here that is compiled with OpenMP: at::parallel_for is a template around a pragma.
#include "exec/operators/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>

namespace scsim::exec {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Release {
  void operator()(float* memory) const { ::operator delete[](memory, kAlignment); }
};

}  // namespace

void parallel_items(std::int64_t items, std::int64_t scratch_floats,
                    const std::function<void(std::int64_t, float*)>& work) {
  std::atomic<std::int64_t> next = 0;
  const std::int64_t workers = std::min<std::int64_t>(items, at::get_num_threads());
  at::parallel_for(0, workers, 1, [&](std::int64_t begin, std::int64_t) {
    if (begin >= workers) return;
    const std::unique_ptr<float[], Release> scratch(
        new (kAlignment) float[static_cast<std::size_t>(scratch_floats)]);
    for (std::int64_t item = next++; item < items; item = next++) work(item, scratch.get());
  });
}

void parallel_ranges(std::int64_t n, std::int64_t grain,
                     const std::function<void(std::int64_t, std::int64_t)>& work) {
  at::parallel_for(0, n, grain, [&](std::int64_t begin, std::int64_t end) { work(begin, end); });
}

}  // namespace scsim::exec
