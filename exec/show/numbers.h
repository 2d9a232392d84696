// Every number of the tables, one after the other, for the forms that machines read.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "exec/show/tables.h"

namespace scsim::exec {

// One number: of which table, of which cell, what it is ("strict", "generation_seconds_median"),
// with its interval and its number of sessions where it has them.
struct Number {
  std::string_view table;  // "scores", "costs", "operators"
  Cell cell;               // of an operator: its key as the method
  std::string what;
  double value = 0;
  std::optional<Interval> interval;
  std::int64_t sessions = 0;  // 0: not a mean over sessions
};
void for_each_number(const Tables& tables, const std::function<void(const Number&)>& use);

}  // namespace scsim::exec
