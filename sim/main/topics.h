// What `scsim help TOPIC` knows.
#pragma once

#include <vector>

#include "traces/program/topics.h"

namespace scsim::program {

const std::vector<Topic>& scsim_topics();

}  // namespace scsim::program
