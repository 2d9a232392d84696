// MInference's parameters, and the pattern of each head that they come to.
#pragma once

#include "methods/method.h"
#include "methods/minference/head_pattern.h"
#include "methods/minference/key_lists.h"

namespace scsim::methods {

struct MinferenceSettings {
  HeadPatterns patterns;  // of the file; empty: there is none
  HeadPattern otherwise;  // of heads that no file speaks of
  double ratio = 1;       // both sizes are multiplied by it
  std::int64_t blocks = 100;
  std::int64_t window = 64;  // last queries that the index is estimated from
  std::int64_t forced_columns = 30, forced_diagonals = 100, least_diagonals = 50;
  std::int64_t dense_layers = 0;
  bool sparse_follow_ups = false;

  bool applies(std::int64_t layer, bool first_prefill) const {
    return layer >= dense_layers && (first_prefill || sparse_follow_ups);
  }
  HeadPattern pattern(std::int64_t layer, std::int64_t head) const;
  // How many columns and diagonals a vertical-slash head attends of `keys`.
  std::int64_t columns(const HeadPattern& pattern, std::int64_t keys) const;
  std::int64_t diagonals(const HeadPattern& pattern, std::int64_t keys) const;
  // That is all of them: nothing to choose, the head is dense.
  bool attends_everything(const HeadPattern& pattern, std::int64_t keys) const;
};

// Its file must be readable: check_minference() says whether it is.
MinferenceSettings minference_settings(const MethodParameters& parameters);
Expected<void> check_minference(const MethodParameters& parameters);

// What was chosen for a head, as it is recorded: the first number says what the others are.
//   0              everything
//   1 n ...        n columns ascending, then diagonals descending
//   2              A-shape, whose sizes are the pattern's
//   3 n ... n ...  for each block of 64 rows n blocks of 64 keys
enum class Chosen : std::int32_t { kEverything, kVerticalSlash, kAShape, kBlocks };
void add_chosen(KeyLists& lists, const RowRange& rows, const HeadPattern& pattern,
                std::span<const std::int32_t> chosen);

}  // namespace scsim::methods
