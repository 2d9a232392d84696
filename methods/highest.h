// The choice that methods which drop tokens end in: the tokens of the highest scores.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace scsim::methods {

// The positions of the `count` highest scores, ascending; of equal scores the earlier ones. All of
// them if there are fewer. A score that is not a number is lower than any.
std::vector<std::int32_t> highest(std::span<const float> scores, std::int64_t count);
// The one that is left out when all others are kept. REQUIRES: there is a score.
std::int32_t lowest(std::span<const float> scores);

}  // namespace scsim::methods
