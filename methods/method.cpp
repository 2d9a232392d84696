#include "methods/method.h"

#include <algorithm>

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::methods {
namespace {

std::vector<std::string> names_of(const auto& named) {
  std::vector<std::string> names;
  for (const auto& each : named) names.push_back(each.name);
  return names;
}

struct Assignment {
  std::string key, value;
};

Expected<std::vector<Assignment>> read_assignments(const MethodEntry& entry,
                                                   std::string_view text) {
  std::vector<Assignment> assignments;
  for (const std::string& piece : split(text, ',')) {
    const std::size_t equals = piece.find('=');
    if (equals == std::string::npos) {
      return Error{"method " + entry.name + ": expected key=value, found \"" + piece + "\""};
    }
    const std::string key{trim(std::string_view(piece).substr(0, equals))};
    if (std::ranges::find(assignments, key, &Assignment::key) != assignments.end()) {
      return Error{"method " + entry.name + ": " + key + " is given twice"};
    }
    assignments.push_back(
        {.key = key, .value = std::string(trim(std::string_view(piece).substr(equals + 1)))});
  }
  return assignments;
}

Expected<double> read_value(const MethodParameter& parameter, const std::string& text) {
  if (!parameter.choices.empty()) {
    const auto chosen = std::ranges::find(parameter.choices, text);
    if (chosen == parameter.choices.end()) {
      return Error{unknown_name("value", text, parameter.choices)};
    }
    return static_cast<double>(chosen - parameter.choices.begin());
  }
  const Expected<double> value = parse_double(text);
  if (!value) return value.error();
  if (!(*value >= parameter.min && *value <= parameter.max)) {
    return Error{format_shortest(*value) + " is out of range " + format_shortest(parameter.min) +
                 " to " + format_shortest(parameter.max)};
  }
  return *value;
}

Expected<void> set_parameter(const MethodEntry& entry, const Assignment& assignment,
                             MethodParameters& parameters) {
  const auto parameter =
      std::ranges::find(entry.parameters, assignment.key, &MethodParameter::name);
  if (parameter == entry.parameters.end()) {
    if (entry.parameters.empty()) {
      return Error{"method " + entry.name + " has no parameters; found \"" + assignment.key + "\""};
    }
    return Error{"method " + entry.name + ": " +
                 unknown_name("parameter", assignment.key, names_of(entry.parameters))};
  }
  if (parameter->is_text) {
    parameters.texts[assignment.key] = assignment.value;
    return {};
  }
  const Expected<double> value = read_value(*parameter, assignment.value);
  if (!value) {
    return Error{"method " + entry.name + ": " + assignment.key + ": " + value.error().message};
  }
  parameters.numbers[assignment.key] = *value;
  return {};
}

Expected<void> take_preset(const MethodEntry& entry, const std::string& name,
                           MethodChoice& choice) {
  const auto preset = std::ranges::find(entry.presets, name, &MethodPreset::name);
  if (preset == entry.presets.end()) {
    if (entry.presets.empty()) return Error{"method " + entry.name + " has no presets"};
    return Error{"method " + entry.name + ": " +
                 unknown_name("preset", name, names_of(entry.presets))};
  }
  choice.preset = name;
  for (const auto& [key, value] : preset->numbers) choice.parameters.numbers[key] = value;
  return {};
}

// `preset` at its values, without anything else.
MethodChoice plain_choice(const MethodEntry& entry, const std::string& preset) {
  MethodChoice choice{.name = entry.name};
  for (const MethodParameter& parameter : entry.parameters) {
    if (parameter.is_text) {
      choice.parameters.texts[parameter.name] = "";
    } else {
      choice.parameters.numbers[parameter.name] = parameter.default_value;
    }
  }
  if (!preset.empty()) SCSIM_CHECK(take_preset(entry, preset, choice).has_value());
  return choice;
}

}  // namespace

Expected<const MethodEntry*> find_method(const std::string& name) {
  for (const MethodEntry& entry : method_table()) {
    if (entry.name == name) return &entry;
  }
  return Error{unknown_name("method", name, names_of(method_table()))};
}

Expected<MethodChoice> parse_method(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto entry = find_method(std::string(trim(text.substr(0, colon))));
  if (!entry) return entry.error();
  if (colon == std::string_view::npos) return plain_choice(**entry, "");
  return parse_parameters(**entry, text.substr(colon + 1));
}

Expected<MethodChoice> parse_parameters(const MethodEntry& entry, std::string_view text) {
  MethodChoice choice = plain_choice(entry, "");
  Expected<std::vector<Assignment>> assignments = read_assignments(entry, text);
  if (!assignments) return assignments.error();
  const auto preset = std::ranges::find(*assignments, "preset", &Assignment::key);
  if (preset != assignments->end()) {
    if (const auto taken = take_preset(entry, preset->value, choice); !taken) {
      return taken.error();
    }
    assignments->erase(preset);
  }
  for (const Assignment& assignment : *assignments) {
    if (const auto set = set_parameter(entry, assignment, choice.parameters); !set) {
      return set.error();
    }
  }
  if (entry.check != nullptr) {
    if (const auto checked = entry.check(choice.parameters); !checked) {
      return Error{"method " + entry.name + ": " + checked.error().message};
    }
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
  return method_text(**entry, choice);
}

std::string method_text(const MethodEntry& entry, const MethodChoice& choice) {
  const MethodChoice plain = plain_choice(entry, choice.preset);
  std::string text = choice.name;
  char separator = ':';
  const auto add = [&](const std::string& name, const std::string& value) {
    text += separator + name + "=" + value;
    separator = ',';
  };
  if (!choice.preset.empty()) add("preset", choice.preset);
  for (const MethodParameter& parameter : entry.parameters) {
    const std::string value = parameter_text(parameter, choice.parameters);
    if (value != parameter_text(parameter, plain.parameters)) add(parameter.name, value);
  }
  return text;
}

std::string parameter_text(const MethodParameter& parameter, const MethodParameters& values) {
  if (parameter.is_text) return values.text(parameter.name);
  const double value = values.at(parameter.name);
  if (parameter.choices.empty()) return format_shortest(value);
  return parameter.choices.at(static_cast<std::size_t>(value));
}

Expected<void> check_layers(const MethodChoice& choice, const ModelLayers& layers) {
  const auto entry = find_method(choice.name);
  SCSIM_CHECK(entry.has_value());
  const std::string has = layers.model + " has ";
  const std::string recurrent = std::to_string(layers.recurrent) + " recurrent layers";
  if ((*entry)->needs_attention && layers.attention == 0) {
    std::string others;
    for (const MethodEntry& other : method_table()) {
      if (!other.needs_attention) others += (others.empty() ? "" : ", ") + other.name;
    }
    return Error{"method " + choice.name + " acts on attention layers, and " + has + "none, but " +
                 recurrent + "; methods for it: " + others};
  }
  const ReuseClass reuse = make_contract(choice)->reuse(SessionMode::kMultiRequest);
  if (reuse == ReuseClass::kPositionFree && layers.recurrent > 0) {
    return Error{"method " + choice.name +
                 " uses what was cached at another place of a prompt, and " + has + recurrent +
                 ", whose state holds all that stood before"};
  }
  return {};
}

std::unique_ptr<KvContract> make_contract(const MethodChoice& choice) {
  const auto entry = find_method(choice.name);
  SCSIM_CHECK(entry.has_value());
  return (*entry)->make_contract(choice.parameters);
}

}  // namespace scsim::methods
