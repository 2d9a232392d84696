// Results made by a toy queue, for tests of what is computed from results: engines with a fixed
// number of places, first come, first served.
#pragma once

#include "traces/result.h"

namespace scsim::analysis {

struct SampleOptions {
  std::size_t requests = 2000;
  double per_second = 4;  // Poisson arrivals
  std::size_t engines = 2;
  std::size_t places = 8;  // requests that an engine runs at once
  double seconds_per_output_token = 0.02;
  double price_per_gpu_hour = 2.5;
  std::uint64_t seed = 1;
};

// Three tenants (one with a name that a page must escape), sessions of up to six turns, two service
// classes, one of them without targets. Every ledger adds up.
Result sample_result(const SampleOptions& options);

// One finished request on engine 0 whose time is all queue, generation and decode.
RequestResult finished_request(double arrival, double scheduled, double first_token, double end,
                               std::int64_t output_tokens);

inline TimePoint at(double seconds) {
  return TimePoint(static_cast<std::int64_t>(seconds * 1e9 + 0.5));
}

}  // namespace scsim::analysis
