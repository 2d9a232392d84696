#include "tests/traces/generated.h"

#include <catch2/catch.hpp>

#include "traces/files.h"
#include "traces/generate.h"

namespace scsim::test {
namespace {

Expected<GenerateReport> generate(const std::string& recipe, const TemporaryFolder& folder) {
  REQUIRE(write_file(folder.file("recipe.yaml"), recipe).has_value());
  return generate_trace({.path = folder.file("recipe.yaml")}, folder.file("out.pb"), "test");
}

}  // namespace

LoadedTrace generated(const std::string& recipe) {
  TemporaryFolder folder;
  const Expected<GenerateReport> report = generate(recipe, folder);
  if (!report) FAIL(report.error().message);
  LoadedTrace trace = load_trace(folder.file("out.pb"));
  CHECK(report->requests == trace.requests.size());
  CHECK(report->last == trace.requests.back().earliest);
  return trace;
}

std::string refusal(const std::string& recipe) {
  TemporaryFolder folder;
  const Expected<GenerateReport> report = generate(recipe, folder);
  if (report) return "";
  const std::string path = folder.file("");  // ends with a slash
  const std::string& message = report.error().message;
  return message.starts_with(path) ? message.substr(path.size()) : message;
}

}  // namespace scsim::test
