// What methods record that choose keys anew for every token of a prompt (exec/api/measure.h): for
// each query head and each new token, in order, how many units it attends, and their numbers. A
// unit is so many tokens as the method says.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace scsim::methods {

// Calls use(token, units) for each new token of a head.
template <class Use>
void each_listed(std::span<const std::int32_t> head, const Use& use) {
  std::int64_t token = 0;
  for (std::size_t at = 0; at < head.size(); ++token) {
    const auto count = static_cast<std::size_t>(head[at]);
    use(token, head.subspan(at + 1, count));
    at += 1 + count;
  }
}

}  // namespace scsim::methods
