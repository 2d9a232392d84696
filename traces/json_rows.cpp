#include "traces/json_rows.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "traces/check.h"
#include "traces/files.h"
#include "traces/hash.h"
#include "traces/log_numbers.h"
#include "traces/text.h"

namespace scsim {

using simdjson::dom::element;
using simdjson::dom::element_type;

// JsonValue holds simdjson's element (a pointer to the document and a position in it) as it is.
struct JsonAccess {
  static_assert(sizeof(element) == sizeof(JsonValue));
  static element of(const JsonValue& value) { return std::bit_cast<element>(value); }
  static JsonValue make(element from) { return std::bit_cast<JsonValue>(from); }
};

namespace {

element unwrap(const JsonValue& value) { return JsonAccess::of(value); }

std::optional<std::string_view> string_of(element value) {
  std::string_view text;
  if (value.get_string().get(text)) return std::nullopt;
  return text;
}

Expected<JsonValue> parse_json(simdjson::dom::parser& parser, std::string& text) {
  text.reserve(text.size() + simdjson::SIMDJSON_PADDING);  // so that the parser makes no copy
  element value;
  if (simdjson::error_code error = parser.parse(text.data(), text.size(), false).get(value)) {
    return Error{std::string("not JSON: ") + simdjson::error_message(error)};
  }
  return JsonAccess::make(value);
}

Error wrong_kind(std::string_view path, std::string_view expected, const JsonValue& found) {
  std::string message(path);
  message += ": expected ";
  message += expected;
  message += ", found ";
  std::optional<std::string> text = text_of(found);
  message += text ? "\"" + *text + "\"" : std::string(found.describe());
  return Error{std::move(message)};
}

}  // namespace

bool JsonValue::is_null() const { return unwrap(*this).is_null(); }
bool JsonValue::is_object() const { return unwrap(*this).is_object(); }
bool JsonValue::is_array() const { return unwrap(*this).is_array(); }

std::optional<std::int64_t> JsonValue::integer() const {
  element value = unwrap(*this);
  std::int64_t integer = 0;
  if (!value.get_int64().get(integer)) return integer;
  double real = 0;
  if (value.is_double() && !value.get_double().get(real)) {
    if (std::floor(real) == real && std::abs(real) < 9e15) return static_cast<std::int64_t>(real);
    return std::nullopt;
  }
  if (std::optional<std::string_view> text = string_of(value)) {
    Expected<std::int64_t> parsed = parse_integer(*text);
    if (parsed) return *parsed;
  }
  return std::nullopt;
}

std::optional<double> JsonValue::number() const {
  element value = unwrap(*this);
  double real = 0;
  if (value.is_number() && !value.get_double().get(real)) return real;
  if (std::optional<std::string_view> text = string_of(value)) {
    Expected<double> parsed = parse_double(*text);
    if (parsed) return *parsed;
  }
  return std::nullopt;
}

std::optional<bool> JsonValue::boolean() const {
  bool value = false;
  if (unwrap(*this).get_bool().get(value)) return std::nullopt;
  return value;
}

std::optional<std::string_view> JsonValue::string() const { return string_of(unwrap(*this)); }

std::string_view JsonValue::describe() const {
  switch (unwrap(*this).type()) {
    case element_type::ARRAY:
      return "a list";
    case element_type::OBJECT:
      return "an object";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "true or false";
    case element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  element value;
  if (!is_object() || unwrap(*this).at_key(key).get(value) || value.is_null()) return std::nullopt;
  return JsonAccess::make(value);
}

std::optional<JsonValue> JsonValue::find_path(std::string_view path) const {
  if (std::optional<JsonValue> whole = find(path)) return whole;
  for (std::size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
    std::optional<JsonValue> outer = find(path.substr(0, dot));
    if (!outer) continue;
    if (std::optional<JsonValue> inner = outer->find_path(path.substr(dot + 1))) return inner;
  }
  return std::nullopt;
}

std::vector<std::pair<std::string_view, JsonValue>> JsonValue::members() const {
  std::vector<std::pair<std::string_view, JsonValue>> out;
  simdjson::dom::object object;
  if (unwrap(*this).get_object().get(object)) return out;
  for (auto field : object) out.emplace_back(field.key, JsonAccess::make(field.value));
  return out;
}

std::vector<std::string> JsonValue::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : members()) out.emplace_back(key);
  return out;
}

