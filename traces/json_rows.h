// Rows of a JSON log: one value a line, or the elements of one array (on as many lines as it
// likes).
//
//   Expected<JsonRows> rows = JsonRows::open("log.jsonl");
//   while (*rows->next()) {
//     const Expected<JsonValue>& row = rows->row();        // an error here is this row's alone
//     Expected<std::int64_t> length = integer_field(*row, "usage.prompt_tokens", 0);
//   }
//
// Plain or .zst; memory is that of one row. simdjson stays out of this header.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"

namespace scsim {

// A view of a value in a parsed row, valid until the next row is read.
class JsonValue {
 public:
  bool is_null() const;
  bool is_object() const;
  bool is_array() const;

  // What the value is, where it is one; numbers may be written as strings.
  std::optional<std::int64_t> integer() const;
  std::optional<double> number() const;
  std::optional<bool> boolean() const;
  std::optional<std::string_view> string() const;
  std::string_view describe() const;  // "a list", "a string", ...

  // Member of an object; absent also where its value is null.
  std::optional<JsonValue> find(std::string_view key) const;
  // Member of a member: "usage.prompt_tokens". A key that has dots of its own is found too.
  std::optional<JsonValue> find_path(std::string_view path) const;
  std::vector<std::string> keys() const;  // of an object, in order
  std::vector<std::pair<std::string_view, JsonValue>> members() const;
  std::vector<JsonValue> items() const;  // of an array; none of anything else
  std::string json() const;              // the value in JSON, without spaces

 private:
  friend struct JsonAccess;
  const void* document_ = nullptr;
  std::size_t index_ = 0;
};

// Fields of a row. The errors name the field, what was expected and what is there, or the nearest
// field there is.
Expected<JsonValue> required_field(const JsonValue& row, std::string_view path);
Expected<std::int64_t> integer_field(const JsonValue& row, std::string_view path, std::int64_t min,
                                     std::int64_t max = std::numeric_limits<std::int64_t>::max());
Expected<std::string> string_field(const JsonValue& row,
                                   std::string_view path);  // or a number's text
// Block or content ids: whole numbers as they are, strings by their hash.
Expected<std::vector<std::uint64_t>> ids_field(const JsonValue& row, std::string_view path);
// A number or text, as text (for times and names).
std::optional<std::string> text_of(const JsonValue& value);

class JsonRows {
 public:
  static Expected<JsonRows> open(const std::string& path);
  JsonRows(JsonRows&&) noexcept;
  JsonRows& operator=(JsonRows&&) noexcept;
  ~JsonRows();

  Expected<bool> next();  // false at the end; empty lines are passed over
  const Expected<JsonValue>& row() const;
  std::int64_t line() const;  // where the row begins

 private:
  struct State;
  explicit JsonRows(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A text that holds one JSON value (a field with JSON inside).
class JsonText {
 public:
  JsonText();
  ~JsonText();
  Expected<JsonValue> parse(std::string_view text);  // valid until the next call

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scsim
