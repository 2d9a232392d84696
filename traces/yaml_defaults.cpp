#include "traces/yaml_defaults.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <vector>

#include "traces/check.h"
#include "traces/proto/options.pb.h"
#include "traces/yaml_fields.h"
#include "traces/yaml_message.h"

namespace scsim {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool is_message(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

void read_default(const FieldDescriptor& field, const std::string& text, Message& into) {
  const Expected<void> read = set_yaml_key(yaml::key_of(field) + "=" + text, into);
  if (!read) check_failed(__FILE__, __LINE__, field.full_name() + ": " + read.error().message);
}

// MergeFrom() would append to the lists of `base`.
void clear_lists_of(const Message& over, Message& base) {
  const Reflection& reflection = *base.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  over.GetReflection()->ListFields(over, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) {
      reflection.ClearField(&base, field);
    } else if (is_message(*field) && reflection.HasField(base, field)) {
      clear_lists_of(over.GetReflection()->GetMessage(over, field),
                     *reflection.MutableMessage(&base, field));
    }
  }
}

}  // namespace

void fill_yaml_defaults(Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string& text = field.options().GetExtension(proto::default_text);
    const bool present = field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                                             : reflection.HasField(message, &field);
    if (!text.empty() && !present) {
      read_default(field, text, message);
    } else if (!text.empty() && !field.is_repeated() && is_message(field)) {
      const std::unique_ptr<Message> whole(message.New());
      read_default(field, text, *whole);
      Message& filled = *reflection.MutableMessage(whole.get(), &field);
      Message& section = *reflection.MutableMessage(&message, &field);
      overlay(section, filled);
      section.CopyFrom(filled);
    }
    if (!is_message(field) || field.is_map()) continue;
    if (field.is_repeated()) {
      for (int k = 0; k < reflection.FieldSize(message, &field); ++k)
        fill_yaml_defaults(*reflection.MutableRepeatedMessage(&message, &field, k));
    } else if (reflection.HasField(message, &field)) {
      fill_yaml_defaults(*reflection.MutableMessage(&message, &field));
    }
  }
}

void overlay(const Message& over, Message& base) {
  SCSIM_CHECK_EQ(over.GetDescriptor()->full_name(), base.GetDescriptor()->full_name());
  clear_lists_of(over, base);
  base.MergeFrom(over);
}

}  // namespace scsim
