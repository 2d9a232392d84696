// One trace with every kind of record and every field in use, and all of a trace as text.
#pragma once

#include <string>

#include "traces/trace.h"

namespace scsim::test {

// Gives the text of the requests, as read_all_text() does.
std::string write_some_trace(const std::string& path, std::size_t num_requests);

// All that a reader gives out, as text, so that two traces can be compared; or its error.
Expected<std::string> read_all_text(const std::string& path);

}  // namespace scsim::test
