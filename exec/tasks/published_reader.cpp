#include "exec/tasks/published_reader.h"

#include "exec/tasks/task.h"
#include "traces/json_rows.h"

namespace scsim::exec {
namespace {

std::string without_prefix(std::string_view sub_task) {
  constexpr std::string_view kPrefix = "scbench_";
  if (sub_task.starts_with(kPrefix)) sub_task.remove_prefix(kPrefix.size());
  return std::string(sub_task);
}

std::string optional_text(const JsonValue& row, std::string_view field) {
  const std::optional<JsonValue> value = row.find(field);
  return value ? text_of(*value).value_or("") : "";
}

// A text, or numbers as Python prints a list of them.
Expected<std::string> context_text(const JsonValue& value) {
  if (!value.is_array()) {
    if (std::optional<std::string_view> text = value.string()) return std::string(*text);
    return Error{"expected a text or a list of numbers, found " + std::string(value.describe())};
  }
  std::string text = "[";
  for (const JsonValue& item : value.items()) {
    const std::optional<std::int64_t> number = item.integer();
    if (!number) return Error{"expected numbers, found " + std::string(item.describe())};
    text += (text.size() > 1 ? ", " : "") + std::to_string(*number);
  }
  return text + "]";
}

Expected<std::vector<std::string>> answer_texts(const JsonValue& value) {
  std::vector<std::string> answers;
  if (value.is_array()) {
    for (const JsonValue& item : value.items()) {
      std::optional<std::string> text = text_of(item);
      if (!text) {
        return Error{"expected texts or numbers, found " + std::string(item.describe())};
      }
      answers.push_back(*text);
    }
  } else if (std::optional<std::string> text = text_of(value)) {
    answers.push_back(*text);
  }
  if (answers.empty()) {
    return Error{"expected a text, a number or a list of them, found " +
                 std::string(value.is_array() ? "an empty list" : value.describe())};
  }
  return answers;
}

Error within(std::string_view place, const Error& error) {
  return Error{std::string(place) + ": " + error.message};
}

Expected<void> check_sub_task(const TaskEntry& task, const std::string& sub_task) {
  if (task.sub_tasks.empty()) return {};
  std::string known;
  for (const auto& [name, limit] : task.sub_tasks) {
    if (name == sub_task) return {};
    known += (known.empty() ? "" : " or ") + name;
  }
  return Error{"task: expected " + known + ", found \"" + sub_task + "\""};
}

Expected<Turn> read_turn(const TaskEntry& task, const JsonValue& row) {
  Turn turn;
  Expected<std::string> question = string_field(row, "input");
  if (!question) return question.error();
  turn.question = *question;
  Expected<JsonValue> answer = required_field(row, "answer");
  if (!answer) return answer.error();
  Expected<std::vector<std::string>> answers = answer_texts(*answer);
  if (!answers) return within("answer", answers.error());
  turn.answers = *answers;
  if (const std::optional<JsonValue> options = row.find("options")) {
    for (const JsonValue& option : options->items()) {
      turn.options.push_back(text_of(option).value_or(""));
    }
  }
  if (task.name == "choice_eng" && turn.options.size() != 4) {
    return Error{"options: expected a list of 4, found " + std::to_string(turn.options.size())};
  }
  if (!task.sub_tasks.empty()) turn.sub_task = without_prefix(optional_text(row, "task"));
  Expected<void> known = check_sub_task(task, turn.sub_task);
  if (!known) return known.error();
  turn.function_name = optional_text(row, "name");
  turn.max_new_tokens = task.limit_of(turn.sub_task);
  return turn;
}

Expected<TaskSession> read_official(const TaskEntry& task, const JsonValue& row) {
  TaskSession session;
  const std::string field = row.find("context") || !row.find("input") ? "context" : "input";
  Expected<JsonValue> context = required_field(row, field);
  if (!context) return context.error();
  Expected<std::string> text = context_text(*context);
  if (!text) return within(field, text.error());
  session.context = *text;
  session.id = optional_text(row, "id");
  session.language = optional_text(row, "lang");
  session.repository = optional_text(row, "repo");
  Expected<JsonValue> turns = required_field(row, "multi_turns");
  if (!turns) return turns.error();
  for (const JsonValue& item : turns->items()) {
    const std::string place = "multi_turns[" + std::to_string(session.turns.size()) + "]";
    if (!item.is_object()) return Error{place + ": expected an object"};
    Expected<Turn> turn = read_turn(task, item);
    if (!turn) return within(place, turn.error());
    const bool is_function = task.name == "repoqa" || turn->sub_task == "repoqa";
    if (is_function) session.needles.push_back({turn->function_name, turn->answers.front()});
    session.turns.push_back(std::move(*turn));
  }
  if (session.turns.empty()) return Error{"multi_turns: expected a list of turns"};
  return session;
}

// Which sub-task a turn of a mixed task belongs to is not said in this form: digits alone are a
// pass key, 36 characters a value.
std::string guess_sub_task(const TaskEntry& task, const std::string& answer) {
  if (task.sub_tasks.empty()) return "";
  const bool digits = answer.find_first_not_of("0123456789") == std::string::npos;
  if (task.name == "summary_with_needles") return digits ? "passkey" : "summary";
  return answer.size() == 36 && answer.find(' ') == std::string::npos ? "kv" : "repoqa";
}

Expected<TaskSession> read_preprocessed(const TaskEntry& task, const JsonValue& row) {
  TaskSession session;
  session.is_prompt = true;
  session.id = optional_text(row, "id");
  const std::vector<JsonValue> prompts = row.find("prompts")->items();
  Expected<JsonValue> truths = required_field(row, "ground_truth");
  if (!truths) return truths.error();
  const std::vector<JsonValue> answers = truths->items();
  if (prompts.size() < 2 || prompts.size() != answers.size() + 1) {
    return Error{"expected a context and a prompt for each ground_truth, found " +
                 std::to_string(prompts.size()) + " prompts and " + std::to_string(answers.size()) +
                 " answers"};
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::string place = "prompts[" + std::to_string(i) + "]";
    const std::optional<std::string_view> text = prompts[i].string();
    if (!text) return Error{place + ": expected a text"};
    if (i == 0) {
      session.context = *text;
      continue;
    }
    Turn turn;
    turn.question = *text;
    Expected<std::vector<std::string>> truth = answer_texts(answers[i - 1]);
    if (!truth) {
      return within("ground_truth[" + std::to_string(i - 1) + "]", truth.error());
    }
    turn.answers = *truth;
    turn.sub_task = guess_sub_task(task, turn.answers.front());
    turn.max_new_tokens = task.limit_of(turn.sub_task);
    session.turns.push_back(std::move(turn));
  }
  return session;
}

}  // namespace

Expected<std::vector<TaskSession>> read_published(const std::string& path, std::string_view name,
                                                  std::size_t most) {
  const Expected<TaskEntry> task = find_task(name);
  if (!task) return task.error();
  Expected<JsonRows> rows = JsonRows::open(path);
  if (!rows) return rows.error();
  std::vector<TaskSession> sessions;
  while (most == 0 || sessions.size() < most) {
    Expected<bool> more = rows->next();
    if (!more) return more.error();
    if (!*more) break;
    const std::string place = path + ":" + std::to_string(rows->line());
    if (!rows->row()) return within(place, rows->row().error());
    const JsonValue& row = *rows->row();
    if (!row.is_object()) {
      return Error{place + ": expected an object, found " + std::string(row.describe())};
    }
    Expected<TaskSession> session =
        row.find("prompts") ? read_preprocessed(*task, row) : read_official(*task, row);
    if (!session) return within(place, session.error());
    session->task = task->name;
    session->provenance = "published: " + place;
    if (session->id.empty()) session->id = std::to_string(sessions.size());
    sessions.push_back(std::move(*session));
  }
  if (sessions.empty()) return Error{path + ": no sessions; expected one JSON object a line"};
  return sessions;
}

}  // namespace scsim::exec
