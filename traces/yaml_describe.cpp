#include <map>

#include "traces/text.h"
#include "traces/yaml_fields.h"
#include "traces/yaml_message.h"

namespace scsim {

std::string yaml::value_text(const FieldDescriptor& field) {
  const std::vector<std::string> choices = choices_of(field);
  if (!choices.empty()) {
    std::string text = "one of ";
    for (std::size_t i = 0; i < choices.size(); ++i) text += (i == 0 ? "" : ", ") + choices[i];
    return text;
  }
  switch (unit_of(field)) {
    case proto::BYTES:
      return "a size such as \"80 GiB\"";
    case proto::DURATION:
      return "a time such as \"50 ms\"";
    case proto::BYTES_PER_SECOND:
      return "a bandwidth such as \"3.35 TB/s\"";
    case proto::FLOPS:
      return "a rate such as \"989 TFLOP/s\"";
    case proto::FRACTION:
      return "a share such as 0.9 or \"90 %\"";
    default:
      break;
  }
  if (is_integer(field)) return "a whole number";
  if (is_number(field)) return "a number";
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return "true or false";
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return "keys";
  return "text";
}

namespace {

using yaml::Descriptor;
using yaml::FieldDescriptor;

constexpr std::size_t kColumns = 100;

class Describer {
 public:
  void describe(const Descriptor& message, const std::string& indent, bool list_entry,
                const std::string& path) {
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      const std::string key = yaml::key_of(field);
      const std::string key_path = path.empty() ? key : path + "." + key;
      std::string first_line = indent + (list_entry && i == 0 ? "- " : "") + key + ": ";
      const std::string below_indent = indent + (list_entry ? "    " : "  ");
      if (list_entry && i > 0) first_line.insert(indent.size(), "  ");

      const Descriptor* below = message_below(field);
      const auto known = described_.find(below);
      const bool again = below != nullptr && known != described_.end();
      add_wrapped(first_line + type_text(field) + (again ? " as in " + known->second : ""),
                  below_indent + "    ");
      add_wrapped(below_indent + "  " + field.options().GetExtension(proto::doc),
                  below_indent + "  ");
      if (below == nullptr || again) continue;
      described_[below] = key_path;
      describe(*below, below_indent, field.is_repeated() && !field.is_map(), key_path);
    }
  }

  std::string take() { return std::move(text_); }

 private:
  static const Descriptor* message_below(const FieldDescriptor& field) {
    const FieldDescriptor& value = field.is_map() ? *field.message_type()->map_value() : field;
    return value.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ? value.message_type() : nullptr;
  }

  static std::string type_text(const FieldDescriptor& field) {
    const FieldDescriptor& value = field.is_map() ? *field.message_type()->map_value() : field;
    std::string text = yaml::value_text(value);
    if (field.is_map()) text = "names, each with " + text;
    if (field.is_repeated() && !field.is_map()) text = "a list, each " + text;
    const auto low = yaml::min_of(field), high = yaml::max_of(field);
    if (low && high) text += ", " + format_shortest(*low) + " to " + format_shortest(*high);
    if (low && !high) text += ", at least " + format_shortest(*low);
    if (!low && high) text += ", at most " + format_shortest(*high);
    if (yaml::is_required(field)) text += " (required)";
    const std::string& otherwise = field.options().GetExtension(proto::default_text);
    if (!otherwise.empty()) text += "; default: " + otherwise;
    return text;
  }

  // Breaks the line at spaces; what follows the first break begins with `indent`.
  void add_wrapped(std::string line, const std::string& indent) {
    if (trim(line).empty()) return;
    while (line.size() > kColumns) {
      std::size_t at = line.rfind(' ', kColumns);
      if (at == std::string::npos || at <= indent.size()) break;
      text_ += line.substr(0, at) + "\n";
      line = indent + line.substr(at + 1);
    }
    text_ += line + "\n";
  }

  std::string text_;
  std::map<const Descriptor*, std::string> described_;  // looked up only, never walked
};

}  // namespace

std::string describe_yaml_keys(const Descriptor& message) {
  Describer describer;
  describer.describe(message, "", false, "");
  return describer.take();
}

}  // namespace scsim
