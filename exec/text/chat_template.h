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
  kChatMl,   // SmolLM2, Qwen2, Qwen2.5 and plain ChatML; they differ in the default system message
  kQwen3,    // ChatML, and a switch for reasoning
  kMistral,  // [INST], Mistral and Mixtral, in its three spacings
  kGlm4,     // [gMASK]<sop>
};

class ChatTemplate {
 public:
  // `jinja` is the template as published; `source` is what an error calls it.
  static Expected<ChatTemplate> recognise(std::string_view jinja, std::string_view source = "");
  // The families one can name, "llama-3", "smollm2", ...: where a model came without a template.
  static Expected<ChatTemplate> named(std::string_view name);
  static std::vector<std::string> names();

  // With add_generation_prompt the text ends where the assistant's answer begins. An error where
  // the family has no place for these messages (two users in a row in Mistral's).
  Expected<std::string> render(std::span<const Message> messages, bool add_generation_prompt) const;

  ChatFamily family() const { return family_; }
  const std::string& name() const { return name_; }

 private:
  ChatTemplate() = default;
  ChatFamily family_ = ChatFamily::kChatMl;
  std::string name_;
  std::string default_system_;  // rendered where the conversation has no system message
};

}  // namespace scsim::exec
