// The commit of the source that this program was built from.
#pragma once

#include <string_view>

namespace scsim::exec {

// "1a2b3c4d5e6f", with "+" behind it where files differed from the commit; "unknown" outside of
// git.
std::string_view source_commit();

}  // namespace scsim::exec
