// A template is brought into one spelling (quotes, spaces between words of code, dashes at tags,
// "\n" in strings), and then looked through for the expressions that write its messages. A family
// is one that has all of its expressions and none of a neighbour's; anything else is not known.
#include "exec/text/chat_recognition.h"

#include <algorithm>
#include <array>
#include <string>

namespace scsim::exec {
namespace {

using Shape = ChatTemplate::Shape;

constexpr std::string_view kSpace = " \n\t\r";

// Templates as code without the liberties of its spelling. Text between tags stays as it is.
class Spelling {
 public:
  explicit Spelling(std::string_view jinja) {
    while (!jinja.empty()) {
      const std::size_t tag = std::min(jinja.find("{{"), jinja.find("{%"));
      const std::size_t comment = jinja.find("{#");
      if (comment < tag) {
        text_ += jinja.substr(0, comment);
        jinja.remove_prefix(std::min(jinja.find("#}", comment), jinja.size() - 2) + 2);
        continue;
      }
      text_ += jinja.substr(0, tag);
      jinja.remove_prefix(std::min(tag, jinja.size()));
      if (!jinja.empty()) jinja = take_tag(jinja);
    }
  }

  bool has(std::string_view code) const { return text_.find(code) != std::string::npos; }
  bool begins_with(std::string_view code) const { return text_.starts_with(code); }
  const std::string& text() const { return text_; }

  // What stands between `before` and `after`, the first time it does.
  std::optional<std::string> between(std::string_view before, std::string_view after) const {
    const std::size_t start = text_.find(before);
    if (start == std::string::npos) return std::nullopt;
    const std::size_t from = start + before.size();
    const std::size_t end = text_.find(after, from);
    if (end == std::string::npos) return std::nullopt;
    return text_.substr(from, end - from);
  }

 private:
  // Takes the tag at the front of `jinja`; returns what follows it.
  std::string_view take_tag(std::string_view jinja) {
    const std::string_view close = jinja[1] == '{' ? "}}" : "%}";
    std::size_t at = 2;
    if (jinja.substr(at).starts_with('-')) {  // and takes the space before it away
      while (!text_.empty() && kSpace.find(text_.back()) != std::string_view::npos) {
        text_.pop_back();
      }
      ++at;
    }
    text_ += jinja.substr(0, 2);
    while (at < jinja.size()) {
      const char c = jinja[at];
      if (c == '\'' || c == '"') {
        at = take_string(jinja, at);
      } else if (jinja.substr(at).starts_with(close)) {
        const bool takes_space = text_.back() == '-';
        if (takes_space) text_.pop_back();
        text_ += close;
        jinja.remove_prefix(at + 2);
        while (takes_space && !jinja.empty() &&
               kSpace.find(jinja.front()) != std::string_view::npos) {
          jinja.remove_prefix(1);
        }
        return jinja;
      } else {
        if (kSpace.find(c) == std::string_view::npos) text_ += c;
        ++at;
      }
    }
    return {};
  }

  std::size_t take_string(std::string_view jinja, std::size_t at) {
    const char quote = jinja[at++];
    text_ += '"';
    for (; at < jinja.size() && jinja[at] != quote; ++at) {
      if (jinja[at] == '\\' && at + 1 < jinja.size()) {
        ++at;
        text_ += jinja[at] == 'n' ? '\n' : jinja[at] == 't' ? '\t' : jinja[at];
      } else {
        text_ += jinja[at];
      }
    }
    text_ += '"';
    return at + 1;
  }

