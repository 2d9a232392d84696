#include "exec/tasks/published_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "exec/tasks/task.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using Json = nlohmann::json;

// A text, or a number as Python writes it; nothing of anything else.
std::optional<std::string> text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
  if (value.is_number()) return format_shortest(value.get<double>());
  return std::nullopt;
}

// One text or several.
std::optional<std::vector<std::string>> texts_of(const Json& value) {
  std::vector<std::string> all;
  for (const Json& item : value.is_array() ? value : Json::array({value})) {
    std::optional<std::string> text = text_of(item);
    if (!text) return std::nullopt;
    all.push_back(*std::move(text));
  }
  return all;
}

std::string optional_text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// A list of numbers is rendered as Python prints it.
std::optional<std::string> context_of(const Json& row) {
  for (const char* key : {"context", "input"}) {
    const auto found = row.find(key);
    if (found == row.end()) continue;
    if (found->is_string()) return found->get<std::string>();
    const auto items = texts_of(*found);
    if (!items) return std::nullopt;
    std::string text = "[";
    for (const std::string& item : *items) text += (text.size() > 1 ? ", " : "") + item;
    return text + "]";
  }
  return std::nullopt;
}

class Rows {
 public:
  Rows(std::string path, TaskEntry task) : path_(std::move(path)), task_(std::move(task)) {}

  Expected<TaskSession> read(const std::string& line, std::int64_t number) const {
    const std::string at = path_ + ":" + std::to_string(number);
    const Json row = Json::parse(line, nullptr, false);
    if (!row.is_object()) return Error{at + ": expected a JSON object"};
    TaskSession session;
    session.task = task_.name;
    session.provenance = "published: " + at;
    session.id = std::to_string(number);
    for (const char* key : {"id", "index"}) {
      if (row.contains(key)) session.id = text_of(row[key]).value_or(session.id);
    }
    session.language = optional_text(row, "lang");
    session.repository = optional_text(row, "repo");
    if (row.contains("prompts")) return preprocessed(row, at, std::move(session));
    return official(row, at, std::move(session));
  }

 private:
  Expected<TaskSession> official(const Json& row, const std::string& at,
                                 TaskSession session) const {
    std::optional<std::string> context = context_of(row);
    if (!context)
      return Error{at + ": expected a \"context\" or \"input\" with a text or a list of numbers"};
    session.context = *std::move(context);
    if (!row.contains("multi_turns") || !row["multi_turns"].is_array() ||
        row["multi_turns"].empty()) {
      return Error{at + ": expected a list \"multi_turns\" with a turn"};
    }
    for (const Json& given : row["multi_turns"]) {
      const std::string where = at + ": multi_turns[" + std::to_string(session.turns.size()) + "]";
      if (!given.is_object() || !given.contains("input") || !given["input"].is_string()) {
        return Error{where + ": expected an object with a text \"input\""};
      }
      Turn turn;
      turn.question = given["input"].get<std::string>();
      if (const auto read = read_answers(given, "answer", where, turn); !read) return read.error();
      if (given.contains("options"))
        turn.options = texts_of(given["options"]).value_or(std::vector<std::string>{});
      if (const auto named = name_sub_task(given, where, turn); !named) return named.error();
      turn.function_name = optional_text(given, "name");
      if (std::string code = optional_text(given, "func"); !code.empty()) {
        session.needles.push_back({.name = turn.function_name, .code = std::move(code)});
      }
      session.turns.push_back(std::move(turn));
    }
    return session;
  }

  Expected<TaskSession> preprocessed(const Json& row, const std::string& at,
                                     TaskSession session) const {
    const auto prompts = texts_of(row["prompts"]);
    if (!prompts || prompts->size() < 2) {
      return Error{at + ": expected \"prompts\" with the context and a question at least"};
    }
    if (!row.contains("ground_truth") || !row["ground_truth"].is_array() ||
        row["ground_truth"].size() + 1 != prompts->size()) {
      return Error{at + ": expected as many \"ground_truth\" as questions, " +
                   std::to_string(prompts->size() - 1)};
    }
    session.is_prompt = true;
    session.context = prompts->front();
    for (std::size_t i = 1; i < prompts->size(); ++i) {
      Turn turn;
      turn.question = (*prompts)[i];
      const auto answers = texts_of(row["ground_truth"][i - 1]);
      if (!answers || answers->empty()) {
        return Error{at + ": ground_truth[" + std::to_string(i - 1) +
                     "]: expected a text, a number or a list"};
      }
      turn.answers = *answers;
      // This form does not name the sub-task of a mixed one: the two take turns.
      if (!task_.sub_tasks.empty())
        turn.sub_task = task_.sub_tasks[(i - 1) % task_.sub_tasks.size()].first;
      turn.max_new_tokens = task_.limit_of(turn.sub_task);
      session.turns.push_back(std::move(turn));
    }
    return session;
  }

  static Expected<void> read_answers(const Json& given, const char* key, const std::string& where,
                                     Turn& turn) {
    const auto found = given.find(key);
    auto answers = found == given.end() ? std::nullopt : texts_of(*found);
    if (!answers || answers->empty()) {
      return Error{where + ": expected an \"answer\" that is a text, a number or a list of them"};
    }
    turn.answers = *std::move(answers);
    return {};
  }

  Expected<void> name_sub_task(const Json& given, const std::string& where, Turn& turn) const {
    if (!task_.sub_tasks.empty()) {
      std::string name = optional_text(given, "task");
      if (name.starts_with("scbench_")) name = name.substr(8);
      std::vector<std::string> known;
      for (const auto& [sub_task, limit] : task_.sub_tasks) known.push_back(sub_task);
      if (std::ranges::find(known, name) == known.end()) {
        return Error{where + ": " + unknown_name("task", name, known)};
      }
      turn.sub_task = name;
    }
    turn.max_new_tokens = task_.limit_of(turn.sub_task);
    return {};
  }

  std::string path_;
  TaskEntry task_;
};

}  // namespace

Expected<std::vector<TaskSession>> read_published(const std::string& path, std::string_view task,
                                                  std::size_t most) {
  const Expected<TaskEntry> entry = find_task(task);
  if (!entry) return entry.error();
  if (path.ends_with(".parquet")) {
    return Error{
        path +
        ": Parquet is not read; convert it to JSON lines first (exec/tasks/README.md says how)"};
  }
  Expected<LineReader> lines = LineReader::open(path);
  if (!lines) return lines.error();
  const Rows rows(path, *entry);
  std::vector<TaskSession> sessions;
  std::string line;
  while (most == 0 || sessions.size() < most) {
    const Expected<bool> more = lines->next(line);
    if (!more) return more.error();
    if (!*more) break;
    if (trim(line).empty()) continue;
    Expected<TaskSession> session = rows.read(line, lines->line_number());
    if (!session) return session.error();
    sessions.push_back(*std::move(session));
  }
  if (sessions.empty()) return Error{path + ": no session is in it"};
  return sessions;
}

}  // namespace scsim::exec
