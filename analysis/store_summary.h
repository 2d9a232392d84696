// What the tiers of the store below the engines' own memory (HBM) did for a run; absent where a
// cluster has none. Tokens and times of requests are of those that arrived in the measured window
// and were admitted, as the hit ratio's; what tiers and links did is of the whole run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/lifetimes.h"

namespace scsim::analysis {

// Prompt tokens by where their KV came from at first admission. found + fetched + computed =
// prompt.
struct TokenSources {
  std::string name;  // of the tenant; "all"
  std::int64_t requests = 0, prompt_tokens = 0;
  std::int64_t found_tokens = 0, found_lossy_tokens = 0;  // in HBM
  std::vector<std::int64_t> fetched_tokens;               // by tier
  std::int64_t fetched_lossy_tokens = 0;                  // of all tiers
  double avoided_seconds = 0, wait_seconds = 0;           // sums over the requests

  std::int64_t fetched() const;
  std::int64_t computed_tokens() const { return prompt_tokens - found_tokens - fetched(); }
  double share(std::int64_t tokens) const;  // of the prompt tokens
  double mean(double seconds) const;        // per request
};

// What a tenant's blocks took up in a tier: bytes times time.
struct TenantShare {
  std::string name;
  double charged_gib_hours = 0, stored_gib_hours = 0;
  std::optional<double> charged_dollars;
};

struct TierSummary {
  std::string name;
  double hit_ratio = 0;              // tokens fetched from it / prompt tokens
  std::optional<double> used_share;  // of the capacity, mean over the window
  double peak_share = 0;
  std::vector<LifetimeSummary> lifetimes;  // by reason, such as happened
  LifetimeSummary residence;               // all reasons
  LifetimeSummary between_uses;
  std::optional<double> dollars;  // its capacity for the length of the run
  std::vector<TenantShare> tenants;
};

struct LinkSummary {
  double mean_bytes_per_second = 0, peak_bytes_per_second = 0;  // the peak of a bin
  std::optional<double>
      utilisation;        // mean over the run / bandwidth; absent where that is infinite
  double busy_share = 0;  // of the run: something was on it
};

struct StoreSummary {
  TokenSources all;
  std::vector<TokenSources> tenants;  // those with such requests
  std::vector<TierSummary> tiers;     // as in the Result
  std::vector<LinkSummary> links;     // likewise
  std::int64_t abandoned_loads = 0;
  double avoided_gpu_seconds = 0;
  std::optional<double> avoided_dollars;  // absent where no engine has a price

  // An estimate by the cost model: what a request's fetches spared it of computing, less what it
  // waited for them; a mean over all requests.
  double ttft_saved() const { return all.mean(all.avoided_seconds - all.wait_seconds); }
};

struct Summary;
// Fills summary.store, if the result has tiers.
void summarise_store(const Result& result, Summary& summary);

// Indices of the tenants that hold or are charged most in any tier, the largest first, at most
// `most`; what they hold over time is drawn by name, the rest together.
std::vector<std::size_t> largest_holders(const Result& result, std::size_t most);
// Indices of the links that carried most, the busiest first; such as carried anything.
std::vector<std::size_t> busiest_links(const Result& result, std::size_t most);

struct Definition;
const std::vector<Definition>& store_definitions();

}  // namespace scsim::analysis
