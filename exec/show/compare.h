// Whether a second calibration says the same as a first within the error bars of both: a number
// agrees when the difference is no larger than the two half-widths taken together,
// sqrt(a^2 + b^2), which is the 95 % interval of a difference of independent means.
//
// Where both files measured the same sessions (same seed, tasks and lengths), scores are not
// independent and should be closer than that; seconds are.
#pragma once

#include <string>
#include <vector>

#include "exec/show/tables.h"

namespace scsim::exec {

struct ComparedNumber {
  std::string_view table;
  Cell cell;
  std::string what;
  double first = 0, second = 0;
  double allowed = 0;  // how far apart they may be
  bool agrees = false;
};

struct Comparison {
  std::vector<ComparedNumber> numbers;          // that both have, with an interval
  std::size_t only_first = 0, only_second = 0;  // that one of them lacks
  std::vector<std::string> design_differences;  // in words
  std::size_t disagreeing() const;
};
Comparison compare_tables(const Tables& first, const Tables& second);
std::string comparison_text(const Comparison& comparison, const Tables& first,
                            const Tables& second);

}  // namespace scsim::exec