std::vector<JsonValue> JsonValue::items() const {
  std::vector<JsonValue> out;
  simdjson::dom::array array;
  if (unwrap(*this).get_array().get(array)) return out;
  for (element item : array) out.push_back(JsonAccess::make(item));
  return out;
}

std::string JsonValue::json() const { return simdjson::minify(unwrap(*this)); }

Expected<JsonValue> required_field(const JsonValue& row, std::string_view path) {
  if (std::optional<JsonValue> value = row.find_path(path)) return *value;
  if (!row.is_object()) return Error{"expected an object, found " + std::string(row.describe())};
  const std::vector<std::string> keys = row.keys();
  std::string message = "no " + std::string(path);
  if (std::optional<std::string> nearest = nearest_name(path, keys)) {
    message += "; did you mean " + *nearest;
  }
  message += "; the row has";
  for (const std::string& key : keys) message += (&key == keys.data() ? " " : ", ") + key;
  return Error{message + (keys.empty() ? " nothing" : "")};
}

Expected<std::int64_t> integer_field(const JsonValue& row, std::string_view path, std::int64_t min,
                                     std::int64_t max) {
  Expected<JsonValue> value = required_field(row, path);
  if (!value) return value.error();
  std::optional<std::int64_t> number = value->integer();
  if (!number) return wrong_kind(path, "a whole number", *value);
  if (Expected<void> ok = check_range(path, *number, min, max); !ok) return ok.error();
  return *number;
}

Expected<std::string> string_field(const JsonValue& row, std::string_view path) {
  Expected<JsonValue> value = required_field(row, path);
  if (!value) return value.error();
  if (std::optional<std::string> text = text_of(*value)) return *text;
  return wrong_kind(path, "a string", *value);
}

Expected<std::vector<std::uint64_t>> ids_field(const JsonValue& row, std::string_view path) {
  Expected<JsonValue> value = required_field(row, path);
  if (!value) return value.error();
  simdjson::dom::array array;
  if (unwrap(*value).get_array().get(array)) return wrong_kind(path, "a list of ids", *value);
  std::vector<std::uint64_t> ids;
  ids.reserve(array.size());
  for (element item : array) {
    std::uint64_t natural = 0;
    std::string_view text;
    if (!item.get_uint64().get(natural)) {
      ids.push_back(natural);
    } else if (!item.get_string().get(text)) {
      ids.push_back(hash_text(text));
    } else {
      return wrong_kind(std::string(path) + "[" + std::to_string(ids.size()) + "]",
                        "a whole number of at least 0 or a string", JsonAccess::make(item));
    }
  }
  return ids;
}

std::optional<std::string> text_of(const JsonValue& value) {
  if (std::optional<std::string_view> text = value.string()) return std::string(*text);
  element number = unwrap(value);
  if (number.is_double()) return format_shortest(*value.number());
  if (number.is_number()) return simdjson::to_string(number);
  return std::nullopt;
}

// --- rows -----------------------------------------------------------------------------------

struct JsonRows::State {
  State(std::string name, LineReader reader) : path(std::move(name)), lines(std::move(reader)) {}

  std::string path;
  LineReader lines;
  bool in_array = false;
  std::string text;        // of the line, where rows are lines or while looking through an array
  std::size_t at = 0;      // in an array: the next character of `text`
  std::string element;     // in an array: the row
  bool have_line = false;  // `text` is a line that was read ahead
  simdjson::dom::parser parser;
  Expected<JsonValue> row = Error{"no row yet"};
  std::int64_t line = 0;

