// Which new tokens of each sequence are rows of the layer under way: all of them at first, fewer
// where a method lets only some go on (MethodRuntime::rows_into).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "exec/model/model.h"

namespace scsim::exec {

struct SequenceRows {
  std::vector<std::int64_t> positions;  // ascending
  bool narrowed = false;                // some of the tokens have gone no further
};

std::vector<SequenceRows> all_rows(std::span<const SequenceStep> steps);
// Asks the methods which rows go into an attention layer and lets the others go; gives the numbers,
// among the rows of all sequences, of those that stay. Nothing: all do.
std::optional<std::vector<std::int64_t>> narrow(std::span<const SequenceStep> steps,
                                                std::int64_t layer,
                                                std::span<SequenceRows> sequences);
// The last row of each sequence, among the rows of all.
std::vector<std::int64_t> last_rows(std::span<const SequenceRows> sequences);

}  // namespace scsim::exec
