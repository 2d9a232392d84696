// JSON by hand, for the charts: objects and arrays are joined from finished members.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/result.h"
#include "traces/text.h"

namespace scsim::analysis {

inline std::string joined(const std::vector<std::string>& parts, char open, char close) {
  std::string text(1, open);
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : ",") + parts[i];
  return text + close;
}
inline std::string array(const std::vector<std::string>& items) { return joined(items, '[', ']'); }
inline std::string object(const std::vector<std::string>& members) {
  return joined(members, '{', '}');
}
inline std::string member(std::string_view key, const std::string& value) {
  return json_quote(key) + ":" + value;
}
inline std::string numbers(const std::vector<double>& values) {
  std::vector<std::string> items;
  for (double value : values) items.push_back(format_shortest(value));
  return array(items);
}
inline std::string numbers_or_null(const std::vector<std::optional<double>>& values) {
  std::vector<std::string> items;
  for (const auto& value : values) items.push_back(value ? format_shortest(*value) : "null");
  return array(items);
}
inline std::string texts(const std::vector<std::string>& values) {
  std::vector<std::string> items;
  for (const std::string& value : values) items.push_back(json_quote(value));
  return array(items);
}

inline std::string row(const std::string& name, const std::vector<double>& parts) {
  return object({member("name", json_quote(name)), member("parts", numbers(parts))});
}

// Blocks by bin and reason, from the first bin that matters to the last that holds one; what lies
// below the first is counted in it. Labels are the bins' upper ends. With `gaps` also those, in the
// same bins, as "gaps".
std::string lifetime_chart(const LifetimeHistogram& lifetimes,
                           const LifetimeHistogram* gaps = nullptr);

}  // namespace scsim::analysis
