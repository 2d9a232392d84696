#include "traces/yaml_defaults.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <catch2/catch.hpp>
#include <memory>

#include "traces/proto/options.pb.h"
#include "traces/proto/recipe.pb.h"
#include "traces/yaml_message.h"

namespace scsim {
namespace {

TEST_CASE("every default stated in recipe.proto can be read", "[traces][yaml]") {
  const google::protobuf::FileDescriptor& file = *proto::Recipe::descriptor()->file();
  for (int i = 0; i < file.message_type_count(); ++i) {
    const auto& type = *file.message_type(i);
    std::unique_ptr<google::protobuf::Message> message(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
    fill_yaml_defaults(*message);  // ends the run where one cannot be read
    for (int k = 0; k < type.field_count(); ++k) {
      const auto& field = *type.field(k);
      if (field.options().GetExtension(proto::default_text).empty()) continue;
      CAPTURE(field.full_name());
      CHECK((field.is_repeated() ? message->GetReflection()->FieldSize(*message, &field) > 0
                                 : message->GetReflection()->HasField(*message, &field)));
    }
  }
}

TEST_CASE("keys that are there keep their value and defaults fill the rest", "[traces][yaml]") {
  proto::SessionsRecipe sessions;
  REQUIRE(read_yaml_text("question: {mean: 7}\nmax_tokens: 5", "r.yaml", sessions).has_value());
  fill_yaml_defaults(sessions);
  CHECK(sessions.question().mean() == 7);
  CHECK(sessions.question().distribution() == "lognormal");
  CHECK(sessions.question().max() == 4000);
  CHECK(sessions.max_tokens() == 5);
  CHECK(sessions.think().mean() == 45);
  CHECK(sessions.tasks(0).name() == "document_qa");
  CHECK(sessions.tasks(0).share() == 1);     // a default of a default
  CHECK(!sessions.tasks(0).has_question());  // states none
}

TEST_CASE("an overlay replaces keys and lists and merges sections", "[traces][yaml]") {
  proto::SessionsRecipe base, over;
  REQUIRE(read_yaml_text("question: {mean: 7, cv: 2}\ntasks: [{name: a}, {name: b}]\nloop: open",
                         "base", base)
              .has_value());
  REQUIRE(read_yaml_text("question: {mean: 9}\ntasks: [{name: c}]", "over", over).has_value());
  overlay(over, base);
  CHECK(base.question().mean() == 9);
  CHECK(base.question().cv() == 2);
  REQUIRE(base.tasks_size() == 1);
  CHECK(base.tasks(0).name() == "c");
  CHECK(base.loop() == "open");
}

}  // namespace
}  // namespace scsim
