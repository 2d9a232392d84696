// The table of long-context methods. A method is one folder with its contract (contract.cpp, no
// libtorch) and its execution (runtime.cpp), one test, and one line `add_method(x)` in
// methods/CMakeLists.txt. methods/full is the smallest and the one to copy.
//
//   auto choice = parse_method("snapkv:budget=2048,window=32");   // as people write it
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

struct MethodParameter {
  std::string name;
  double default_value = 0, min = 0, max = 0;
  std::string sentence;
};
using MethodParameters = std::map<std::string, double>;

// What people choose: a method with all of its parameters, those not given at their defaults.
struct MethodChoice {
  std::string name;
  MethodParameters parameters;
  friend bool operator==(const MethodChoice&, const MethodChoice&) = default;
};

struct MethodEntry {
  std::string name, sentence;
  std::string category;  // SCBench's: "baseline", "sparse attention", "KV dropping", ...
  std::string source;    // paper and repository
  std::vector<MethodParameter> parameters;
  std::unique_ptr<KvContract> (*make_contract)(const MethodParameters&) = nullptr;
};

const std::vector<MethodEntry>& method_table();
Expected<const MethodEntry*> find_method(const std::string& name);

// "name" or "name:key=value,key=value". The error names what is unknown, with the nearest name, or
// what is out of range.
Expected<MethodChoice> parse_method(std::string_view text);
// Several, separated by commas; a piece "key=value" belongs to the method before it.
Expected<std::vector<MethodChoice>> parse_methods(std::string_view text);
// As it is written: only the parameters that differ from their defaults.
std::string method_text(const MethodChoice& choice);

// REQUIRES: `choice` was made by parse_method().
std::unique_ptr<KvContract> make_contract(const MethodChoice& choice);

}  // namespace scsim::methods
