// The store's part of every report. REQUIRES, all of them: summary.store, or they return nothing.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/summary.h"

namespace scsim::analysis {

// What the tiers spared, in a sentence: GPU time, dollars, TTFT.
std::string store_worth_text(const Summary& summary);

std::string store_text(const Result& result, const Summary& summary, std::size_t tenant_rows);
std::string store_html(const Result& result, const Summary& summary);  // a section
std::string store_chart_data(const Result& result,
                             const Summary& summary);  // html/store.js reads it
nlohmann::ordered_json store_json(const Result& result, const Summary& summary);

}  // namespace scsim::analysis
