#include "methods/method.h"

#include <catch2/catch.hpp>

namespace scsim::methods {
namespace {

TEST_CASE("every method says what it is and where it comes from", "[methods]") {
  REQUIRE(method_table().front().name == "full");
  for (const MethodEntry& entry : method_table()) {
    INFO(entry.name);
    CHECK_FALSE(entry.sentence.empty());
    CHECK_FALSE(entry.category.empty());
    CHECK_FALSE(entry.source.empty());
    CHECK(entry.make_contract(parse_method(entry.name)->parameters) != nullptr);
    for (const MethodParameter& parameter : entry.parameters) {
      CHECK(parameter.default_value >= parameter.min);
      CHECK(parameter.default_value <= parameter.max);
    }
  }
}

TEST_CASE("a method that is written is read back as itself", "[methods]") {
  for (const MethodEntry& entry : method_table()) {
    const auto choice = parse_method(entry.name);
    CHECK(method_text(*choice) == entry.name);
    CHECK(*parse_method(method_text(*choice)) == *choice);
  }
}

TEST_CASE("an unknown method or parameter is named with the nearest one", "[methods]") {
  CHECK(parse_method("fulll").error().message.find("did you mean \"full\"") != std::string::npos);
  CHECK(parse_method("full:budget=3").error().message ==
        "method full has no parameters; found \"budget\"");
  CHECK(parse_methods("full,full").error().message == "method full is listed twice");
  CHECK_FALSE(parse_methods("").has_value());
}

}  // namespace
}  // namespace scsim::methods
