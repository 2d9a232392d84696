// Some tokens of a sequence, one after another.
#pragma once

#include <cstdint>

namespace scsim::exec {

struct TokenRange {
  std::int64_t begin = 0, end = 0;
};

}  // namespace scsim::exec
