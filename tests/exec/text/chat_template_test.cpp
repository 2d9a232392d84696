// What Jinja renders of the templates that models publish, for conversations of every shape.
#include "exec/text/chat_template.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/exec/text/fixtures.h"

namespace scsim::exec::test {
namespace {

using nlohmann::json;

Role role_of(const std::string& name) {
  if (name == "system") return Role::kSystem;
  return name == "user" ? Role::kUser : Role::kAssistant;
}

std::vector<Message> messages_of(const json& list) {
  std::vector<Message> messages;
  for (const json& entry : list) {
    messages.push_back({role_of(entry[0].get<std::string>()), entry[1].get<std::string>()});
  }
  return messages;
}

const json& templates() {
  static const json all = json::parse(fixture_text("chat_templates.json"));
  return all;
}

TEST_CASE("published chat templates render as Jinja renders them", "[exec][text]") {
  std::size_t compared = 0;
  for (const json& one : json::parse(fixture_text("chat_cases.json"))) {
    const std::string name = one["template"];
    const Expected<ChatTemplate> chat =
        ChatTemplate::recognise(templates()[name]["template"].get<std::string>(), name);
    INFO(one.dump());
    REQUIRE(chat.has_value());
    ChatOptions options;
    options.thinking = one["thinking"];
    const Expected<std::string> text =
        chat->render(messages_of(one["messages"]), one["prompt"], options);
    REQUIRE(text.has_value() == one["expected"].is_string());  // null: the template raises an error
    if (text) REQUIRE(*text == one["expected"].get<std::string>());
    ++compared;
  }
  CHECK(compared > 500);
}

TEST_CASE("other families' templates are refused, naming those that are known", "[exec][text]") {
  for (const auto& [name, entry] : templates().items()) {
    const Expected<ChatTemplate> chat =
        ChatTemplate::recognise(entry["template"].get<std::string>(), name);
    INFO(name);
    CHECK(chat.has_value() == entry["known"].get<bool>());
    if (chat) continue;
    CHECK(chat.error().message.find(name + ": ") == 0);
    CHECK(chat.error().message.find("smollm2, qwen2, qwen2.5, qwen3") != std::string::npos);
  }
}

TEST_CASE("a family by its name renders as its template", "[exec][text]") {
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"llama-3.1", "Llama-3.1-8B-Instruct"},
      {"smollm2", "SmolLM2-Instruct"},
      {"qwen2", "Qwen2-Instruct"},
      {"qwen2.5", "Qwen2.5-7B-Instruct"},
      {"qwen3", "Qwen3-0.6B"},
      {"chatml", "ChatML"},
      {"mistral-nemo", "Mistral-Nemo-Instruct-2407"},
      {"mistral-v0", "Mistral-7B-Instruct-v0.2, first"},
      {"mistral-v1", "Mistral-7B-Instruct-v0.2, with system"},
      {"mistral-v3", "Mistral-Large-Instruct-2407"},
      {"glm-4", "GLM-4-9b-chat, its tools shortened"},
      {"glm-4-0414", "GLM-4-0414, its tools shortened"}};
  const std::vector<Message> conversation = {
      {Role::kUser, "What is 2+2?"}, {Role::kAssistant, " 4 "}, {Role::kUser, "And 3+3?"}};
  for (const auto& [name, published] : pairs) {
    INFO(name);
    const ChatTemplate by_name = *ChatTemplate::named(name);
    const ChatTemplate by_text =
        *ChatTemplate::recognise(templates()[published]["template"].get<std::string>());
    CHECK(by_name.name() == by_text.name());
    CHECK(by_name.family() == by_text.family());
    CHECK(*by_name.render(conversation, true) == *by_text.render(conversation, true));
  }
  const Expected<ChatTemplate> unknown = ChatTemplate::named("smolm2");
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().message.find("did you mean \"smollm2\"?") != std::string::npos);
}

TEST_CASE("the date of Llama 3.1's header can be given", "[exec][text]") {
  ChatOptions options;
  options.date = "01 Jan 2030";
  const std::vector<Message> hello = {{Role::kUser, "Hello"}};
  const std::string text = *ChatTemplate::named("llama-3.1")->render(hello, true, options);
  CHECK(text.find("Today Date: 01 Jan 2030\n\n<|eot_id|>") != std::string::npos);
}

TEST_CASE("messages for which a family has no place are refused", "[exec][text]") {
  const ChatTemplate mistral = *ChatTemplate::named("mistral-v1");
  const std::vector<Message> twice = {{Role::kUser, "a"}, {Role::kUser, "b"}};
  const Expected<std::string> text = mistral.render(twice, true);
  REQUIRE_FALSE(text.has_value());
  CHECK(text.error().message.find("message 2 is the user's, and the assistant is next") !=
        std::string::npos);
  CHECK_FALSE(mistral.render({}, true).has_value());
  CHECK_FALSE(ChatTemplate::named("mistral-v0")
                  ->render(std::vector<Message>{{Role::kSystem, "s"}, {Role::kUser, "u"}}, true)
                  .has_value());
}

TEST_CASE("a turn's rendering is the beginning of the next one's", "[exec][text]") {
  // What multi-turn sessions rely on; families that put the system message last are told apart.
  for (const std::string& name : ChatTemplate::names()) {
    const ChatTemplate chat = *ChatTemplate::named(name);
    std::vector<Message> messages = {{Role::kUser, "first"}};
    std::string before = *chat.render(messages, true);
    for (const char* question : {"second", "third"}) {
      messages.push_back({Role::kAssistant, "answer"});
      messages.push_back({Role::kUser, question});
      const std::string now = *chat.render(messages, true);
      INFO(name << "\n" << before << "\n" << now);
      CHECK(now.starts_with(before));
      before = now;
    }
  }
}

}  // namespace
}  // namespace scsim::exec::test
