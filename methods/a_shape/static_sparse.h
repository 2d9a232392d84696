// The executable form of a fixed pattern (pattern.h), and the keys it selects.
#pragma once

#include <memory>

#include "exec/api/method_runtime.h"
#include "exec/operators/operators.h"
#include "methods/a_shape/pattern.h"

namespace scsim::methods {

// The rows of one sequence from position `first` on, `rows` of them: the first `init` keys as tiles
// and columns, then a band of `local`. All `kv_heads` alike.
exec::PrefillSelection a_shape_selection(std::int64_t init, std::int64_t local, std::int64_t first,
                                         std::int64_t rows, std::int64_t kv_heads);

std::unique_ptr<exec::MethodRuntime> make_static_runtime(const StaticPattern& pattern);

}  // namespace scsim::methods
