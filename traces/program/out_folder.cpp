#include "traces/program/out_folder.h"

#include <unistd.h>

#include <filesystem>

namespace scsim::program {

Expected<void> check_out_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path existing = fs::absolute(folder, ignored).lexically_normal();
  while (!fs::exists(existing, ignored) && existing.has_relative_path())
    existing = existing.parent_path();
  if (!fs::is_directory(existing, ignored)) {
    return Error{folder + ": cannot be a folder, as " + existing.string() + " is none"};
  }
  if (access(existing.c_str(), W_OK) != 0) {
    return Error{folder + ": " + existing.string() + " cannot be written to"};
  }
  return {};
}

}  // namespace scsim::program
