#include "traces/yaml_fields.h"

#include "traces/text.h"

namespace scsim::yaml {

std::string key_of(const FieldDescriptor& field) {
  std::string key = field.name();
  if (unit_of(field) != proto::DURATION) return key;
  if (key.ends_with("_ns")) return key.substr(0, key.size() - 3);
  if (key.ends_with("_s")) return key.substr(0, key.size() - 2);
  return key;
}

std::vector<std::string> keys_of(const Descriptor& message) {
  std::vector<std::string> keys;
  for (int i = 0; i < message.field_count(); ++i) keys.push_back(key_of(*message.field(i)));
  return keys;
}

const FieldDescriptor* find_key(const Descriptor& message, const std::string& key) {
  for (int i = 0; i < message.field_count(); ++i) {
    if (key_of(*message.field(i)) == key) return message.field(i);
  }
  return nullptr;
}

std::vector<std::string> choices_of(const FieldDescriptor& field) {
  std::vector<std::string> choices;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      choices.push_back(lower_case(field.enum_type()->value(i)->name()));
    }
  } else if (field.options().HasExtension(proto::choices)) {
    choices = split(field.options().GetExtension(proto::choices), ',');
  }
  return choices;
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

bool is_integer(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return true;
    default:
      return false;
  }
}

bool is_number(const FieldDescriptor& field) {
  return is_integer(field) || field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE ||
         field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
}

std::optional<double> min_of(const FieldDescriptor& field) {
  if (!field.options().HasExtension(proto::min)) return std::nullopt;
  return field.options().GetExtension(proto::min);
}

std::optional<double> max_of(const FieldDescriptor& field) {
  if (!field.options().HasExtension(proto::max)) return std::nullopt;
  return field.options().GetExtension(proto::max);
}

}  // namespace scsim::yaml
