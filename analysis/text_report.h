// The summary on one screen of a terminal: at most 60 lines of 100 columns. It answers: did it meet
// the SLO, what was the cache worth, where did time and bytes go, what is the bottleneck; and says
// at its head what its numbers rest on.
#pragma once

#include <string>

#include "analysis/summary.h"

namespace scsim::analysis {

std::string text_report(const Result& result, const Summary& summary);

}  // namespace scsim::analysis
