// How evenly tenants were served. Known where engines serve in order of weights (order: wfq).
//
// - Service of a tenant: prompt tokens computed for it and twice the tokens generated, as the queue
//   counts them, for its weight. Jain's index over tenants x: (sum x)^2 / (n sum x^2), from 1/n
//   (one has all) to 1 (Jain, Chiu and Hawe, DEC-TR-301, 1984). It is 1 only where all want as much
//   as they can get: one that asks for less gets less.
// - Dominant share (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011): the largest of a
//   tenant's shares of what all used of a resource: GPU time (by tokens, as analysis/costs.h) and
//   the bytes times seconds that each tier kept for it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "traces/result.h"

namespace scsim::analysis {

double jain_index(const std::vector<double>& shares);  // 1 for none, or all 0

struct TenantService {
  std::string name;
  double weight = 1;
  double tokens = 0;     // of service, not divided by the weight
  std::string dominant;  // resource
  double dominant_share = 0;
};

struct Fairness {
  double service = 1, dominant = 1;    // Jain's indices, by weights
  std::vector<TenantService> tenants;  // with requests
};

std::optional<Fairness> fairness_of(const Result& result);
std::string fairness_text(const Fairness& fairness);
nlohmann::ordered_json fairness_json(const Fairness& fairness);

}  // namespace scsim::analysis
