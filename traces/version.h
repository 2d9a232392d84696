// The version of this build, as `--version` and the headers of files state it.
#pragma once

#include <string_view>

namespace scsim {

std::string_view tool_version();  // "0.1.0"

}  // namespace scsim
