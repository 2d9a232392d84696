// The queries of the last tokens of a prompt, also where it comes in chunks shorter than the window
// that a method looks through.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "exec/api/method_runtime.h"

namespace scsim::methods {

// Of the step's layer, of the prompt's tokens so far: the last `window` or fewer, [tokens,
// query_heads, head_dim]. Called for every chunk; between chunks the cache remembers them as its
// MethodState, and behind the last one it has none.
at::Tensor last_queries(exec::LayerStep& step, std::int64_t window);

}  // namespace scsim::methods
