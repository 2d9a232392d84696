// What autoscaling did, in the reports. Empty where no engine was ever off.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "traces/result.h"

namespace scsim::analysis {

struct Scaling {
  double engine_hours = 0, most_engine_hours = 0;  // paid for; had all been up all the time
  double gpu_share = 1;                            // of GPU time that was paid for
  std::int64_t starts = 0;
  double dollars_saved = 0;  // against all being up; of engines with a price
};
Scaling scaling_of(const Result& result);

std::string scaling_text(const Result& result);
nlohmann::ordered_json scaling_json(const Scaling& scaling);

}  // namespace scsim::analysis
