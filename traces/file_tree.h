// The files of a folder, or of an archive of one (.tar, .tar.zst, .tar.gz, .zip), by name.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "traces/expected.h"

namespace scsim {

// Names are relative to `path`, with /. Holds in memory the files that `wanted` wants.
Expected<std::map<std::string, std::string>> read_file_tree(
    const std::string& path, const std::function<bool(std::string_view name)>& wanted);

}  // namespace scsim