  Expected<bool> read_line() {
    Expected<bool> more = lines.next(text);
    at = 0;
    if (more && *more && lines.line_number() == 1 && text.starts_with("\xEF\xBB\xBF"))
      text.erase(0, 3);
    return more;
  }

  Expected<bool> next_line() {
    do {
      if (!have_line) {
        Expected<bool> more = read_line();
        if (!more || !*more) return more;
      }
      have_line = false;
    } while (trim(text).empty());
    line = lines.line_number();
    row = parse_json(parser, text);
    return true;
  }

  // At the bracket that ends the array, after which there is nothing.
  Expected<bool> end_of_list() {
    ++at;
    while (true) {
      if (text.find_first_not_of(" \t\r", at) != std::string::npos) {
        return Error{path + ":" + std::to_string(lines.line_number()) +
                     ": something follows the end of the list of rows"};
      }
      Expected<bool> more = read_line();
      if (!more || !*more) return more;
    }
  }

  // The next element of the array, found by counting brackets outside of strings.
  Expected<bool> next_element() {
    auto unfinished = [&] {
      return Error{path + ":" + std::to_string(lines.line_number()) +
                   ": the list of rows is never closed"};
    };
    while (true) {  // to the element's first character
      at = text.find_first_not_of(" \t\r\n,", at);
      if (at != std::string::npos) break;
      Expected<bool> more = read_line();
      if (!more) return more;
      if (!*more) return unfinished();
    }
    if (text[at] == ']') return end_of_list();
    line = lines.line_number();
    element.clear();
    int depth = 0;
    bool in_string = false, escaped = false;
    while (true) {
      std::size_t begin = at;
      for (; at < text.size(); ++at) {
        char c = text[at];
        if (in_string) {
          in_string = escaped || c != '"';
          escaped = !escaped && c == '\\';
        } else if (c == '"') {
          in_string = true;
        } else if (c == '{' || c == '[') {
          ++depth;
        } else if (c == ']' && depth == 0) {
          break;  // the end of the list
        } else if (c == '}' || c == ']') {
          depth = std::max(depth - 1, 0);
        } else if (c == ',' && depth == 0) {
          break;
        }
      }
      element.append(text, begin, at - begin);
      if (at < text.size()) break;
      element.push_back('\n');
      Expected<bool> more = read_line();
      if (!more) return more;
      if (!*more) return unfinished();
    }
    row = parse_json(parser, element);
    return true;
  }
};

Expected<JsonRows> JsonRows::open(const std::string& path) {
  Expected<LineReader> lines = LineReader::open(path);
  if (!lines) return lines.error();
  auto state = std::make_unique<State>(path, std::move(*lines));
  do {
    Expected<bool> more = state->read_line();
    if (!more) return more.error();
    if (!*more) return Error{path + ": empty; expected JSON"};
  } while (trim(state->text).empty());
  state->have_line = true;
  state->at = state->text.find_first_not_of(" \t\r");
  state->in_array = state->text[state->at] == '[';
  state->at += 1;
  return JsonRows(std::move(state));
}

Expected<bool> JsonRows::next() {
  return state_->in_array ? state_->next_element() : state_->next_line();
}

const Expected<JsonValue>& JsonRows::row() const { return state_->row; }
std::int64_t JsonRows::line() const { return state_->line; }

JsonRows::JsonRows(std::unique_ptr<State> state) : state_(std::move(state)) {}
JsonRows::JsonRows(JsonRows&&) noexcept = default;
JsonRows& JsonRows::operator=(JsonRows&&) noexcept = default;
JsonRows::~JsonRows() = default;

struct JsonText::State {
  simdjson::dom::parser parser;
  std::string text;
};

JsonText::JsonText() : state_(std::make_unique<State>()) {}
JsonText::~JsonText() = default;

Expected<JsonValue> JsonText::parse(std::string_view text) {
  state_->text = text;
  return parse_json(state_->parser, state_->text);
}

}  // namespace scsim
