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
      CHECK_FALSE(parameter.sentence.empty());
      if (parameter.is_text || !parameter.choices.empty()) continue;
      CHECK(parameter.default_value >= parameter.min);
      CHECK(parameter.default_value <= parameter.max);
    }
    for (const MethodPreset& preset : entry.presets) {
      CHECK_FALSE(preset.sentence.empty());
      const auto choice = parse_method(entry.name + ":preset=" + preset.name);
      REQUIRE(choice.has_value());
      CHECK(*parse_method(method_text(*choice)) == *choice);
      CHECK(entry.make_contract(choice->parameters) != nullptr);
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

MethodEntry made_up() {
  return {.name = "made_up",
          .parameters = {{.name = "budget", .default_value = 64, .min = 1, .max = 1000},
                         {.name = "heads", .choices = {"kv", "query"}},
                         {.name = "patterns", .is_text = true}},
          .presets = {{.name = "released", .numbers = {{"budget", 128}, {"heads", 1}}}}};
}

TEST_CASE("a preset counts first, and what is given besides changes it", "[methods]") {
  const MethodEntry entry = made_up();
  const auto choice = parse_parameters(entry, "heads=kv, preset=released,patterns=a.json");
  REQUIRE(choice.has_value());
  CHECK(choice->preset == "released");
  CHECK(choice->parameters.at("budget") == 128);
  CHECK(choice->parameters.at("heads") == 0);
  CHECK(choice->parameters.text("patterns") == "a.json");
  const std::string text = method_text(entry, *choice);
  CHECK(text == "made_up:preset=released,heads=kv,patterns=a.json");
  CHECK(*parse_parameters(entry, text.substr(text.find(':') + 1)) == *choice);
  CHECK(method_text(entry, *parse_parameters(entry, "heads=kv,budget=64")) == "made_up");
}

TEST_CASE("wrong values of a method are told with what is known", "[methods]") {
  const MethodEntry entry = made_up();
  const auto told = [&](const char* text) { return parse_parameters(entry, text).error().message; };
  CHECK(told("preset=releasd").find("did you mean \"released\"") != std::string::npos);
  CHECK(told("heads=querry").find("did you mean \"query\"") != std::string::npos);
  CHECK(told("budgt=3").find("did you mean \"budget\"") != std::string::npos);
  CHECK(told("budget=0") == "method made_up: budget: 0 is out of range 1 to 1000");
  CHECK(told("budget") == "method made_up: expected key=value, found \"budget\"");
  CHECK(told("budget=1,budget=2") == "method made_up: budget is given twice");
  CHECK(parse_method("full:preset=paper").error().message == "method full has no presets");
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
