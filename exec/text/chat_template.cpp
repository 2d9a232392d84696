// A family is known by marks that only its templates have; what differs within a family (the
// default system message, Mistral's spaces) is read out of the template's own literals.
#include "exec/text/chat_template.h"

#include <algorithm>
#include <array>
#include <optional>

#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::string_view kSmolLmSystem =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
constexpr std::string_view kQwen25System =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
constexpr std::string_view kQwen2System = "You are a helpful assistant.";

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

std::string_view role_name(Role role) {
  constexpr std::array<std::string_view, 3> kNames = {"system", "user", "assistant"};
  return kNames[static_cast<std::size_t>(role)];
}

// The system message that a ChatML template writes where a conversation has none: the literal
// between its marks that no template code interrupts.
std::string default_system(std::string_view jinja) {
  for (const std::string_view newline : {"\\n", "\n"}) {
    const std::string begin = "<|im_start|>system" + std::string(newline);
    for (std::size_t at = jinja.find(begin); at != jinja.npos; at = jinja.find(begin, at + 1)) {
      const std::string_view rest = jinja.substr(at + begin.size());
      const std::string_view message = rest.substr(0, rest.find("<|im_end|>"));
      if (!message.empty() && message.size() < rest.size() && !has(message, "'") &&
          !has(message, "\"") && !has(message, "}}")) {
        return std::string(message);
      }
    }
  }
  return "";
}

std::string name_of(ChatFamily family, const std::string& system) {
  switch (family) {
    case ChatFamily::kLlama3:
      return "llama-3";
    case ChatFamily::kLlama31:
      return "llama-3.1";
    case ChatFamily::kQwen3:
      return "qwen3";
    case ChatFamily::kMistral:
      return "mistral";
    case ChatFamily::kGlm4:
      return "glm-4";
    case ChatFamily::kChatMl:
      break;
  }
  if (system == kSmolLmSystem) return "smollm2";
  if (system == kQwen25System) return "qwen2.5";
  if (system == kQwen2System) return "qwen2";
  return "chatml";
}

std::optional<ChatFamily> family_of(std::string_view jinja) {
  if (has(jinja, "<|start_header_id|>")) {
    return has(jinja, "Cutting Knowledge Date") ? ChatFamily::kLlama31 : ChatFamily::kLlama3;
  }
  if (has(jinja, "<|im_start|>")) {
    return has(jinja, "enable_thinking") ? ChatFamily::kQwen3 : ChatFamily::kChatMl;
  }
  if (has(jinja, "[gMASK]<sop>")) return ChatFamily::kGlm4;
  if (has(jinja, "[INST]") && !has(jinja, "<<SYS>>")) return ChatFamily::kMistral;
  return std::nullopt;
}

// Where Mistral's templates put spaces.
MistralSpaces spaces_of(std::string_view jinja) {
  const auto quoted = [&](const std::string& literal) {
    return has(jinja, "'" + literal + "'") || has(jinja, "\"" + literal + "\"");
  };
  MistralSpaces spaces;
  spaces.open = quoted(" [INST] ") ? " [INST] " : quoted("[INST] ") ? "[INST] " : "[INST]";
  spaces.close = quoted(" [/INST]") ? " [/INST]" : "[/INST]";
  const std::array<std::string_view, 2> before = {"' ' + message['content']",
                                                  "\" \" + message[\"content\"]"};
  spaces.before_answer =
      std::ranges::any_of(before, [&](auto part) { return has(jinja, part); }) ? " " : "";
  const std::array<std::string_view, 2> after = {"eos_token + ' '", "eos_token + \" \""};
  spaces.after_answer =
      std::ranges::any_of(after, [&](auto part) { return has(jinja, part); }) ? " " : "";
  return spaces;
}

std::string header(std::string_view role) {
  return "<|start_header_id|>" + std::string(role) + "<|end_header_id|>\n\n";
}

std::string render_llama(std::span<const Message> messages, bool dated, bool answer_next) {
  std::string text = "<|begin_of_text|>";
  if (dated) {
    text += header("system") + "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
    if (!messages.empty() && messages.front().role == Role::kSystem) {
      text += trim(messages.front().text);
      messages = messages.subspan(1);
    }
    text += "<|eot_id|>";
  }
  for (const Message& message : messages) {
    text += header(role_name(message.role)) + std::string(trim(message.text)) + "<|eot_id|>";
  }
  if (answer_next) text += header("assistant");
  return text;
}

