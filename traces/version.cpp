#include "traces/version.h"

namespace scsim {

std::string_view tool_version() { return SCSIM_VERSION; }

}  // namespace scsim
