#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "traces/text.h"
#include "traces/yaml_fields.h"
#include "traces/yaml_message.h"

namespace scsim {
namespace {

using google::protobuf::Message;
using google::protobuf::Reflection;
using yaml::FieldDescriptor;

// A plain scalar if no reader of YAML could take it for anything else.
std::string yaml_string(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  constexpr std::array<std::string_view, 7> kWords = {"null", "true", "false", "yes",
                                                      "no",   "on",   "off"};
  const bool letter = !text.empty() && ((text[0] >= 'a' && text[0] <= 'z') ||
                                        (text[0] >= 'A' && text[0] <= 'Z') || text[0] == '/');
  const bool plain = letter && text.find_first_not_of(kPlain) == std::string::npos &&
                     std::ranges::find(kWords, yaml::lower_case(text)) == kWords.end();
  return plain ? text : json_quote(text);
}

// The number in the largest unit in which its text is short and reads back the same.
std::string with_unit(double value, std::span<const std::string_view> units,
                      const std::function<Expected<double>(std::string_view)>& parse) {
  std::string best;
  for (const std::string_view unit : units) {
    const Expected<double> scale = parse("1 " + std::string(unit));
    const std::string text = format_shortest(value / *scale) + " " + std::string(unit);
    const Expected<double> back = parse(text);
    const bool same = back.has_value() && *back == value;
    if (same && (best.empty() || text.size() < best.size())) best = text;
  }
  return best.empty() ? format_shortest(value) : best;
}

std::string real_text(double value, proto::Unit unit) {
  constexpr std::array<std::string_view, 6> kBytes = {"TiB", "GiB", "MiB", "KiB", "GB", "B"};
  constexpr std::array<std::string_view, 6> kTimes = {"d", "h", "min", "s", "ms", "us"};
  constexpr std::array<std::string_view, 4> kRates = {"TB/s", "GB/s", "MB/s", "B/s"};
  constexpr std::array<std::string_view, 3> kFlops = {"TFLOP/s", "GFLOP/s", "FLOP/s"};
  switch (value == 0 && unit != proto::DURATION ? proto::PLAIN : unit) {
    case proto::BYTES:
      return with_unit(value, kBytes, parse_bytes);
    case proto::DURATION:
      return value == 0 ? "0 s" : with_unit(value, kTimes, parse_seconds);
    case proto::BYTES_PER_SECOND:
      return with_unit(value, kRates, parse_bytes_per_second);
    case proto::FLOPS:
      return with_unit(value, kFlops, parse_flops);
    default:
      return format_shortest(value);
  }
}

struct IntegerUnit {
  std::string_view name;
  std::uint64_t size;
};

// Exact: the largest unit that divides the value.
std::string integer_text(std::uint64_t value, proto::Unit unit) {
  constexpr std::array<IntegerUnit, 7> kTimes = {{{"d", 86'400'000'000'000},
                                                  {"h", 3'600'000'000'000},
                                                  {"min", 60'000'000'000},
                                                  {"s", 1'000'000'000},
                                                  {"ms", 1'000'000},
                                                  {"us", 1'000},
                                                  {"ns", 1}}};
  constexpr std::array<IntegerUnit, 5> kBytes = {{{"TiB", std::uint64_t{1} << 40},
                                                  {"GiB", std::uint64_t{1} << 30},
                                                  {"MiB", std::uint64_t{1} << 20},
                                                  {"KiB", std::uint64_t{1} << 10},
                                                  {"B", 1}}};
  std::span<const IntegerUnit> units;
  if (unit == proto::DURATION) units = kTimes;
  if (unit == proto::BYTES) units = kBytes;
  if (unit == proto::DURATION && value == 0) return "0 s";
  for (const IntegerUnit& each : units) {
    if (value % each.size == 0 && (value > 0 || each.size == 1)) {
      return std::to_string(value / each.size) + " " + std::string(each.name);
    }
  }
  return std::to_string(value);
}

class YamlWriter {
 public:
  void write_message(const Message& message, const std::string& indent) {
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor& field = *message.GetDescriptor()->field(i);
      if (field.is_repeated()
              ? reflection.FieldSize(message, &field) == 0
              : !reflection.HasField(message, &field) && !yaml::is_required(field)) {
        continue;
      }
      text_ += indent + yaml::key_of(field) + ":";
      if (field.is_map()) {
        write_map(message, field, indent);
      } else if (field.is_repeated()) {
        write_list(message, field, indent);
      } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        write_below(reflection.GetMessage(message, &field), indent + "  ");
      } else {
        text_ += " " + scalar_text(message, field, -1) + "\n";
      }
    }
  }

  std::string take() { return std::move(text_); }

 private:
  void write_below(const Message& message, const std::string& indent) {
    const std::size_t before = text_.size();
    text_ += "\n";
    write_message(message, indent);
    if (text_.size() == before + 1) text_.insert(before, " {}");
  }

  void write_list(const Message& message, const FieldDescriptor& field, const std::string& indent) {
    const Reflection& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, &field);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      text_ += " [";
      for (int i = 0; i < size; ++i) text_ += (i > 0 ? ", " : "") + scalar_text(message, field, i);
      text_ += "]\n";
      return;
    }
    text_ += "\n";
    for (int i = 0; i < size; ++i) {
      const std::size_t at = text_.size();
      write_message(reflection.GetRepeatedMessage(message, &field, i), indent + "    ");
      // The dash goes where the first key's indent is.
      if (text_.size() == at) {
        text_ += indent + "  - {}\n";
      } else {
        text_[at + indent.size() + 2] = '-';
      }
    }
  }

