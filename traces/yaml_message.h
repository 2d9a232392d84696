// Human-written YAML into protobuf messages, strictly.
//
// Keys are the field names of the message, of durations without the unit of the stored number
// (`ttft: 2 s` sets ttft_ns). A bare number is in seconds, bytes, ... Unknown keys, wrong types,
// missing required keys and values outside the range that the field's options state
// (traces/proto/options.proto) are errors that name file, line and the path of the key, and suggest
// the nearest known key:
//
//   cluster.yaml:17: pools[1].replicsa: unknown key; did you mean "replicas"?
#pragma once

#include <string>
#include <string_view>

#include "traces/expected.h"

namespace google::protobuf {
class Message;
class Descriptor;
}  // namespace google::protobuf

namespace scsim {

// `name` is what messages call the text (a path). Lists, nested messages, maps (string keys), units
// and enums (by lower-case name) are understood. A scalar where a list is expected is a list of
// one. What is written replaces what `into` held: sections and maps key by key, lists as a whole.
// After an error `into` holds a part of it.
Expected<void> read_yaml_text(std::string_view text, const std::string& name,
                              google::protobuf::Message& into);
Expected<void> read_yaml_file(const std::string& path, google::protobuf::Message& into);

// One override from a command line: "engine.max_sequences=64", the same checks; `into` is changed.
// An entry of a list is meant by its number or its name: "pools[0].gpus=4",
// "store.tiers[dram].capacity=1 TiB".
Expected<void> set_yaml_key(std::string_view assignment, google::protobuf::Message& into);

// The message in the notation that read_yaml_text() reads, which gives the same message back. Keys
// are in the order of the fields; what is absent or empty is left out.
std::string write_yaml(const google::protobuf::Message& message);

// Every key of a message with its type, unit, range and sentence, indented, for `scsim help`.
std::string describe_yaml_keys(const google::protobuf::Descriptor& message);

}  // namespace scsim
