// The one file here that is compiled with OpenMP: at::parallel_for is a template around a pragma.
#include "exec/operators/parallel.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <vector>

namespace scsim::exec {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Release {
  void operator()(float* memory) const { ::operator delete[](memory, kAlignment); }
};
using Scratch = std::unique_ptr<float[], Release>;

Scratch make_scratch(std::int64_t floats) {
  return Scratch(new (kAlignment) float[static_cast<std::size_t>(floats)]);
}

// What is left of one thread's items, on a cache line of its own.
struct alignas(64) Run {
  std::atomic<std::int64_t> next = 0;
  std::int64_t end = 0;
};

}  // namespace

void parallel_items(std::int64_t items, std::int64_t scratch_floats,
                    const std::function<void(std::int64_t, float*)>& work) {
  std::atomic<std::int64_t> next = 0;
  const std::int64_t workers = std::min<std::int64_t>(items, at::get_num_threads());
  at::parallel_for(0, workers, 1, [&](std::int64_t begin, std::int64_t) {
    if (begin >= workers) return;
    const Scratch scratch = make_scratch(scratch_floats);
    for (std::int64_t item = next++; item < items; item = next++) work(item, scratch.get());
  });
}

void parallel_runs(std::int64_t items, std::int64_t scratch_floats,
                   const std::function<void(std::int64_t, float*)>& work) {
  const std::int64_t workers = std::min<std::int64_t>(items, at::get_num_threads());
  std::vector<Run> runs(static_cast<std::size_t>(workers));
  for (std::int64_t w = 0; w < workers; ++w) {
    runs[static_cast<std::size_t>(w)].next = w * items / workers;
    runs[static_cast<std::size_t>(w)].end = (w + 1) * items / workers;
  }
  at::parallel_for(0, workers, 1, [&](std::int64_t begin, std::int64_t) {
    if (begin >= workers) return;
    const Scratch scratch = make_scratch(scratch_floats);
    for (std::int64_t i = 0; i < workers; ++i) {
      Run& run = runs[static_cast<std::size_t>((begin + i) % workers)];
      for (std::int64_t item = run.next++; item < run.end; item = run.next++) {
        work(item, scratch.get());
      }
    }
  });
}

void parallel_ranges(std::int64_t n, std::int64_t grain,
                     const std::function<void(std::int64_t, std::int64_t)>& work) {
  at::parallel_for(0, n, grain, [&](std::int64_t begin, std::int64_t end) { work(begin, end); });
}

}  // namespace scsim::exec
