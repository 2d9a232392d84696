#include "methods/drop_one.h"

#include <vector>

#include "traces/check.h"

namespace scsim::methods {

bool drop_one(exec::LayerStep& step, std::span<const std::int32_t> positions) {
  exec::KvCache& cache = step.cache;
  SCSIM_CHECK_EQ(std::ssize(positions), cache.heads(step.layer));
  if (!cache.overwrite(step.layer, positions, step.k, step.v, step.measure)) return false;
  std::vector<std::int32_t> all_but_last;
  for (std::int32_t i = 0; i + 1 < cache.length(step.layer, 0); ++i) all_but_last.push_back(i);
  for (std::int64_t h = 0; h < cache.heads(step.layer); ++h) {
    if (!cache.keep(step.layer, h, all_but_last, step.measure)) return false;
  }
  return true;
}

}  // namespace scsim::methods
