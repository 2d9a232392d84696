// How sessions are put into words; see prompt.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exec/scorers/scorer.h"
#include "traces/expected.h"

namespace scsim::exec {

enum class PromptStyle : std::uint8_t { kReleased, kPlain, kSymbols };
std::string_view prompt_style_name(PromptStyle style);  // "released", "plain", "symbols"
std::vector<std::string> prompt_style_names();
Expected<PromptStyle> parse_prompt_style(std::string_view name);

struct PromptOptions {
  PromptStyle style = PromptStyle::kReleased;
  SessionMode mode = SessionMode::kMultiTurn;
  bool chat = true;            // a chat template will be around it; only `released` knows one
  bool golden_answers = true;  // stand for the model's own: without chat the wording depends on it
};

}  // namespace scsim::exec
