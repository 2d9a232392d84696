#include "exec/tasks/prompt.h"

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

// As Python prints a list of names.
std::string python_list(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) text += (text.size() > 1 ? ", '" : "'") + item + "'";
  return text + "]";
}

std::string golden_text(const TaskEntry& task, const Turn& turn) {
  if (turn.answers.empty()) return "";
  return task.released.answers_are_a_list ? python_list(turn.answers) : turn.answers.front();
}

std::string released_context(const TaskEntry& task, const TaskSession& session,
                             const PromptOptions& options) {
  if (session.is_prompt || !task.released.before_context) return session.context;
  return task.released.before_context(session, options) + "\n\n" + session.context;
}

std::string released_query(const TaskEntry& task, const TaskSession& session,
                           const PromptOptions& options, std::size_t t) {
  if (session.is_prompt || !task.released.query) return session.turns[t].question;
  return task.released.query(session, options, t);
}

TurnPrompt released_turn(const TaskEntry& task, const TaskSession& session,
                         const PromptOptions& options, std::size_t t) {
  TurnPrompt prompt;
  const std::string query = released_query(task, session, options, t);
  // A follow-up begins a message of its own where there is a chat template.
  const bool apart =
      options.mode == Mode::kMultiTurn && (t == 0 || !options.chat) && !session.is_prompt;
  prompt.prompt = (apart ? "\n\n" : "") + query;
  if (options.chat && options.mode == Mode::kMultiTurn && t > 0)
    prompt.lead = task.released.follow_up_lead;
  prompt.target = golden_text(task, session.turns[t]);
  return prompt;
}

TurnPrompt plain_turn(const TaskEntry& task, const Turn& turn) {
  PlainText text = task.plain(turn);
  TurnPrompt prompt;
  prompt.prompt = std::move(text.prompt);
  prompt.target = std::move(text.answer);
  prompt.closing = std::move(text.closing);
  prompt.stops = std::move(text.stops);
  return prompt;
}

}  // namespace

std::string_view prompt_style_name(PromptStyle style) {
  return style == PromptStyle::kReleased ? "released" : "plain";
}

Expected<PromptStyle> parse_prompt_style(std::string_view name) {
  if (name == "released") return PromptStyle::kReleased;
  if (name == "plain") return PromptStyle::kPlain;
  return Error{unknown_name("prompt style", name, std::vector<std::string>{"released", "plain"})};
}

PromptPlan plan_prompts(const TaskSession& session, const PromptOptions& options) {
  const Expected<TaskEntry> task = find_task(session.task);
  SCSIM_CHECK(task.has_value());
  PromptPlan plan;
  const bool released = options.style == PromptStyle::kReleased;
  plan.chat = released && options.chat;
  plan.context = released ? released_context(*task, session, options) : session.context;
  for (std::size_t t = 0; t < session.turns.size(); ++t) {
    TurnPrompt turn =
        released ? released_turn(*task, session, options, t) : plain_turn(*task, session.turns[t]);
    turn.max_new_tokens = session.turns[t].max_new_tokens;
    plan.turns.push_back(std::move(turn));
  }
  return plan;
}

}  // namespace scsim::exec
