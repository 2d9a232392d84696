// What the generator makes of a recipe, all of it in memory.
//
//   LoadedTrace trace = generated("plain: {}\nrequests: 100");
#pragma once

#include <string>

#include "tests/support/trace_files.h"

namespace scsim::test {

// Fails the test where the recipe is refused.
LoadedTrace generated(const std::string& recipe);
// The message for a recipe that is refused; empty where it is not.
std::string refusal(const std::string& recipe);

}  // namespace scsim::test
