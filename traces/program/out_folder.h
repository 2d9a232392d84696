// The folder that `--out` names.
#pragma once

#include <string>

#include "traces/expected.h"

namespace scsim::program {

// Found out before the run rather than after it: whether files can be written to `folder`, which
// need not exist yet.
Expected<void> check_out_folder(const std::string& folder);

}  // namespace scsim::program
