// report.html: one file with everything in it. It opens without a network (a content security
// policy in its head forbids it to fetch anything) and reads without scripts, except for the
// charts.
#pragma once

#include <string>

#include "analysis/summary.h"

namespace scsim::analysis {

std::string html_report(const Result& result, const Summary& summary);

// What the charts draw, as JSON: html/report.js reads it.
std::string html_chart_data(const Result& result, const Summary& summary);

}  // namespace scsim::analysis
