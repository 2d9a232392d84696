// Options of an importer out of a YAML file, one `name: value` a line, for logs whose columns take
// more words than a command line.
#pragma once

#include <map>
#include <string>

#include "traces/trace_format.h"

namespace scsim::program {

// Errors name file and line; an unknown option, the nearest of the format's.
Expected<std::map<std::string, std::string>> read_option_file(const std::string& path,
                                                              const TraceFormat& format);

// Whether `name` is an option of the format; the error names the nearest.
Expected<void> check_option(const std::string& name, const TraceFormat& format);

}  // namespace scsim::program
