// A profile for people: per method and stage what was fitted and how far it was off, the samples
// furthest off, and what accuracy was measured.
#pragma once

#include <string>
#include <vector>

#include "cost_models/fit/fit_profile.h"
#include "traces/profile.h"

namespace scsim::cost_models {

std::string profile_text(const Profile& profile);  // at most 100 columns

// One number a line: method, stage or operator, what, driver, value. What the text says and more.
std::string profile_csv(const Profile& profile);

// One sample a line: method, fit, sample, seconds measured and fitted, and each driver that the fit
// knows as driver=value.
std::string residuals_csv(const Profile& profile, const std::vector<Residual>& residuals);

// As people write it: name, preset, parameters.
std::string method_label(const CalibrationMethod& method);

}  // namespace scsim::cost_models
