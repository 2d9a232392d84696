// The index and the lists of one layer's prefill: what runtime.cpp attends by, and what
// `scexec search-patterns` tries.
#pragma once

#include <cstdint>
#include <vector>

#include "exec/api/method_runtime.h"
#include "exec/operators/operators.h"
#include "methods/minference/settings.h"

namespace scsim::methods {

struct LayerChoice {
  bool everything = false;                       // every head: attention without a selection
  std::vector<std::vector<std::int32_t>> heads;  // as recorded (settings.h)
};

// REQUIRES: the step's keys are in the cache, which is dense; `view` is of it. Counts its
// operations and the keys it reads to the stage under way, and its seconds to the part "index".
LayerChoice choose_keys(const MinferenceSettings& settings, exec::LayerStep& step,
                        const exec::CacheView& view);
// The operator's lists; their seconds are the part "lists".
exec::PrefillSelection key_selection(const MinferenceSettings& settings,
                                     const exec::LayerStep& step, const LayerChoice& choice);

}  // namespace scsim::methods
