// A walk over the YAML tree and the message's descriptor together. All that is wrong with a value
// is found here, where the line is known; yaml-cpp is asked for text and lines only, because its
// own conversions accept more than people should write.
#include "traces/yaml_message.h"

#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <limits>
#include <set>

#include "traces/files.h"
#include "traces/text.h"
#include "traces/yaml_fields.h"

namespace scsim {
namespace {

using google::protobuf::Message;
using google::protobuf::Reflection;
using yaml::Descriptor;
using yaml::FieldDescriptor;

__extension__ using WideInteger = __int128;

std::string found_text(const YAML::Node& node) {
  if (node.IsScalar()) return "found " + json_quote(node.Scalar());
  return node.IsSequence() ? "found a list" : node.IsMap() ? "found keys" : "found nothing";
}

std::string quoted(const std::string& text) { return json_quote(text); }

std::string range_text(std::optional<double> low, std::optional<double> high) {
  if (low && high) return "between " + format_shortest(*low) + " and " + format_shortest(*high);
  return low ? "at least " + format_shortest(*low) : "at most " + format_shortest(*high);
}

class YamlReader {
 public:
  explicit YamlReader(std::string name) : name_(std::move(name)) {}

  // Fills `message` from the keys of `node`; what it already holds stays where no key is.
  Expected<void> read_message(const YAML::Node& node, const std::string& path, int line,
                              Message& message) {
    if (!node.IsMap()) {
      return at(line, path,
                "expected keys such as " +
                    quoted(yaml::key_of(*message.GetDescriptor()->field(0)) + ":") + ", " +
                    found_text(node));
    }
    const Descriptor& type = *message.GetDescriptor();
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const int key_line = line_of(entry.first, line);
      if (!entry.first.IsScalar()) return at(key_line, path, "a key must be a name");
      const std::string key = entry.first.Scalar();
      const FieldDescriptor* field = yaml::find_key(type, key);
      const std::string key_path = path.empty() ? key : path + "." + key;
      if (field == nullptr) return at(key_line, key_path, unknown_key(key, type));
      if (!seen.insert(key).second) return at(key_line, key_path, "this key is there twice");
      Expected<void> read = read_field(entry.second, key_path, key_line, *field, message);
      if (!read) return read;
    }
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (!yaml::is_required(field) || seen.contains(yaml::key_of(field))) continue;
      const Reflection& reflection = *message.GetReflection();
      const bool there = field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                                             : reflection.HasField(message, &field);
      if (!there) {
        const std::string key = yaml::key_of(field);
        return at(line, path.empty() ? key : path + "." + key, "this key is required");
      }
    }
    return {};
  }

  Expected<void> read_field(const YAML::Node& node, const std::string& path, int line,
                            const FieldDescriptor& field, Message& message) {
    if (field.is_map()) return read_map(node, path, line, field, message);
    if (field.is_repeated()) return read_list(node, path, line, field, message);
    return read_single(node, path, line_of(node, line), field, message);
  }

  // A dotted path from a command line, such as pools[0].engine.preset.
  Expected<void> read_at(std::string_view rest, const std::string& path, const YAML::Node& value,
                         Message& message) {
    const std::size_t end = std::min(rest.find_first_of(".["), rest.size());
    const std::string key(rest.substr(0, end));
    const std::string key_path = path.empty() ? key : path + "." + key;
    const FieldDescriptor* field = yaml::find_key(*message.GetDescriptor(), key);
    if (field == nullptr) return at(0, key_path, unknown_key(key, *message.GetDescriptor()));
    rest.remove_prefix(end);
    if (rest.empty()) return read_field(value, key_path, 0, *field, message);

    const Reflection& reflection = *message.GetReflection();
    if (field->is_map()) {
      YAML::Node entries;
      entries[std::string(rest.substr(1))] = value;
      if (rest[0] != '.') return at(0, key_path, "expected a dot and the name of an entry");
      return read_map(entries, key_path, 0, *field, message);
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return at(0, key_path, "has no keys below it");
    }
    if (!field->is_repeated()) {
      if (rest[0] != '.') return at(0, key_path, "is not a list");
      return read_at(rest.substr(1), key_path, value, *reflection.MutableMessage(&message, field));
    }
    const int count = reflection.FieldSize(message, field);
    const std::size_t close = rest.find("].");
    if (rest[0] != '[' || close == std::string_view::npos) {
      return at(0, key_path,
                "is a list: say which entry, such as " + quoted(key + "[0].") + "; it has " +
                    std::to_string(count));
    }
    const std::string which(rest.substr(1, close - 1));
    const Expected<std::uint64_t> number = parse_unsigned(which);
    const Expected<std::uint64_t> index = number ? number : find_entry(which, *field, message);
    if (!index) return at(0, key_path, index.error().message);
    const std::string entry_path = key_path + "[" + std::to_string(*index) + "]";
    if (*index >= static_cast<std::uint64_t>(count)) {
      return at(
          0, entry_path,
          "there is no such entry; the list has " + std::to_string(count) + ", counted from 0");
    }
    return read_at(rest.substr(close + 2), entry_path, value,
                   *reflection.MutableRepeatedMessage(&message, field, static_cast<int>(*index)));
  }

