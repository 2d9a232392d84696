// README.md says only what is true: its run is that of the example, its commands and topics exist.
#include <catch2/catch.hpp>
#include <filesystem>
#include <regex>
#include <sstream>

#include "tests/support/shell.h"

using namespace scsim::test;

namespace {

const std::string kRoot = SCSIM_SOURCE_DIR "/";

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("the run in the README is what the example prints", "[main][readme]") {
  const std::vector<std::string> readme = lines_of(content_of(kRoot + "README.md"));
  const std::vector<std::string> printed =
      lines_of(content_of(kRoot + "examples/enterprise_docs/expected_output"));
  const auto begin = std::find(readme.begin(), readme.end(), "```");
  REQUIRE(begin != readme.end());
  const auto end = std::find(begin + 1, readme.end(), "```");
  REQUIRE(end != readme.end());
  auto at = printed.begin();
  for (auto line = begin + 1; line != end; ++line) {
    if (*line == "...") continue;
    INFO(*line);
    at = std::find(at, printed.end(), *line);
    REQUIRE(at !=
            printed.end());  // else copy it anew from examples/enterprise_docs/expected_output
    ++at;
  }
}

TEST_CASE("files that a README names are there", "[main][readme]") {
  namespace fs = std::filesystem;
  std::vector<fs::path> readmes = {kRoot + "README.md"};
  for (const char* folder : {"analysis", "cmake", "cost_models", "examples", "exec", "methods",
                             "sim", "tests", "traces"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot + folder)) {
      if (entry.path().filename() == "README.md") readmes.push_back(entry.path());
    }
  }
  // `sim/x.cpp` or `x.cpp` in backquotes, and links; a name with x. stands for one to be added.
  const std::regex named(R"((?:`|\]\()([a-z_0-9./]+\.(?:h|cpp|proto|svg|cmake|txt|md|yaml))[`)])");
  for (const fs::path& readme : readmes) {
    const std::string text = content_of(readme.string());
    for (auto at = std::sregex_iterator(text.begin(), text.end(), named);
         at != std::sregex_iterator(); ++at) {
      const std::string name = (*at)[1];
      const std::string file = fs::path(name).filename().string();
      if (name.starts_with("x/") || file.starts_with("x.") || file.starts_with("x_") ||
          file.find("_x.") != std::string::npos)
        continue;
      INFO(readme.string() << " names " << name);
      const fs::path folder = readme.parent_path();
      const fs::path tests = fs::path(kRoot) / "tests" / folder.lexically_relative(kRoot);
      CHECK((fs::exists(kRoot + name) || fs::exists(folder / name) || fs::exists(tests / name)));
    }
  }
}
