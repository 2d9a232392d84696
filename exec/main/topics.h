// What `scexec help TOPIC` prints.
#pragma once

#include <vector>

#include "traces/program/topics.h"

namespace scsim::exec {

const std::vector<program::Topic>& scexec_topics();

}  // namespace scsim::exec
