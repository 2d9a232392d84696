#include "exec/model/step_rows.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "traces/check.h"

namespace scsim::exec {

std::vector<SequenceRows> all_rows(std::span<const SequenceStep> steps) {
  std::vector<SequenceRows> sequences(steps.size());
  for (std::size_t s = 0; s < steps.size(); ++s) {
    std::vector<std::int64_t>& positions = sequences[s].positions;
    positions.resize(steps[s].tokens.size());
    std::iota(positions.begin(), positions.end(), steps[s].cache->tokens_seen());
  }
  return sequences;
}

std::optional<std::vector<std::int64_t>> narrow(std::span<const SequenceStep> steps,
                                                std::int64_t layer,
                                                std::span<SequenceRows> sequences) {
  std::vector<std::int64_t> onward;
  std::int64_t from = 0;
  bool all = true;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    std::vector<std::int64_t>& positions = sequences[s].positions;
    const std::int64_t count = std::ssize(positions);
    std::optional<std::vector<std::int64_t>> chosen;
    if (!steps[s].decode) chosen = steps[s].method->rows_into(layer, positions, *steps[s].cache);
    if (chosen) {
      SCSIM_CHECK(!chosen->empty() && chosen->front() >= 0 && chosen->back() == count - 1);
      SCSIM_CHECK(std::ranges::adjacent_find(*chosen, std::greater_equal()) == chosen->end());
      for (std::size_t i = 0; i < chosen->size(); ++i) {
        onward.push_back(from + (*chosen)[i]);
        positions[i] = positions[static_cast<std::size_t>((*chosen)[i])];
      }
      positions.resize(chosen->size());
      sequences[s].narrowed = true;
      all = false;
    } else {
      for (std::int64_t i = 0; i < count; ++i) onward.push_back(from + i);
    }
    from += count;
  }
  if (all) return std::nullopt;
  return onward;
}

std::vector<std::int64_t> last_rows(std::span<const SequenceRows> sequences) {
  std::vector<std::int64_t> rows;
  std::int64_t end = 0;
  for (const SequenceRows& sequence : sequences) {
    end += std::ssize(sequence.positions);
    rows.push_back(end - 1);
  }
  return rows;
}

}  // namespace scsim::exec