  // Which entry of a list is called `name`: by its key `name` or, where it has none, by its first
  // required key (a tier without a name is called after its medium).
  static Expected<std::uint64_t> find_entry(const std::string& name, const FieldDescriptor& field,
                                            const Message& message) {
    const Reflection& reflection = *message.GetReflection();
    std::vector<std::string> known;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      known.push_back(name_of(reflection.GetRepeatedMessage(message, &field, i)));
      if (known.back() == name) return static_cast<std::uint64_t>(i);
    }
    if (known.empty()) return Error{"there is no entry " + quoted(name) + "; the list is empty"};
    return Error{unknown_name("entry", name, known)};
  }

  static std::string name_of(const Message& entry) {
    const Descriptor& type = *entry.GetDescriptor();
    const auto text_of = [&](const FieldDescriptor* field) {
      const bool text = field != nullptr && !field->is_repeated() &&
                        field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
      return text ? entry.GetReflection()->GetString(entry, field) : std::string();
    };
    std::string name = text_of(type.FindFieldByName("name"));
    for (int i = 0; i < type.field_count() && name.empty(); ++i)
      if (yaml::is_required(*type.field(i))) name = text_of(type.field(i));
    return name;
  }

  // `line` counts from 1; 0 where there are no lines.
  Error at(int line, const std::string& path, const std::string& what) const {
    std::string where = name_;
    if (line > 0) where += ":" + std::to_string(line);
    if (!where.empty()) where += ": ";
    return Error{where + path + (path.empty() ? "" : ": ") + what};
  }

 private:
  static int line_of(const YAML::Node& node, int otherwise) {
    if (!node.IsDefined() || node.IsNull()) return otherwise;  // its mark is behind it
    const int line = node.Mark().line;
    return otherwise == 0 || line < 0 ? otherwise : line + 1;
  }

  static std::string unknown_key(const std::string& key, const Descriptor& type) {
    const FieldDescriptor* stored = type.FindFieldByName(key);
    const std::vector<std::string> known = yaml::keys_of(type);
    const std::optional<std::string> nearest =
        stored != nullptr ? yaml::key_of(*stored) : nearest_name(key, known);
    if (nearest) return "unknown key; did you mean " + quoted(*nearest) + "?";
    std::string all;
    for (const std::string& each : known) all += (all.empty() ? "" : ", ") + each;
    return "unknown key; known: " + all;
  }

  Expected<void> read_list(const YAML::Node& node, const std::string& path, int line,
                           const FieldDescriptor& field, Message& message) {
    const Reflection& reflection = *message.GetReflection();
    const bool single = node.IsScalar() && field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
    if (!single && !node.IsSequence()) {
      return at(line_of(node, line), path, "expected a list, " + found_text(node));
    }
    reflection.ClearField(&message, &field);
    if (single) return read_single(node, path, line_of(node, line), field, message);
    int index = 0;
    for (const auto& entry : node) {
      const std::string entry_path = path + "[" + std::to_string(index++) + "]";
      Expected<void> read =
          read_single(entry, entry_path, line_of(entry, line_of(node, line)), field, message);
      if (!read) return read;
    }
    return {};
  }

  // Entries are added to those that are there; an entry of the same name is replaced.
  Expected<void> read_map(const YAML::Node& node, const std::string& path, int line,
                          const FieldDescriptor& field, Message& message) {
    if (!node.IsMap()) {
      return at(line_of(node, line), path, "expected names with values, " + found_text(node));
    }
    const Reflection& reflection = *message.GetReflection();
    const FieldDescriptor& key_field = *field.message_type()->map_key();
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const int key_line = line_of(entry.first, line);
      if (!entry.first.IsScalar()) return at(key_line, path, "a key must be a name");
      const std::string key = entry.first.Scalar();
      if (!seen.insert(key).second) {
        return at(key_line, path + "." + key, "this key is there twice");
      }
      Message* into = nullptr;
      for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
        Message* each = reflection.MutableRepeatedMessage(&message, &field, i);
        if (each->GetReflection()->GetString(*each, &key_field) == key) into = each;
      }
      if (into == nullptr) into = reflection.AddMessage(&message, &field);
      into->GetReflection()->SetString(into, &key_field, key);
      Expected<void> read = read_single(entry.second, path + "." + key, key_line,
                                        *field.message_type()->map_value(), *into);
      if (!read) return read;
    }
    return {};
  }

  // Sets a singular field, or adds to a repeated one.
  Expected<void> read_single(const YAML::Node& node, const std::string& path, int line,
                             const FieldDescriptor& field, Message& message) {
    const Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Message& below = field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                           : *reflection.MutableMessage(&message, &field);
      return read_message(node, path, line, below);
    }
    if (!node.IsScalar()) {
      return at(line, path, "expected " + yaml::value_text(field) + ", " + found_text(node));
    }
    Expected<void> set = set_scalar(node.Scalar(), field, message);
    if (!set) return at(line, path, set.error().message);
    return {};
  }

  static Expected<void> set_scalar(const std::string& text, const FieldDescriptor& field,
                                   Message& message) {
    if (yaml::is_integer(field)) return set_integer(text, field, message);
    const Reflection& reflection = *message.GetReflection();
    const bool repeated = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT: {
        const Expected<double> value = parse_real(text, yaml::unit_of(field));
        if (!value) return value.error();
        Expected<void> in_range = check_range(*value, text, field);
        if (!in_range) return in_range;
        if (field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
          const float narrow = static_cast<float>(*value);
          repeated ? reflection.AddFloat(&message, &field, narrow)
                   : reflection.SetFloat(&message, &field, narrow);
        } else {
          repeated ? reflection.AddDouble(&message, &field, *value)
                   : reflection.SetDouble(&message, &field, *value);
        }
        return {};
      }
      case FieldDescriptor::CPPTYPE_BOOL: {
        if (text != "true" && text != "false") {
          return Error{"expected true or false, found " + quoted(text)};
        }
        repeated ? reflection.AddBool(&message, &field, text == "true")
                 : reflection.SetBool(&message, &field, text == "true");
        return {};
      }
      case FieldDescriptor::CPPTYPE_ENUM:
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::vector<std::string> choices = yaml::choices_of(field);
        const auto chosen = std::ranges::find(choices, text);
        if (!choices.empty() && chosen == choices.end()) {
          return Error{unknown_name("value", text, choices)};
        }
        if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
          const auto* value = field.enum_type()->value(static_cast<int>(chosen - choices.begin()));
          repeated ? reflection.AddEnum(&message, &field, value)
                   : reflection.SetEnum(&message, &field, value);
        } else {
          repeated ? reflection.AddString(&message, &field, valid_utf8(text))
                   : reflection.SetString(&message, &field, valid_utf8(text));
        }
        return {};
      }
      default:
        check_failed(__FILE__, __LINE__, "a field of a type that YAML cannot have");
    }
  }

  static Expected<double> parse_real(const std::string& text, proto::Unit unit) {
    switch (unit) {
      case proto::BYTES:
        return parse_bytes(text);
      case proto::DURATION:
        return parse_seconds(text);
      case proto::BYTES_PER_SECOND:
        return parse_bytes_per_second(text);
      case proto::FLOPS:
        return parse_flops(text);
      case proto::FRACTION:
        return parse_fraction(text);
      default:
        return parse_double(text);
    }
  }

  static Expected<void> check_range(double value, const std::string& text,
                                    const FieldDescriptor& field) {
    const std::optional<double> low = yaml::min_of(field), high = yaml::max_of(field);
    if ((!low || value >= *low) && (!high || value <= *high)) return {};
    return Error{"must be " + range_text(low, high) + ", found " + quoted(text)};
  }

  static Expected<WideInteger> parse_whole(const std::string& text) {
    if (trim(text).starts_with('-')) {
      const Expected<std::int64_t> value = parse_integer(text);
      if (!value) return value.error();
      return WideInteger{*value};
    }
    const Expected<std::uint64_t> value = parse_unsigned(text);
    if (!value) return value.error();
    return WideInteger{*value};
  }

  // Whole numbers of bytes and nanoseconds are read exactly; others through a double.
  static Expected<WideInteger> parse_integer_with_unit(const std::string& text, proto::Unit unit) {
    if (unit == proto::PLAIN) return parse_whole(text);
    std::string_view digits = trim(text);
    if (unit == proto::DURATION && digits.ends_with("ns")) digits.remove_suffix(2);
    if (unit == proto::BYTES || digits.size() < trim(text).size()) {
      const Expected<WideInteger> exact = parse_whole(std::string(digits));
      if (exact) return exact;
    }
    const Expected<double> real = parse_real(text, unit);
    if (!real) return real.error();
    const double scaled = unit == proto::DURATION ? std::round(*real * 1e9) : *real;
    if (scaled != std::floor(scaled)) {
      return Error{"expected a whole number of bytes, found " + quoted(text)};
    }
    if (std::fabs(scaled) > 9e18) return Error{quoted(text) + " is too much"};
    return static_cast<WideInteger>(scaled);
  }

  template <class T>
  static bool fits(WideInteger value) {
    return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
  }

  static Expected<void> set_integer(const std::string& text, const FieldDescriptor& field,
                                    Message& message) {
    const Expected<WideInteger> parsed = parse_integer_with_unit(text, yaml::unit_of(field));
    if (!parsed) return parsed.error();
    const WideInteger value = *parsed;
    const Reflection& reflection = *message.GetReflection();
    const bool repeated = field.is_repeated();
    Expected<void> in_range = check_range(static_cast<double>(value), text, field);
    if (!in_range) return in_range;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32: {
        if (!fits<std::int32_t>(value)) return Error{quoted(text) + " is not within 32 bits"};
        const auto narrow = static_cast<std::int32_t>(value);
        repeated ? reflection.AddInt32(&message, &field, narrow)
                 : reflection.SetInt32(&message, &field, narrow);
        return {};
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        if (!fits<std::int64_t>(value)) return Error{quoted(text) + " is not within 64 bits"};
        const auto narrow = static_cast<std::int64_t>(value);
        repeated ? reflection.AddInt64(&message, &field, narrow)
                 : reflection.SetInt64(&message, &field, narrow);
        return {};
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        if (value < 0) return Error{"must be at least 0, found " + quoted(text)};
        if (!fits<std::uint32_t>(value)) return Error{quoted(text) + " is not within 32 bits"};
        const auto narrow = static_cast<std::uint32_t>(value);
        repeated ? reflection.AddUInt32(&message, &field, narrow)
                 : reflection.SetUInt32(&message, &field, narrow);
        return {};
      }
      default: {
        if (value < 0) return Error{"must be at least 0, found " + quoted(text)};
        const auto narrow = static_cast<std::uint64_t>(value);
        repeated ? reflection.AddUInt64(&message, &field, narrow)
                 : reflection.SetUInt64(&message, &field, narrow);
        return {};
      }
    }
  }

  std::string name_;
};