  void write_map(const Message& message, const FieldDescriptor& field, const std::string& indent) {
    const Reflection& reflection = *message.GetReflection();
    const FieldDescriptor& key = *field.message_type()->map_key();
    const FieldDescriptor& value = *field.message_type()->map_value();
    std::vector<const Message*> entries;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      entries.push_back(&reflection.GetRepeatedMessage(message, &field, i));
    }
    const auto name = [&](const Message* entry) {
      return entry->GetReflection()->GetString(*entry, &key);
    };
    std::ranges::sort(entries, {}, name);
    text_ += "\n";
    for (const Message* entry : entries) {
      text_ += indent + "  " + yaml_string(name(entry)) + ":";
      if (value.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        write_below(entry->GetReflection()->GetMessage(*entry, &value), indent + "    ");
      } else {
        text_ += " " + scalar_text(*entry, value, -1) + "\n";
      }
    }
  }

  // Of entry `index` of a list, or of a single field where index is -1.
  static std::string scalar_text(const Message& message, const FieldDescriptor& field, int index) {
    const Reflection& reflection = *message.GetReflection();
    const proto::Unit unit = yaml::unit_of(field);
    const auto get = [&](auto single, auto repeated) {
      return index < 0 ? (reflection.*single)(message, &field)
                       : (reflection.*repeated)(message, &field, index);
    };
    const auto signed_text = [&](std::int64_t value) {
      return value < 0 ? std::to_string(value)
                       : integer_text(static_cast<std::uint64_t>(value), unit);
    };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return signed_text(get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
      case FieldDescriptor::CPPTYPE_INT64:
        return signed_text(get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64));
      case FieldDescriptor::CPPTYPE_UINT32:
        return integer_text(get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32), unit);
      case FieldDescriptor::CPPTYPE_UINT64:
        return integer_text(get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64), unit);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return real_text(get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble), unit);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return real_text(get(&Reflection::GetFloat, &Reflection::GetRepeatedFloat), unit);
      case FieldDescriptor::CPPTYPE_BOOL:
        return get(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false";
      case FieldDescriptor::CPPTYPE_ENUM:
        return yaml::lower_case(get(&Reflection::GetEnum, &Reflection::GetRepeatedEnum)->name());
      default:
        return yaml_string(get(&Reflection::GetString, &Reflection::GetRepeatedString));
    }
  }

  std::string text_;
};

}  // namespace

std::string write_yaml(const Message& message) {
  YamlWriter writer;
  writer.write_message(message, "");
  return writer.take();
}

}  // namespace scsim
