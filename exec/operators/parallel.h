// Items of work shared out over libtorch's threads as they get free, so that items may differ in
// length. Each item must be complete in itself: then results do not depend on who computed it.
#pragma once

#include <cstdint>
#include <functional>

namespace scsim::exec {

// Calls work(item, scratch) for every item of [0, items), each with `scratch_floats` floats of
// memory of its thread's own, on a cache line's boundary and with anything in it.
void parallel_items(std::int64_t items, std::int64_t scratch_floats,
                    const std::function<void(std::int64_t item, float* scratch)>& work);

// Likewise, for items that lie one behind another in memory: each thread works through a run of
// neighbours, and then helps the others with theirs.
void parallel_runs(std::int64_t items, std::int64_t scratch_floats,
                   const std::function<void(std::int64_t item, float* scratch)>& work);

// Calls work(begin, end) for parts of [0, n), of `grain` or more.
void parallel_ranges(std::int64_t n, std::int64_t grain,
                     const std::function<void(std::int64_t begin, std::int64_t end)>& work);

}  // namespace scsim::exec