// yaml-cpp takes a quote that is never closed for a text up to the end of the file; a mark of the
// document's end makes that an error.
std::string ended(std::string_view text) { return std::string(text) + "\n...\n"; }

std::string not_yaml(const YAML::Exception& error) {
  const bool open_quote = error.msg == YAML::ErrorMsg::DOC_IN_SCALAR;
  return "this is not YAML: " + (open_quote ? "a quote before here is not closed" : error.msg);
}

}  // namespace

Expected<void> read_yaml_text(std::string_view text, const std::string& name, Message& into) {
  YamlReader reader(name);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(ended(text));
    if (documents.size() > 1) {
      return reader.at(documents[1].Mark().line + 1, "", "a second document begins; expected one");
    }
    const bool empty = documents.empty() || documents[0].IsNull();
    return reader.read_message(empty ? YAML::Node(YAML::NodeType::Map) : documents[0], "", 1, into);
  } catch (const YAML::Exception& error) {
    return reader.at(error.mark.line + 1, "", not_yaml(error));
  }
}

Expected<void> read_yaml_file(const std::string& path, Message& into) {
  const Expected<std::string> text = read_file(path);
  if (!text) return text.error();
  return read_yaml_text(*text, path, into);
}

Expected<void> set_yaml_key(std::string_view assignment, Message& into) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Error{"expected key=value, found " + json_quote(assignment)};
  }
  const std::string_view key = trim(assignment.substr(0, equals));
  YamlReader reader("");
  try {
    const YAML::Node value = YAML::Load(ended(assignment.substr(equals + 1)));
    return reader.read_at(key, "", value, into);
  } catch (const YAML::Exception& error) {
    return reader.at(0, std::string(key), not_yaml(error));
  }
}

}  // namespace scsim
