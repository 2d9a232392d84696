#include "methods/minference/head_pattern.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "traces/files.h"
#include "traces/text.h"

namespace scsim::methods {
namespace {

constexpr std::array<std::pair<PatternKind, const char*>, 3> kNames = {
    {{PatternKind::kVerticalSlash, "vertical_and_slash"},
     {PatternKind::kAShape, "stream_llm"},
     {PatternKind::kBlockSparse, "block_sparse"}}};

Expected<HeadPattern> read_pattern(const nlohmann::json& value) {
  if (!value.is_array() || value.size() < 3 || !value[0].is_string() ||
      !value[1].is_number_integer() || !value[2].is_number_integer()) {
    return Error{"expected [type, vertical, slash, score], found " + value.dump()};
  }
  const auto type = value[0].get<std::string>();
  const auto named = std::ranges::find_if(kNames, [&](const auto& n) { return n.second == type; });
  if (named == kNames.end()) {
    std::vector<std::string> names;
    for (const auto& [kind, name] : kNames) names.emplace_back(name);
    return Error{unknown_name("type", type, names)};
  }
  HeadPattern pattern{.kind = named->first,
                      .vertical = value[1].get<std::int64_t>(),
                      .slash = value[2].get<std::int64_t>()};
  if (pattern.vertical < 0 || pattern.slash < 0) {
    return Error{"sizes must not be negative, found " + value.dump()};
  }
  if (value.size() > 3 && value[3].is_number()) pattern.score = value[3].get<double>();
  return pattern;
}

}  // namespace

Expected<HeadPatterns> parse_head_patterns(const std::string& text, const std::string& name) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return Error{name + ": this is not JSON"};
  if (!json.is_array() || json.empty()) {
    return Error{name + ": expected a list with an object a layer"};
  }
  HeadPatterns patterns;
  for (const nlohmann::json& layer : json) {
    const std::string at = name + ": layer " + std::to_string(patterns.size());
    if (!layer.is_object()) return Error{at + ": expected an object from heads to patterns"};
    patterns.emplace_back();
    for (const auto& [head, value] : layer.items()) {
      const Expected<double> number = parse_double(head);
      if (!number || *number < 0 || *number != static_cast<double>(static_cast<int>(*number))) {
        return Error{at + ": \"" + head + "\" is not the number of a head"};
      }
      const Expected<HeadPattern> pattern = read_pattern(value);
      if (!pattern) return Error{at + ", head " + head + ": " + pattern.error().message};
      patterns.back()[static_cast<std::int64_t>(*number)] = *pattern;
    }
  }
  return patterns;
}

Expected<HeadPatterns> read_head_patterns(const std::string& path) {
  const Expected<std::string> text = read_file(path);
  if (!text) return text.error();
  return parse_head_patterns(*text, path);
}

std::string head_patterns_json(const HeadPatterns& patterns) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const auto& layer : patterns) {
    nlohmann::ordered_json heads = nlohmann::ordered_json::object();
    for (const auto& [head, pattern] : layer) {
      const auto named = std::ranges::find_if(
          kNames, [kind = pattern.kind](const auto& name) { return name.first == kind; });
      heads[std::to_string(head)] = {named->second, pattern.vertical, pattern.slash, pattern.score};
    }
    json.push_back(std::move(heads));
  }
  return json.dump() + "\n";
}

}  // namespace scsim::methods
