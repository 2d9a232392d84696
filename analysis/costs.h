// What a run costs in energy and money, and whose it is: down to each request, so that requests add
// up to tenants and tenants to the cluster, exactly, in whole microjoules and nanodollars
// (INV-LEDGER).
//
//   std::vector<Amount> of_requests;
//   const Costs costs = attribute_costs(result, &of_requests);
//
// The rule, for the whole run:
// - An engine's seconds of prefill (and compression) go to its requests by the prompt tokens it
//   computed for them, its seconds of decoding (and loading) by the tokens they generated; overhead
//   goes the way of the rest. Each second costs what the engine's GPUs and its part of their hosts
//   draw while in a step, and their price.
// - Shared blocks: whoever computes a block bears what that took, and whoever finds it bears
//   nothing for it. In a tier of the store a block's keep is borne by the tenants for which it was
//   kept: its bytes times the time between two uses by the one whose use ended it, the last stretch
//   by the last user (TierResult::charged_byte_seconds).
// - What engines cost while idle goes to the pool's requests by the GPU seconds they used (pools
//   without any: to all requests likewise, or evenly), since it is there for them.
// - A tier's price, full or empty, goes to tenants by that keep, and a link's by the bytes their
//   requests moved; within a tenant evenly over its requests. Where nobody kept or moved anything,
//   as for idle engines.
// - The building's share (pue - 1) follows the energy it is for.
// Energy of tiers is that of their hosts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/result.h"

namespace scsim::analysis {

struct Amount {
  std::int64_t microjoules = 0, nanodollars = 0;

  double joules() const { return static_cast<double>(microjoules) * 1e-6; }
  double dollars() const { return static_cast<double>(nanodollars) * 1e-9; }
  Amount& operator+=(const Amount& other) {
    microjoules += other.microjoules;
    nanodollars += other.nanodollars;
    return *this;
  }
  bool operator==(const Amount&) const = default;
};

struct CostShare {
  std::string name;
  Amount amount;
  std::int64_t requests = 0, finished = 0;  // of tenants; whole run
};

struct Costs {
  bool has_energy = false, has_dollars = false;  // of engines; or amounts are 0
  double grams_co2_per_kwh = 0;                  // 0: not known
  double run_seconds = 0;
  Amount total;
  std::vector<CostShare> parts;    // GPUs in steps, idle GPUs, hosts, the building, tiers, links
  std::vector<CostShare> tenants;  // with requests; they add up to `total`, as the parts do
  std::int64_t requests = 0, finished = 0;

  double grams(const Amount& amount) const { return amount.joules() / 3.6e6 * grams_co2_per_kwh; }
  double mean_watts() const { return run_seconds > 0 ? total.joules() / run_seconds : 0; }
};

// `of_requests`, if given, gets an amount for each of result.requests, in their order. Nothing is
// attributed where neither energy nor dollars of the engines are known; a result without requests
// has parts and no tenants. Cost O(requests).
Costs attribute_costs(const Result& result, std::vector<Amount>* of_requests = nullptr);

struct Definition;
const std::vector<Definition>& cost_definitions();

}  // namespace scsim::analysis
