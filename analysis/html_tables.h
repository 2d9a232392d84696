// Tables that several sections of report.html have.
#pragma once

#include <string>
#include <vector>

#include "analysis/lifetimes.h"

namespace scsim::analysis {

inline constexpr std::size_t kTableRows = 200;

// What stands below a table of kTableRows rows that has `all`.
std::string rows_left_out(std::size_t all);

std::string lifetime_table(const std::vector<LifetimeSummary>& lifetimes);

}  // namespace scsim::analysis
