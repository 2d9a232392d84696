// Reading members of JSON files that may or may not be there. Include this from exec/text/ only.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"

namespace scsim::exec {

using Json = simdjson::dom::element;  // lives as long as the JsonFile it came from

class JsonFile {
 public:
  Expected<Json> read(const std::string& path) {
    simdjson::dom::element root;
    if (const auto failure = parser_.load(path).get(root)) {
      return Error{path + ": " + simdjson::error_message(failure)};
    }
    if (!root.is_object()) return Error{path + ": expected a JSON object"};
    return root;
  }

 private:
  simdjson::dom::parser parser_;
};

// None where there is no such member, or it is null.
inline std::optional<Json> find(const Json& object, std::string_view key) {
  Json value;
  if (object[key].get(value) || value.is_null()) return std::nullopt;
  return value;
}

inline std::optional<std::string_view> as_string(const Json& value) {
  std::string_view text;
  if (value.get(text)) return std::nullopt;
  return text;
}

inline std::optional<std::int64_t> as_integer(const Json& value) {
  std::int64_t number = 0;
  if (value.get(number)) return std::nullopt;
  return number;
}

inline std::optional<std::string_view> string_in(const Json& object, std::string_view key) {
  const std::optional<Json> value = find(object, key);
  return value ? as_string(*value) : std::nullopt;
}

inline std::optional<std::int64_t> integer_in(const Json& object, std::string_view key) {
  const std::optional<Json> value = find(object, key);
  return value ? as_integer(*value) : std::nullopt;
}

inline std::optional<bool> bool_in(const Json& object, std::string_view key) {
  const std::optional<Json> value = find(object, key);
  bool truth = false;
  if (!value || value->get(truth)) return std::nullopt;
  return truth;
}

inline std::vector<Json> items(const Json& list) {
  std::vector<Json> values;
  simdjson::dom::array array;
  if (list.get(array)) return values;
  for (const Json value : array) values.push_back(value);
  return values;
}

}  // namespace scsim::exec
