// Defaults of human-written messages, stated beside the field they belong to:
//
//   optional TimeRecipe think = 7 [(default_text) = "{mean: 45 s, cv: 1}", (doc) = "..."];
//
// and inheritance: a section in which only the keys that differ are written.
#pragma once

namespace google::protobuf {
class Message;
}

namespace scsim {

// Gives every absent field, however deep, the value of its option default_text. In a message that
// is there with some keys absent, those come from the default_text of the field that holds it.
// REQUIRES: default_text can be read (a test reads them all).
void fill_yaml_defaults(google::protobuf::Message& message);

// `base` becomes itself with all that is present in `over`: keys replace keys, sections are merged
// key by key, lists replace lists. REQUIRES: both of one type.
void overlay(const google::protobuf::Message& over, google::protobuf::Message& base);

}  // namespace scsim
