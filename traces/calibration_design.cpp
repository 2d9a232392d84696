// The design as a message, and where two of them differ.
#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "traces/calibration_message.h"
#include "traces/text.h"

namespace scsim {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void fill_model(const CalibrationModel& model, proto::CalibrationModel& message) {
  message.set_name(valid_utf8(model.name));
  message.set_family(valid_utf8(model.family));
  message.set_parameters(model.parameters);
  message.set_weights_format(valid_utf8(model.weights_format));
  message.set_weights_hash(valid_utf8(model.weights_hash));
  message.set_tokenizer(valid_utf8(model.tokenizer));
  message.set_compute_type(valid_utf8(model.compute_type));
  message.set_kv_type(valid_utf8(model.kv_type));
  message.set_layers(model.layers);
  message.set_hidden(model.hidden);
  message.set_query_heads(model.query_heads);
  message.set_kv_heads(model.kv_heads);
  message.set_head_dim(model.head_dim);
  message.set_vocabulary(model.vocabulary);
  message.set_random_weights(model.random_weights);
  message.set_recurrent_layers(model.recurrent_layers);
  message.set_state_bytes(model.state_bytes);
  message.set_saved_every(model.saved_every);
}

CalibrationModel take_model(const proto::CalibrationModel& message) {
  CalibrationModel model;
  model.name = message.name();
  model.family = message.family();
  model.parameters = message.parameters();
  model.weights_format = message.weights_format();
  model.weights_hash = message.weights_hash();
  model.tokenizer = message.tokenizer();
  model.compute_type = message.compute_type();
  model.kv_type = message.kv_type();
  model.layers = message.layers();
  model.hidden = message.hidden();
  model.query_heads = message.query_heads();
  model.kv_heads = message.kv_heads();
  model.head_dim = message.head_dim();
  model.vocabulary = message.vocabulary();
  model.random_weights = message.random_weights();
  model.recurrent_layers = message.recurrent_layers();
  model.state_bytes = message.state_bytes();
  model.saved_every = message.saved_every();
  return model;
}

// One value of a field, of a repeated one the `index`th, as a person would write it.
std::string value_text(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return json_quote(repeated ? reflection.GetRepeatedString(message, &field, index)
                                 : reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (repeated ? reflection.GetRepeatedBool(message, &field, index)
                       : reflection.GetBool(message, &field))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(repeated ? reflection.GetRepeatedInt32(message, &field, index)
                                     : reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(repeated ? reflection.GetRepeatedInt64(message, &field, index)
                                     : reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(repeated ? reflection.GetRepeatedUInt64(message, &field, index)
                                     : reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = repeated ? reflection.GetRepeatedEnumValue(message, &field, index)
                                  : reflection.GetEnumValue(message, &field);
      const auto* value = field.enum_type()->FindValueByNumber(number);
      return value != nullptr ? value->name() : std::to_string(number);
    }
    default:
      check_failed(__FILE__, __LINE__, "a design has no field like " + field.full_name());
  }
}

}  // namespace

void fill_design(const CalibrationDesign& design, proto::CalibrationDesign& message) {
  fill_model(design.model, *message.mutable_model());
  proto::CalibrationDevice& device = *message.mutable_device();
  device.set_name(valid_utf8(design.device.name));
  device.set_kind(valid_utf8(design.device.kind));
  device.set_driver(valid_utf8(design.device.driver));
  device.set_library(valid_utf8(design.device.library));
  device.set_threads(design.device.threads);
  device.set_memory_bytes(design.device.memory_bytes);
  message.set_tool_version(valid_utf8(design.tool_version));
  message.set_commit(valid_utf8(design.commit));
  message.set_clock(valid_utf8(design.clock));
  message.set_seed(design.seed);
  for (const CalibrationMethod& method : design.methods) {
    proto::CalibrationMethod& to = *message.add_methods();
    to.set_name(valid_utf8(method.name));
    to.set_preset(valid_utf8(method.preset));
    to.set_emulated(method.emulated);
    for (const auto& [name, value] : method.parameters) {
      to.add_parameters()->set_name(valid_utf8(name));
      to.mutable_parameters()->rbegin()->set_value(valid_utf8(value));
    }
  }
  for (const CalibrationTask& task : design.tasks) {
    proto::CalibrationTask& to = *message.add_tasks();
    to.set_name(valid_utf8(task.name));
    to.set_source(valid_utf8(task.source));
    for (const std::string& note : task.notes) to.add_notes(valid_utf8(note));
  }
  for (const SessionMode mode : design.modes)
    message.add_modes(static_cast<proto::CalibrationMode>(mode));
  message.mutable_lengths()->Add(design.lengths.begin(), design.lengths.end());
  message.set_turns(design.turns);
  message.set_sessions(design.sessions);
  message.set_repeats(design.repeats);
  message.set_warm_ups(design.warm_ups);
  message.set_prompt_style(valid_utf8(design.prompt_style));
  message.set_golden_answers(design.golden_answers);
  message.set_full_method(valid_utf8(design.full_method));
  message.set_server(valid_utf8(design.server));
  for (const std::string& note : design.honesty) message.add_honesty(valid_utf8(note));
}

Expected<CalibrationDesign> take_design(const proto::CalibrationDesign& message) {
  CalibrationDesign design;
  design.model = take_model(message.model());
  design.device = {message.device().name(),    message.device().kind(),
                   message.device().driver(),  message.device().library(),
                   message.device().threads(), message.device().memory_bytes()};
  design.tool_version = message.tool_version();
  design.commit = message.commit();
  design.clock = message.clock();
  design.seed = message.seed();
  for (const proto::CalibrationMethod& from : message.methods()) {
    CalibrationMethod& method = design.methods.emplace_back();
    method.name = from.name();
    method.preset = from.preset();
    method.emulated = from.emulated();
    for (const proto::CalibrationParameter& parameter : from.parameters())
      method.parameters.emplace_back(parameter.name(), parameter.value());
  }
  for (const proto::CalibrationTask& from : message.tasks())
    design.tasks.push_back(
        {from.name(), from.source(), {from.notes().begin(), from.notes().end()}});
  for (const int mode : message.modes()) {
    if (mode < 0 || mode >= static_cast<int>(kSessionModeNames.size()))
      return Error{"the design has a mode that this version does not know"};
    design.modes.push_back(static_cast<SessionMode>(mode));
  }
  design.lengths.assign(message.lengths().begin(), message.lengths().end());
  design.turns = message.turns();
  design.sessions = message.sessions();
  design.repeats = message.repeats();
  design.warm_ups = message.warm_ups();
  design.prompt_style = message.prompt_style();
  design.golden_answers = message.golden_answers();
  design.full_method = message.full_method();
  design.server = message.server();
  design.honesty.assign(message.honesty().begin(), message.honesty().end());
  if (std::min({design.turns, design.sessions, design.repeats, design.warm_ups}) < 0 ||
      std::ranges::any_of(design.lengths, [](std::int64_t tokens) { return tokens < 0; })) {
    return Error{"the design has a negative number of turns, sessions, repeats or tokens"};
  }
  return design;
}

std::string first_difference(const Message& there, const Message& here) {
  const auto& descriptor = *there.GetDescriptor();
  const Reflection& reflection = *there.GetReflection();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    const bool repeated = field.is_repeated();
    const bool message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const int size_there = repeated ? reflection.FieldSize(there, &field) : 1;
    const int size_here = repeated ? reflection.FieldSize(here, &field) : 1;
    for (int at = 0; at < std::min(size_there, size_here); ++at) {
      const std::string name = field.name() + (repeated ? "[" + std::to_string(at) + "]" : "");
      if (message) {
        const std::string inner =
            repeated ? first_difference(reflection.GetRepeatedMessage(there, &field, at),
                                        reflection.GetRepeatedMessage(here, &field, at))
                     : first_difference(reflection.GetMessage(there, &field),
                                        reflection.GetMessage(here, &field));
        if (!inner.empty()) return name + "." + inner;
        continue;
      }
      const std::string value_there = value_text(there, field, at);
      const std::string value_here = value_text(here, field, at);
      if (value_there != value_here)
        return name + " is " + value_there + " there and " + value_here + " here";
    }
    if (size_there != size_here) {
      return field.name() + " has " + std::to_string(size_there) + " entries there and " +
             std::to_string(size_here) + " here";
    }
  }
  return {};
}

}  // namespace scsim
