// Real traces that are not part of the project: ../shared/data beside the checkout, or the folder
// that the environment variable SCSIM_DATA names. A test that lacks its file skips itself:
//
//   std::optional<std::string> path =
//   test::real_data("traces/mooncake/conversation_trace.jsonl.zst"); if (!path) return;   // it has
//   printed "SKIPPED: ..."
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

namespace scsim::test {

inline std::optional<std::string> real_data(const std::string& name) {
  const char* given = std::getenv("SCSIM_DATA");
  const std::string root = given ? given : std::string(SCSIM_SOURCE_DIR) + "/../shared/data";
  const std::string path = root + "/" + name;
  if (std::filesystem::exists(path)) return path;
  std::cout << "SKIPPED: no " << path << std::endl;
  return std::nullopt;
}

}  // namespace scsim::test
