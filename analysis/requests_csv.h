// requests.csv: one row per request in order of arrival, for spreadsheets and data frames.
#pragma once

#include <string>

#include "traces/expected.h"
#include "traces/result.h"

namespace scsim::analysis {

// Writes row by row: memory does not grow with the requests. Empty cells are what a request never
// reached.
Expected<void> write_requests_csv(const Result& result, const std::string& path);

}  // namespace scsim::analysis
