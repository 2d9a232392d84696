#include "exec/session/session_source.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "exec/tasks/published_reader.h"
#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {

Expected<SessionSource> SessionSource::make(const SessionDesign& design, CountTokens count) {
  SessionSource source;
  source.design_ = design;
  source.count_ = std::move(count);
  source.material_ = Material::find();
  for (const auto& [name, path] : design.published) {
    if (design.style == PromptStyle::kSymbols) {
      return Error{path + ": published sessions are in words; style symbols is for generated ones"};
    }
    const Expected<TaskEntry> task = find_task(name);
    if (!task) return task.error();
    if (std::ranges::find(design.tasks, task->name) == design.tasks.end()) {
      return Error{"sessions of " + task->name + " are given (" + path +
                   "), which is not among the tasks to run"};
    }
    Expected<std::vector<TaskSession>> sessions =
        read_published(path, task->name, static_cast<std::size_t>(design.sessions));
    if (!sessions) return sessions.error();
    if (std::ssize(*sessions) < design.sessions) {
      return Error{path + " has " + std::to_string(sessions->size()) + " sessions; " +
                   std::to_string(design.sessions) + " are asked for"};
    }
    for (TaskSession& session : *sessions) {
      if (std::ssize(session.turns) > design.turns) {
        session.turns.resize(static_cast<std::size_t>(design.turns));
      }
    }
    source.published_[task->name] = *std::move(sessions);
  }
  return source;
}

Expected<TaskSession> SessionSource::get(const std::string& task, std::int64_t length,
                                         int number) const {
  if (const auto published = published_.find(task); published != published_.end()) {
    return published->second[static_cast<std::size_t>(number)];
  }
  const Expected<TaskEntry> entry = find_task(task);
  if (!entry) return entry.error();
  return generate_session(*entry, design_.style,
                          {.tokens = length,
                           .turns = design_.turns,
                           .seed = design_.seed,
                           .session = static_cast<std::uint64_t>(number)},
                          material_, count_);
}

EncodeOptions SessionSource::options(const TaskSession& session, SessionMode mode,
                                     std::int64_t length, std::int64_t max_positions) const {
  EncodeOptions options{.style = design_.style,
                        .mode = mode,
                        .golden_answers = design_.golden_answers,
                        .max_sequence = max_positions};
  if (!published_.contains(session.task)) return options;
  // So much that the first prompt is cut to `length`.
  const Expected<TaskEntry> task = find_task(session.task);
  SCSIM_CHECK(task.has_value());
  const std::int64_t reserved = -first_prompt_budget(*task, mode, 0, session.turns.size());
  options.max_sequence = std::min(max_positions, length + reserved);
  return options;
}

std::int64_t SessionSource::bounded(std::int64_t max_new_tokens) const {
  return design_.most_new_tokens > 0 ? std::min(max_new_tokens, design_.most_new_tokens)
                                     : max_new_tokens;
}

Expected<EncodedSession> SessionSource::encode(const TaskSession& session,
                                               const Tokenizer& tokenizer, const ChatTemplate* chat,
                                               SessionMode mode, std::int64_t length,
                                               std::int64_t max_positions) const {
  Expected<EncodedSession> encoded =
      encode_session(session, tokenizer, chat, options(session, mode, length, max_positions));
  if (!encoded) return encoded.error();
  for (TokenTurn& turn : encoded->tokens.turns) turn.max_new_tokens = bounded(turn.max_new_tokens);
  const std::int64_t longest = longest_sequence(encoded->tokens, design_.golden_answers);
  if (longest > max_positions) {
    return Error{session.task + ", " + session.id + ": " + format_integer(longest) +
                 " tokens with all turns and answers; the model has positions for " +
                 format_integer(max_positions) + "; take shorter lengths or fewer turns"};
  }
  return encoded;
}

Expected<WordedSession> SessionSource::word(const TaskSession& session, const Tokenizer& counter,
                                            SessionMode mode, std::int64_t length) const {
  constexpr std::int64_t kAnyLength = std::int64_t{1} << 40;  // the server refuses what is too long
  Expected<WordedSession> worded =
      word_session(session, counter, options(session, mode, length, kAnyLength));
  if (!worded) return worded.error();
  for (TurnPrompt& turn : worded->plan.turns) turn.max_new_tokens = bounded(turn.max_new_tokens);
  return worded;
}

std::string SessionSource::description(const std::string& task) const {
  if (const auto file = design_.published.find(task); file != design_.published.end()) {
    return "published: " + std::filesystem::path(file->second).filename().string();
  }
  const Expected<TaskEntry> entry = find_task(task);
  if (!entry) return "unknown";
  return "generated: " + (design_.style == PromptStyle::kSymbols ? "in symbols" : entry->made_of);
}

}  // namespace scsim::exec