  std::string text_;
};

std::optional<Shape> llama(const Spelling& code) {
  if (!code.has("\"<|start_header_id|>\"+message[\"role\"]+\"<|end_header_id|>\n\n\"+"
                "message[\"content\"]|trim+\"<|eot_id|>\"")) {
    return std::nullopt;
  }
  if (code.has("{{\"Cutting Knowledge Date: December 2023\n\"}}") &&
      code.has("{{\"Today Date: \"+date_string+\"\n\n\"}}") && code.has("{{system_message}}")) {
    return Shape{.name = "llama-3.1", .family = ChatFamily::kLlama31};
  }
  if (!code.has("{%setcontent=bos_token+content%}") || code.has("tool")) return std::nullopt;
  return Shape{.name = "llama-3",
               .family = ChatFamily::kLlama3,
               .always_prompts = !code.has("add_generation_prompt")};
}

// ChatML of one loop: nothing else may be there.
std::optional<Shape> plain_chatml(const Spelling& code) {
  constexpr std::string_view kLoop = "{%formessageinmessages%}";
  constexpr std::string_view kIfNoSystem = "{%ifloop.firstandmessages[0][\"role\"]!=\"system\"%}";
  constexpr std::string_view kSystem = "{{\"<|im_start|>system\n", kEndSystem = "<|im_end|>\n\"}}";
  constexpr std::string_view kMessage =
      "{{\"<|im_start|>\"+message[\"role\"]+\"\n\"+message[\"content\"]+\"<|im_end|>\"+\"\n\"}}"
      "{%endfor%}{%ifadd_generation_prompt%}{{\"<|im_start|>assistant\n\"}}{%endif%}";
  constexpr std::string_view kNoDefault =
      "{%ifnotadd_generation_promptisdefined%}{%setadd_generation_prompt=false%}{%endif%}";
  std::string_view text = code.text();
  if (text.starts_with(kNoDefault)) text.remove_prefix(kNoDefault.size());
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (!text.starts_with(kLoop)) return std::nullopt;
  text.remove_prefix(kLoop.size());
  if (text == kMessage) return Shape{.name = "chatml"};
  if (!text.starts_with(kIfNoSystem)) return std::nullopt;
  text.remove_prefix(kIfNoSystem.size());
  const std::size_t end = text.find(kEndSystem);
  if (!text.starts_with(kSystem) || end == std::string_view::npos) return std::nullopt;
  const std::string system(text.substr(kSystem.size(), end - kSystem.size()));
  text.remove_prefix(end + kEndSystem.size());
  if (text != std::string("{%endif%}") + std::string(kMessage)) return std::nullopt;
  const std::string_view name = system.find("SmolLM") != std::string::npos ? "smollm2" : "qwen2";
  return Shape{.name = std::string(name), .default_system = system};
}

std::optional<Shape> qwen(const Spelling& code) {
  const bool writes_turns =
      code.has("{{\"<|im_start|>system\n\"+messages[0]") &&
      code.has("{{\"<|im_start|>\"+message.role+\"\n\"+message.content+\"<|im_end|>\"+\"\n\"}}") &&
      code.has("{%ifadd_generation_prompt%}") && code.has("{{\"<|im_start|>assistant\n\"}}");
  if (!writes_turns) return std::nullopt;
  if (code.has("</think>")) {
    const bool is_qwen3 = code.has("{%ifenable_thinkingisdefinedandenable_thinkingisfalse%}") &&
                          code.has("{%ifloop.index0>ns.last_query_index%}") &&
                          code.has("{%ifloop.lastor(notloop.lastandreasoning_content)%}") &&
                          code.has("{{\"<think>\n\n</think>\n\n\"}}");
    if (!is_qwen3) return std::nullopt;
    return Shape{.name = "qwen3", .family = ChatFamily::kQwen3};
  }
  const std::optional<std::string> system =
      code.between("{%else%}{{\"<|im_start|>system\n", "<|im_end|>\n\"}}{%endif%}");
  if (!system || system->find('"') != std::string::npos) return std::nullopt;
  return Shape{.name = "qwen2.5", .default_system = *system};
}

struct MistralSpacing {
  std::string_view name, before, after;
};
constexpr std::array kMistralSpacings = {MistralSpacing{"mistral-v1", " [INST] ", " [/INST]"},
                                         MistralSpacing{"mistral-v0", "[INST] ", " [/INST]"},
                                         MistralSpacing{"mistral-v3", "[INST] ", "[/INST]"},
                                         MistralSpacing{"mistral-nemo", "[INST]", "[/INST]"}};

std::optional<Shape> mistral(const Spelling& code) {
  if (!code.has("bos_token") || code.has("<<SYS>>") || code.has("[SYSTEM_PROMPT]")) {
    return std::nullopt;
  }
  const auto quoted = [](std::string_view text) { return "\"" + std::string(text) + "\""; };
  const auto* spacing = std::ranges::find_if(kMistralSpacings, [&](const MistralSpacing& way) {
    return code.has("{{" + quoted(way.before) + "+message[\"content\"]+" + quoted(way.after) +
                    "}}");
  });
  if (spacing == kMistralSpacings.end()) return std::nullopt;
  Shape shape{.name = std::string(spacing->name),
              .family = ChatFamily::kMistral,
              .before_user = std::string(spacing->before),
              .after_user = std::string(spacing->after),
              .after_answer = "</s>"};
  if (code.has("{{\" \"+message[\"content\"]+eos_token}}")) {
    shape.before_answer = " ";
  } else if (code.has("{{\" \"+message[\"content\"]|trim+eos_token}}")) {
    shape.before_answer = " ";
    shape.trims_answer = true;
  } else if (code.has("{{message[\"content\"]+eos_token+\" \"}}")) {
    shape.after_answer += ' ';
  } else if (!code.has("{{message[\"content\"]+eos_token}}")) {
    return std::nullopt;
  }
  const std::string with_system =
      "{{" + quoted(spacing->before) + "+system_message+\"\n\n\"+message[\"content\"]+";
  if (code.has("{%ifloop.firstandsystem_messageisdefined%}") && code.has(with_system)) {
    shape.system = Shape::System::kInFirstUser;
  } else if (code.has("{%ifloop.lastandsystem_messageisdefined%}") && code.has(with_system)) {
    shape.system = Shape::System::kInLastUser;
  } else if (code.has("system_message")) {
    return std::nullopt;
  }
  return shape;
}

std::optional<Shape> glm4(const Spelling& code) {
  if (!code.begins_with("[gMASK]<sop>")) return std::nullopt;
  std::optional<std::string> prompt = code.between("{%ifadd_generation_prompt%}", "{%endif%}");
  if (!prompt || !prompt->starts_with("<|assistant|>") || prompt->find('{') != std::string::npos) {
    return std::nullopt;
  }
  Shape shape{.name = "glm-4", .family = ChatFamily::kGlm4, .prompt = *prompt};
  if (code.has("{%ifitem[\"content\"]%}<|{{item[\"role\"]}}|>{{item[\"metadata\"]}}\n"
               "{{item[\"content\"]}}{%endif%}")) {
    shape.skips_empty = true;
    return shape;
  }
  const bool is_0414 = code.has("{%formessageinmessagesifmessage.role!=\"system\"%}") &&
                       code.has("<|system|>\n{{msg.content}}") &&
                       code.has("<|user|>\n{{content}}") && code.has("<|assistant|>\n{{content}}");
  if (!is_0414) return std::nullopt;
  shape.name = "glm-4-0414";
  shape.system_first = true;
  return shape;
}

}  // namespace

std::optional<Shape> recognise_shape(std::string_view jinja) {
  const Spelling code(jinja);
  for (const auto family : {llama, plain_chatml, qwen, mistral, glm4}) {
    if (std::optional<Shape> shape = family(code)) return shape;
  }
  return std::nullopt;
}

std::vector<Shape> known_shapes() {
  std::vector<Shape> shapes = {
      {.name = "llama-3", .family = ChatFamily::kLlama3},
      {.name = "llama-3.1", .family = ChatFamily::kLlama31},
      {.name = "chatml"},
      {.name = "smollm2",
       .default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
      {.name = "qwen2", .default_system = "You are a helpful assistant."},
      {.name = "qwen2.5",
       .default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
      {.name = "qwen3", .family = ChatFamily::kQwen3},
      {.name = "glm-4",
       .family = ChatFamily::kGlm4,
       .prompt = "<|assistant|>\n",
       .skips_empty = true},
      {.name = "glm-4-0414",
       .family = ChatFamily::kGlm4,
       .prompt = "<|assistant|>",
       .system_first = true}};
  for (const MistralSpacing& spacing : kMistralSpacings) {
    Shape shape{.name = std::string(spacing.name),
                .family = ChatFamily::kMistral,
                .before_user = std::string(spacing.before),
                .after_user = std::string(spacing.after),
                .after_answer = "</s>"};
    if (spacing.name == "mistral-v1") shape.system = Shape::System::kInFirstUser;
    if (spacing.name == "mistral-v3" || spacing.name == "mistral-nemo") {
      shape.system = Shape::System::kInLastUser;
    }
    const bool spaced = spacing.name == "mistral-v1" || spacing.name == "mistral-v3";
    if (spaced) shape.before_answer = " ";
    shape.trims_answer = spacing.name == "mistral-v3";
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

}  // namespace scsim::exec
