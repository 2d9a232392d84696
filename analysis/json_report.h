// The summary as JSON, for tools. Keys come in a fixed order and numbers as the shortest text that
// reads back the same, so equal summaries are equal bytes. Times are in seconds, ratios 0..1; what
// is not known is null.
#pragma once

#include <string>

#include "analysis/summary.h"

namespace scsim::analysis {

std::string json_report(const Result& result, const Summary& summary);

}  // namespace scsim::analysis
