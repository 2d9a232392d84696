#include "exec/tasks/material.h"

#include <cstdlib>
#include <filesystem>

namespace scsim::exec {
namespace {

std::string if_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored) ? path : "";
}

}  // namespace

Material Material::find() {
  Material found;
  const char* given = std::getenv("SCSIM_DATA");
  found.data = if_folder(std::string(given ? given : "../shared/data") + "/eval");
  for (int minor = 30; minor >= 6 && found.python.empty(); --minor) {
    found.python = if_folder("/usr/lib/python3." + std::to_string(minor));
  }
  found.manual = if_folder("/usr/share/man");
  found.manual_chn = if_folder("/usr/share/man/zh_CN");
  return found;
}

}  // namespace scsim::exec
