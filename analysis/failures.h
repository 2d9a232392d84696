// What broke in a run and what it did to requests, in the reports. Empty where nothing broke.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/summary.h"

namespace scsim::analysis {

// "3 failures (2 engines, 1 node), 12 min down in all; ..."
std::string failures_text(const Result& result, const Summary& summary);
std::string failures_html(const Result& result, const Summary& summary);  // a section
nlohmann::ordered_json failures_json(const Result& result);

}  // namespace scsim::analysis
