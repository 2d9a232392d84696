// Lists on the command line: "512,1024".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/session_mode.h"

namespace scsim::exec {

// Whole numbers from `min` on, ascending and each once; the error begins with `name`.
Expected<std::vector<std::int64_t>> number_list(const std::string& name, const std::string& text,
                                                std::int64_t min);

// "multi_turn", "multi_request".
Expected<SessionMode> session_mode(const std::string& name);

}  // namespace scsim::exec
