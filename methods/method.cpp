#include "methods/method.h"

#include <algorithm>

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::methods {
namespace {

Expected<void> set_parameter(const MethodEntry& entry, std::string_view assignment,
                             MethodChoice& choice) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos) {
    return Error{"method " + entry.name + ": expected key=value, found \"" +
                 std::string(assignment) + "\""};
  }
  const std::string key{trim(assignment.substr(0, equals))};
  const auto parameter = std::ranges::find(entry.parameters, key, &MethodParameter::name);
  if (parameter == entry.parameters.end()) {
    if (entry.parameters.empty()) {
      return Error{"method " + entry.name + " has no parameters; found \"" + key + "\""};
    }
    std::vector<std::string> known;
    for (const MethodParameter& each : entry.parameters) known.push_back(each.name);
    return Error{"method " + entry.name + ": " + unknown_name("parameter", key, known)};
  }
  const Expected<double> value = parse_double(trim(assignment.substr(equals + 1)));
  if (!value) return Error{"method " + entry.name + ": " + key + ": " + value.error().message};
  if (!(*value >= parameter->min && *value <= parameter->max)) {
    return Error{"method " + entry.name + ": " + key + ": " + format_shortest(*value) +
                 " is out of range " + format_shortest(parameter->min) + " to " +
                 format_shortest(parameter->max)};
  }
  choice.parameters[key] = *value;
  return {};
}

}  // namespace

Expected<const MethodEntry*> find_method(const std::string& name) {
  std::vector<std::string> names;
  for (const MethodEntry& entry : method_table()) {
    if (entry.name == name) return &entry;
    names.push_back(entry.name);
  }
  return Error{unknown_name("method", name, names)};
}

Expected<MethodChoice> parse_method(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto entry = find_method(std::string(trim(text.substr(0, colon))));
  if (!entry) return entry.error();
  MethodChoice choice{.name = (*entry)->name, .parameters = {}};
  for (const MethodParameter& parameter : (*entry)->parameters) {
    choice.parameters[parameter.name] = parameter.default_value;
  }
  if (colon == std::string_view::npos) return choice;
  for (const std::string& assignment : split(text.substr(colon + 1), ',')) {
    if (const auto set = set_parameter(**entry, assignment, choice); !set) return set.error();
  }
  return choice;
}

Expected<std::vector<MethodChoice>> parse_methods(std::string_view text) {
  std::vector<std::string> written;
  for (const std::string& piece : split(text, ',')) {
    const bool continues =
        piece.find('=') != std::string::npos && piece.find(':') == std::string::npos;
    if (continues && !written.empty()) {
      written.back() += "," + piece;
    } else {
      written.push_back(piece);
    }
  }
  std::vector<MethodChoice> choices;
  for (const std::string& one : written) {
    Expected<MethodChoice> choice = parse_method(one);
    if (!choice) return choice.error();
    if (std::ranges::find(choices, *choice) != choices.end()) {
      return Error{"method " + method_text(*choice) + " is listed twice"};
    }
    choices.push_back(*std::move(choice));
  }
  return choices;
}

std::string method_text(const MethodChoice& choice) {
  const auto entry = find_method(choice.name);
  SCSIM_CHECK(entry.has_value());
  std::string text = choice.name;
  char separator = ':';
  for (const MethodParameter& parameter : (*entry)->parameters) {
    const auto given = choice.parameters.find(parameter.name);
    if (given == choice.parameters.end() || given->second == parameter.default_value) continue;
    text += separator + parameter.name + "=" + format_shortest(given->second);
    separator = ',';
  }
  return text;
}

std::unique_ptr<KvContract> make_contract(const MethodChoice& choice) {
  const auto entry = find_method(choice.name);
  SCSIM_CHECK(entry.has_value());
  return (*entry)->make_contract(choice.parameters);
}

}  // namespace scsim::methods
