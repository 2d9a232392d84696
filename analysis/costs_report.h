// Energy and money in the reports. REQUIRES, all of them: summary.costs, or they return nothing.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "analysis/summary.h"

namespace scsim::analysis {

// What one expected correct answer of the window cost, at the run's mean power and price; absent
// where accuracy is unknown or nothing is right.
std::optional<Amount> cost_per_correct(const Summary& summary);

std::string energy_sentence(const Summary& summary);
std::string costs_table(const Summary& summary,
                        std::size_t tenant_rows);  // by tenant, dearest first
std::string costs_html(const Summary& summary);    // a section
nlohmann::ordered_json costs_json(const Summary& summary);

}  // namespace scsim::analysis
