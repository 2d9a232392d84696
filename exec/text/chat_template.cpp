// Rendering, a function for each family; what tells the families apart is in chat_recognition.cpp.
#include "exec/text/chat_template.h"

#include "exec/text/chat_recognition.h"
#include "exec/text/python_text.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using Shape = ChatTemplate::Shape;
using Messages = std::span<const Message>;

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
  }
  return {};
}

bool begins_with_system(Messages messages) { return messages.front().role == Role::kSystem; }

std::string llama3(const Shape& shape, Messages messages, bool prompt, const ChatOptions& options) {
  const auto header = [](std::string_view role) {
    return "<|start_header_id|>" + std::string(role) + "<|end_header_id|>\n\n";
  };
  constexpr std::string_view kEnd = "<|eot_id|>";
  std::string text = "<|begin_of_text|>";
  if (shape.family == ChatFamily::kLlama31) {
    text += header("system") +
            "Cutting Knowledge Date: December 2023\nToday Date: " + options.date + "\n\n";
    if (begins_with_system(messages)) {
      text += python_strip(messages.front().text);
      messages = messages.subspan(1);
    }
    text += kEnd;
  }
  for (const Message& message : messages) {
    text += header(role_name(message.role));
    text += python_strip(message.text);
    text += kEnd;
  }
  if (prompt || shape.always_prompts) text += header("assistant");
  return text;
}

std::string chatml_message(std::string_view role, std::string_view content) {
  std::string text = "<|im_start|>";
  text += role;
  text += '\n';
  text += content;
  return text + "<|im_end|>\n";
}

constexpr std::string_view kChatMlPrompt = "<|im_start|>assistant\n";

std::string chatml(const Shape& shape, Messages messages, bool prompt) {
  std::string text;
  if (!begins_with_system(messages) && !shape.default_system.empty()) {
    text += chatml_message("system", shape.default_system);
  }
  for (const Message& message : messages) {
    text += chatml_message(role_name(message.role), message.text);
  }
  if (prompt) text += kChatMlPrompt;
  return text;
}

// An answer of a reasoning model: the reasoning, and what comes after it.
struct Answer {
  std::string_view reasoning, content;
};

Answer split_answer(std::string_view text) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  const std::size_t first = text.find(kClose);
  if (first == std::string_view::npos) return {"", text};
  std::string_view reasoning = strip_newlines_right(text.substr(0, first));
  const std::size_t open = reasoning.rfind(kOpen);
  if (open != std::string_view::npos) reasoning.remove_prefix(open + kOpen.size());
  const std::size_t last = text.rfind(kClose);
  return {strip_newlines_left(reasoning), strip_newlines_left(text.substr(last + kClose.size()))};
}

std::string qwen3(Messages messages, bool prompt, const ChatOptions& options) {
  // Reasoning is kept in answers after the last question, which a tool's response is not.
  std::size_t last_question = messages.size() - 1;
  for (std::size_t i = messages.size(); i-- > 0;) {
    const std::string& text = messages[i].text;
    const bool is_response =
        text.starts_with("<tool_response>") && text.ends_with("</tool_response>");
    if (messages[i].role == Role::kUser && !is_response) {
      last_question = i;
      break;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role != Role::kAssistant) {
      text += chatml_message(role_name(message.role), message.text);
      continue;
    }
    const Answer answer = split_answer(message.text);
    const bool is_last = i + 1 == messages.size();
    std::string content(answer.content);
    if (i > last_question && (is_last || !answer.reasoning.empty())) {
      content = "<think>\n";
      content += strip_newlines_left(strip_newlines_right(answer.reasoning));
      content += "\n</think>\n\n";
      content += strip_newlines_left(answer.content);
    }
    text += chatml_message("assistant", content);
  }
  if (prompt) text += kChatMlPrompt;
  if (prompt && !options.thinking) text += "<think>\n\n</think>\n\n";
  return text;
}

Expected<std::string> mistral(const Shape& shape, Messages messages) {
  const std::string* system = nullptr;
  if (begins_with_system(messages)) {
    if (shape.system == Shape::System::kRefused) {
      return Error{shape.name + ": this family's template has no place for a system message"};
    }
    system = &messages.front().text;
    messages = messages.subspan(1);
  }
  std::string text = "<s>";
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const Role expected = i % 2 == 0 ? Role::kUser : Role::kAssistant;
    if (message.role != expected) {
      return Error{shape.name + ": message " + std::to_string(i + (system ? 2 : 1)) + " is the " +
                   std::string(role_name(message.role)) + "'s, and the " +
                   std::string(role_name(expected)) +
                   " is next: users and assistants alternate in this family"};
    }
    if (message.role == Role::kAssistant) {
      text += shape.before_answer;
      text += shape.trims_answer ? python_strip(message.text) : std::string_view(message.text);
      text += shape.after_answer;
      continue;
    }
    const bool holds_system =
        shape.system == Shape::System::kInFirstUser ? i == 0 : i + 1 == messages.size();
    text += shape.before_user;
    if (system != nullptr && holds_system) text += *system + "\n\n";
    text += message.text;
    text += shape.after_user;
  }
  return text;
}

std::string glm4(const Shape& shape, Messages messages, bool prompt) {
  std::string text = "[gMASK]<sop>";
  const auto add = [&](const Message& message) {
    if (shape.skips_empty && message.text.empty()) return;
    text += "<|" + std::string(role_name(message.role)) + "|>\n" + message.text;
  };
  for (const Message& message : messages) {
    if (shape.system_first && message.role == Role::kSystem) add(message);
  }
  for (const Message& message : messages) {
    if (!shape.system_first || message.role != Role::kSystem) add(message);
  }
  return prompt ? text + shape.prompt : text;
}

}  // namespace

Expected<ChatTemplate> ChatTemplate::recognise(std::string_view jinja, std::string_view source) {
  std::optional<Shape> shape = recognise_shape(jinja);
  if (shape) return ChatTemplate(std::move(*shape));
  std::string known;
  for (const std::string& name : names()) known += (known.empty() ? "" : ", ") + name;
  return Error{std::string(source) + (jinja.empty() ? ": there is none" : ": not one we know") +
               "; known are those of " + known};
}

Expected<ChatTemplate> ChatTemplate::named(std::string_view name) {
  for (Shape& shape : known_shapes()) {
    if (shape.name == name) return ChatTemplate(std::move(shape));
  }
  const std::vector<std::string> known = names();
  return Error{unknown_name("chat template", name, known)};
}

std::vector<std::string> ChatTemplate::names() {
  std::vector<std::string> names;
  for (const Shape& shape : known_shapes()) names.push_back(shape.name);
  return names;
}

Expected<std::string> ChatTemplate::render(std::span<const Message> messages,
                                           bool add_generation_prompt,
                                           const ChatOptions& options) const {
  if (messages.empty()) return Error{shape_.name + ": a conversation needs a message"};
  switch (shape_.family) {
    case ChatFamily::kLlama3:
    case ChatFamily::kLlama31:
      return llama3(shape_, messages, add_generation_prompt, options);
    case ChatFamily::kChatMl:
      return chatml(shape_, messages, add_generation_prompt);
    case ChatFamily::kQwen3:
      return qwen3(messages, add_generation_prompt, options);
    case ChatFamily::kMistral:
      return mistral(shape_, messages);
    case ChatFamily::kGlm4:
      return glm4(shape_, messages, add_generation_prompt);
  }
  return Error{shape_.name + ": unknown family"};
}

}  // namespace scsim::exec
