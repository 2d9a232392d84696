// Traces that are committed beside the recipes they were made from.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "tests/support/trace_files.h"
#include "traces/generate.h"

namespace scsim::test {
namespace {

TEST_CASE("the committed enterprise_docs trace is what its recipe makes", "[traces][generate]") {
  const std::string folder = SCSIM_SOURCE_DIR "/examples/enterprise_docs/";
  TemporaryFolder temporary;
  const std::string made = temporary.file("enterprise_docs.pb");
  const Expected<GenerateReport> report =
      generate_trace({.path = folder + "recipe.yaml"}, made, "scsim trace generate recipe.yaml");
  REQUIRE(report.has_value());
  CHECK((bytes_of(made) == bytes_of(folder + "enterprise_docs.pb")));
  CHECK(std::filesystem::file_size(made) < 1'000'000);
}

}  // namespace
}  // namespace scsim::test
