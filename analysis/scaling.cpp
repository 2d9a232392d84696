#include "analysis/scaling.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/wording.h"
#include "traces/text.h"

namespace scsim::analysis {

Scaling scaling_of(const Result& result) {
  Scaling scaling;
  const double run = result.end.seconds().value() / 3600;
  double gpu_hours = 0, paid = 0;
  for (const EngineResult& engine : result.engines) {
    const double off = static_cast<double>(engine.off_ns) * 1e-9 / 3600;
    scaling.most_engine_hours += run;
    scaling.engine_hours += run - off;
    gpu_hours += run * engine.gpus;
    paid += (run - off) * engine.gpus;
    scaling.starts += engine.starts;
    scaling.dollars_saved += off * engine.gpus * engine.price_per_gpu_hour;
  }
  if (paid < gpu_hours) scaling.gpu_share = paid / gpu_hours;
  return scaling;
}

std::string scaling_text(const Result& result) {
  const Scaling scaling = scaling_of(result);
  if (scaling.gpu_share == 1) return "";
  std::string text = format_fixed(scaling.engine_hours, 2) + " engine-hours of " +
                     format_fixed(scaling.most_engine_hours, 2) + ", " +
                     format_integer(scaling.starts) + " engines started";
  if (scaling.dollars_saved > 0)
    text += "; " + dollars_text(scaling.dollars_saved) + " less than with all of them up";
  return text;
}

nlohmann::ordered_json scaling_json(const Scaling& scaling) {
  return {{"engine_hours", scaling.engine_hours},
          {"most_engine_hours", scaling.most_engine_hours},
          {"starts", scaling.starts},
          {"dollars_saved", scaling.dollars_saved}};
}

}  // namespace scsim::analysis
