#include "exec/tasks/prompt.h"

#include "exec/tasks/symbols.h"
#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::string_view kEmptyLine = "\n\n";

// As Python prints a list of strings.
std::string written_as_list(const std::vector<std::string>& answers) {
  std::string text = "[";
  for (std::size_t i = 0; i < answers.size(); ++i) {
    text += (i > 0 ? ", '" : "'") + answers[i] + "'";
  }
  return text + "]";
}

// Whether an empty line comes before a turn's words: not where a chat template separates them, not
// in multi-request mode, and not behind an answer that is the model's own.
bool needs_empty_line(const PromptOptions& options, std::size_t turn) {
  if (options.mode == SessionMode::kMultiRequest) return false;
  return turn == 0 || (!options.chat && options.golden_answers);
}

PromptPlan plan_released(const TaskEntry& task, const TaskSession& session,
                         const PromptOptions& options) {
  PromptPlan plan;
  plan.chat = options.chat;
  if (task.released.before_context && !session.is_prompt && !session.turns.empty()) {
    plan.context = task.released.before_context(session, options) + std::string(kEmptyLine);
  }
  plan.context += session.context;
  for (std::size_t i = 0; i < session.turns.size(); ++i) {
    const Turn& turn = session.turns[i];
    TurnPrompt& prompt = plan.turns.emplace_back();
    if (needs_empty_line(options, i)) prompt.prompt = kEmptyLine;
    prompt.prompt += task.released.query && !session.is_prompt
                         ? task.released.query(session, options, i)
                         : turn.question;
    if (i > 0 && options.chat && options.mode == SessionMode::kMultiTurn && !session.is_prompt) {
      prompt.lead = task.released.follow_up_lead;
    }
    prompt.target = task.released.answers_are_a_list && !session.is_prompt
                        ? written_as_list(turn.answers)
                        : turn.answers.front();
    prompt.max_new_tokens = turn.max_new_tokens;
  }
  return plan;
}

// Texts that follow each other, as `text_of` a turn says.
PromptPlan plan_record(const TaskSession& session, const auto& text_of) {
  PromptPlan plan;
  plan.context = session.context;
  for (const Turn& turn : session.turns) {
    PlainText text = text_of(turn);
    plan.turns.push_back({.prompt = std::move(text.prompt),
                          .lead = "",
                          .target = std::move(text.answer),
                          .closing = std::move(text.closing),
                          .stops = std::move(text.stops),
                          .max_new_tokens = turn.max_new_tokens});
  }
  return plan;
}

}  // namespace

std::string_view prompt_style_name(PromptStyle style) {
  switch (style) {
    case PromptStyle::kReleased:
      return "released";
    case PromptStyle::kPlain:
      return "plain";
    case PromptStyle::kSymbols:
      return "symbols";
  }
  check_failed(__FILE__, __LINE__, "no such style");
}

std::vector<std::string> prompt_style_names() { return {"released", "plain", "symbols"}; }

Expected<PromptStyle> parse_prompt_style(std::string_view name) {
  for (const auto style : {PromptStyle::kReleased, PromptStyle::kPlain, PromptStyle::kSymbols}) {
    if (name == prompt_style_name(style)) return style;
  }
  return Error{unknown_name("prompt style", name, prompt_style_names())};
}

PromptPlan plan_prompts(const TaskSession& session, const PromptOptions& options) {
  const Expected<TaskEntry> task = find_task(session.task);
  SCSIM_CHECK(task.has_value());
  SCSIM_CHECK_EQ(session.in_symbols, options.style == PromptStyle::kSymbols);
  for (const Turn& turn : session.turns) SCSIM_CHECK(!turn.answers.empty());
  switch (options.style) {
    case PromptStyle::kReleased:
      return plan_released(*task, session, options);
    case PromptStyle::kPlain:
      return plan_record(session, task->plain);
    case PromptStyle::kSymbols:
      return plan_record(session, [&](const Turn& turn) { return symbols_text(*task, turn); });
  }
  check_failed(__FILE__, __LINE__, "no such style");
}

}  // namespace scsim::exec
