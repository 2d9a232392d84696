// What the YAML of a message calls its fields, and how values are written: shared by the reader,
// the writer and the help.
#pragma once

#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>
#include <vector>

#include "traces/proto/options.pb.h"

namespace scsim::yaml {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The field's name; of durations without the unit of the number stored: `ttft` of ttft_ns.
std::string key_of(const FieldDescriptor& field);

std::vector<std::string> keys_of(const Descriptor& message);
const FieldDescriptor* find_key(const Descriptor& message, const std::string& key);

// What a string or an enum may be; empty: anything.
std::vector<std::string> choices_of(const FieldDescriptor& field);
std::string lower_case(std::string text);

// "a whole number", "a time such as "50 ms"": of one value, for errors and help.
std::string value_text(const FieldDescriptor& field);

bool is_integer(const FieldDescriptor& field);
bool is_number(const FieldDescriptor& field);

inline proto::Unit unit_of(const FieldDescriptor& field) {
  return field.options().GetExtension(proto::unit);
}
inline bool is_required(const FieldDescriptor& field) {
  return field.options().GetExtension(proto::required);
}
std::optional<double> min_of(const FieldDescriptor& field);
std::optional<double> max_of(const FieldDescriptor& field);

}  // namespace scsim::yaml
