// The table of long-context methods. A method is one folder with its contract (contract.cpp, no
// libtorch) and its execution (runtime.cpp), one test, and one line `add_method(x)` in
// methods/CMakeLists.txt. methods/full is the smallest and the one to copy.
//
//   auto choice = parse_method("snapkv:preset=released,budget=2048");   // as people write it
//   auto contract = make_contract(*choice);
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "methods/contract.h"
#include "traces/expected.h"

namespace scsim::methods {

// A number between two others; or, where `choices` has names, one of them, whose value is its index
// (`heads=kv`); or, where `is_text`, words such as a file's name, empty unless given.
struct MethodParameter {
  std::string name;
  double default_value = 0, min = 0, max = 0;
  std::string sentence = "";
  std::vector<std::string> choices = {};
  bool is_text = false;
};

// What a method is made with: every one of its parameters.
struct MethodParameters {
  std::map<std::string, double> numbers = {};
  std::map<std::string, std::string> texts = {};

  double at(const std::string& name) const { return numbers.at(name); }
  const std::string& text(const std::string& name) const { return texts.at(name); }
  friend bool operator==(const MethodParameters&, const MethodParameters&) = default;
};

// Values that belong together under a name, "paper" and "released" where the two differ; parameters
// that it does not mention are at their defaults.
struct MethodPreset {
  std::string name, sentence = "";
  std::map<std::string, double> numbers = {};
};

// What people choose: a method with all of its parameters, those not given at their defaults or as
// the preset has them.
struct MethodChoice {
  std::string name;
  std::string preset = "";  // empty: none was asked for
  MethodParameters parameters = {};
  friend bool operator==(const MethodChoice&, const MethodChoice&) = default;
};

struct MethodEntry {
  std::string name, sentence = "";
  std::string category = "";  // SCBench's: "baseline", "sparse attention", "KV dropping", ...
  std::string source = "";    // paper and repository
  std::vector<MethodParameter> parameters = {};
  std::unique_ptr<KvContract> (*make_contract)(const MethodParameters&) = nullptr;
  std::vector<MethodPreset> presets = {};
  // For tests/methods/conformance, parameters as people write them behind the colon: settings that
  // act on prompts of 20 to 300 tokens, where defaults would keep all; and those that make the
  // method full attention on prompts of any length there.
  std::vector<std::string> small = {}, lossless = {};
  // What else must hold of parameters within their ranges: that a file can be read, that two fit
  // each other. parse_method() asks; null: nothing.
  Expected<void> (*check)(const MethodParameters&) = nullptr;
  // It acts on attention layers: of a hybrid on these alone, and where there are none it is
  // refused.
  bool needs_attention = true;
};

// What kinds of layers a model has.
struct ModelLayers {
  std::string model;  // its name, for people
  std::int64_t attention = 0, recurrent = 0;
};

const std::vector<MethodEntry>& method_table();
Expected<const MethodEntry*> find_method(const std::string& name);

// "name" or "name:key=value,key=value"; `preset=x` counts first, wherever it stands. The error
// names what is unknown, with the nearest name, or what is out of range.
Expected<MethodChoice> parse_method(std::string_view text);
// What stands behind the colon, for one method.
Expected<MethodChoice> parse_parameters(const MethodEntry& entry, std::string_view text);
// Several, separated by commas; a piece "key=value" belongs to the method before it.
Expected<std::vector<MethodChoice>> parse_methods(std::string_view text);
// As it is written: the preset, and the parameters that differ from it or from their defaults.
std::string method_text(const MethodChoice& choice);
std::string method_text(const MethodEntry& entry, const MethodChoice& choice);

// A parameter's value as it is written: a number, the name of a choice, words.
std::string parameter_text(const MethodParameter& parameter, const MethodParameters& values);

// The error says why the method cannot run on such a model.
Expected<void> check_layers(const MethodChoice& choice, const ModelLayers& layers);

// REQUIRES: `choice` was made by parse_method().
std::unique_ptr<KvContract> make_contract(const MethodChoice& choice);

}  // namespace scsim::methods