std::string render_chatml(std::span<const Message> messages, const std::string& system,
                          bool answer_next) {
  std::string text;
  const auto add = [&text](std::string_view role, std::string_view content) {
    text.append("<|im_start|>").append(role).append("\n").append(content).append("<|im_end|>\n");
  };
  if (!system.empty() && (messages.empty() || messages.front().role != Role::kSystem)) {
    add("system", system);
  }
  for (const Message& message : messages) add(role_name(message.role), message.text);
  if (answer_next) text += "<|im_start|>assistant\n";
  return text;
}

std::string render_glm4(std::span<const Message> messages, bool answer_next) {
  std::string text = "[gMASK]<sop>";
  for (const Message& message : messages) {
    text += "<|" + std::string(role_name(message.role)) + "|>\n" + message.text;
  }
  if (answer_next) text += "<|assistant|>";
  return text;
}

Expected<std::string> render_mistral(std::span<const Message> messages,
                                     const MistralSpaces& spaces) {
  std::string text = "<s>";
  Role expected = Role::kUser;
  for (const Message& message : messages) {
    if (message.role != expected) {
      return Error{"chat template mistral: expected a message of the " +
                   std::string(role_name(expected)) + ", found one of the " +
                   std::string(role_name(message.role)) +
                   "; it takes users and assistants in turns, and no system message"};
    }
    if (message.role == Role::kUser) {
      text += spaces.open + message.text + spaces.close;
      expected = Role::kAssistant;
    } else {
      text += spaces.before_answer + message.text + "</s>" + spaces.after_answer;
      expected = Role::kUser;
    }
  }
  return text;
}

}  // namespace

Expected<ChatTemplate> ChatTemplate::recognise(std::string_view jinja, std::string_view source) {
  const std::optional<ChatFamily> family = family_of(jinja);
  if (!family) {
    std::string known;
    for (const std::string& name : names()) known += (known.empty() ? "" : ", ") + name;
    return Error{(source.empty() ? "" : std::string(source) + ": ") +
                 "the chat template is of no known family; known: " + known};
  }
  ChatTemplate chat;
  chat.family_ = *family;
  if (*family == ChatFamily::kChatMl) chat.default_system_ = default_system(jinja);
  if (*family == ChatFamily::kMistral) chat.spaces_ = spaces_of(jinja);
  chat.name_ = name_of(*family, chat.default_system_);
  return chat;
}

std::vector<std::string> ChatTemplate::names() {
  return {"llama-3", "llama-3.1", "chatml",  "smollm2", "qwen2",
          "qwen2.5", "qwen3",     "mistral", "glm-4"};
}

Expected<ChatTemplate> ChatTemplate::named(std::string_view name) {
  const std::vector<std::string> known = names();
  if (std::ranges::find(known, name) == known.end()) {
    return Error{unknown_name("chat template", name, known)};
  }
  ChatTemplate chat;
  chat.name_ = std::string(name);
  if (name == "llama-3") chat.family_ = ChatFamily::kLlama3;
  if (name == "llama-3.1") chat.family_ = ChatFamily::kLlama31;
  if (name == "qwen3") chat.family_ = ChatFamily::kQwen3;
  if (name == "mistral") chat.family_ = ChatFamily::kMistral;
  if (name == "glm-4") chat.family_ = ChatFamily::kGlm4;
  if (name == "smollm2") chat.default_system_ = kSmolLmSystem;
  if (name == "qwen2") chat.default_system_ = kQwen2System;
  if (name == "qwen2.5") chat.default_system_ = kQwen25System;
  return chat;
}

Expected<std::string> ChatTemplate::render(std::span<const Message> messages,
                                           bool add_generation_prompt) const {
  switch (family_) {
    case ChatFamily::kLlama3:
      return render_llama(messages, false, add_generation_prompt);
    case ChatFamily::kLlama31:
      return render_llama(messages, true, add_generation_prompt);
    case ChatFamily::kChatMl:
    case ChatFamily::kQwen3:
      return render_chatml(messages, default_system_, add_generation_prompt);
    case ChatFamily::kMistral:
      return render_mistral(messages, spaces_);
    case ChatFamily::kGlm4:
      return render_glm4(messages, add_generation_prompt);
  }
  check_failed(__FILE__, __LINE__, "no such chat family");
}

}  // namespace scsim::exec
