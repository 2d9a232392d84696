// The cost model `profile`: a step takes what measured steps of that model on that device took, as
// `scsim fit` fitted them.
//
// Whole engine steps (cost_models/step_drivers.h) are what it is made for: they hold the host's
// time and all that batching does. A profile without them has the stages of requests that were
// measured one at a time; steps are then put together from those, a batch costing the sum of its
// requests, and the results say so. No overhead of an engine preset comes on top.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cost_models/shapes.h"
#include "traces/expected.h"
#include "traces/profile.h"

namespace scsim::cost_models {

// A profile as simulations use it.
struct MeasuredCosts {
  std::string path;
  Profile profile;
  // 0: coefficients as fitted. Others: drawn from their covariance, for error bars; a number always
  // gives the same ones.
  std::uint64_t draw = 0;
};

// The position in the profile's methods of full attention; absent if it was not measured.
std::optional<int> full_method(const Profile& profile);

// What the profile knows of its model: layers, heads, KV bytes of a token; no weights.
Expected<ModelShape> profiled_model(const Profile& profile);
// Bits of its KV cache's elements and of its weights as they are computed with.
Expected<Precision> profiled_precision(const Profile& profile);
// The device: a built-in GPU if its name is one's, else what the profile says of it; of that, rates
// are not known, and 0.
GpuShape profiled_device(const Profile& profile);
// Whether people mean the profile's model or device by this name: its name, or a built-in one of
// the same shape; upper and lower case are alike.
bool is_profiled_model(const Profile& profile, const std::string& name);
bool is_profiled_device(const Profile& profile, const std::string& name);

}  // namespace scsim::cost_models
