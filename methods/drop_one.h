// One token less of each head behind a decode step, for methods that hold a fixed number of tokens
// and know which one goes only when the new one has attended all.
#pragma once

#include <cstdint>
#include <span>

#include "exec/api/method_runtime.h"

namespace scsim::methods {

// Of head h the token at positions[h] goes, and the step's own token, the last one held, takes its
// place: attention does not ask in which order keys lie. False if no page was left.
[[nodiscard]] bool drop_one(exec::LayerStep& step, std::span<const std::int32_t> positions);

}  // namespace scsim::methods
