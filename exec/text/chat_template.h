// The texts in which models expect a conversation. There is no Jinja here: a template is recognised
// by what its text says, and rendered by code of ours that gives the same characters.
//
//   Expected<ChatTemplate> chat = ChatTemplate::recognise(tokenizer.chat_template());
//   if (!chat) return chat.error();                       // names the families that are known
//   Expected<std::string> prompt = chat->render(messages, true);
//   ids = tokenizer.encode(*prompt, SpecialTokens::kRecognised);
//
// Tools, images and reasoning inside of earlier answers are not rendered.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "traces/expected.h"

namespace scsim::exec {

enum class Role : std::uint8_t { kSystem, kUser, kAssistant };

struct Message {
  Role role = Role::kUser;
  std::string text;
};

enum class ChatFamily : std::uint8_t {
  kLlama3,   // Llama 3
  kLlama31,  // Llama 3.1, 3.2 and 3.3: the system message begins with two dates
  kChatMl,   // ChatML, SmolLM2, Qwen2, Qwen2.5: they differ in the system message one does not give
  kQwen3,    // ChatML, and reasoning of the last answer
  kMistral,  // Mistral, Mixtral: [INST], in several spacings
  kGlm4      // GLM-4
};

struct ChatOptions {
  std::string date =
      "26 Jul 2024";     // "Today Date" of Llama 3.1 and later; the templates' own default
  bool thinking = true;  // false: Qwen3's prompt says that there is to be no reasoning
};

class ChatTemplate {
 public:
  // `jinja` is the template as published; `source` is what an error calls it.
  static Expected<ChatTemplate> recognise(std::string_view jinja,
                                          std::string_view source = "chat template");
  // The families that one can name, "llama-3", "smollm2", ...: for a model without a template.
  static Expected<ChatTemplate> named(std::string_view name);
  static std::vector<std::string> names();

  // With add_generation_prompt the text ends where the assistant's answer begins. An error where
  // the family has no place for these messages (two users in a row in Mistral's).
  Expected<std::string> render(std::span<const Message> messages, bool add_generation_prompt,
                               const ChatOptions& options = {}) const;

  ChatFamily family() const { return shape_.family; }
  const std::string& name() const { return shape_.name; }

  // What a template's text says beyond its family.
  struct Shape {
    std::string name = {};
    ChatFamily family = ChatFamily::kChatMl;
    bool always_prompts = false;  // Llama 3's first template: the generation prompt is always there
    std::string default_system = {};  // ChatML: where no message is the system's; empty: none
    // Mistral: around what a user says and before an answer.
    std::string before_user = {}, after_user = {}, before_answer = {}, after_answer = {};
    bool trims_answer = false;
    enum class System : std::uint8_t { kRefused, kInFirstUser, kInLastUser };
    System system = System::kRefused;
    // GLM-4: what the prompt for an answer is, and whether empty messages are left out.
    std::string prompt = {};
    bool skips_empty = false;
    bool system_first = false;
  };

 private:
  explicit ChatTemplate(Shape shape) : shape_(std::move(shape)) {}
  Shape shape_;
};

}  // namespace scsim::exec
