// The sessions of a study, one at a time: generated at the length asked for, or read from published
// files and cut to it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "exec/session/encode_session.h"
#include "exec/session/word_session.h"
#include "exec/tasks/material.h"
#include "exec/tasks/task.h"
#include "traces/expected.h"

namespace scsim::exec {

struct SessionDesign {
  std::vector<std::string> tasks;                // of task_table()
  std::map<std::string, std::string> published;  // of some of them: a file of published sessions
  int turns = 5, sessions = 1;
  std::uint64_t seed = 1;
  PromptStyle style = PromptStyle::kPlain;
  bool golden_answers = true;
  std::int64_t most_new_tokens = 0;  // bounds the tasks' own limits; 0: they stand
};

class SessionSource {
 public:
  static Expected<SessionSource> make(const SessionDesign& design, CountTokens count);

  // Session `number` of a task, with `length` tokens of context where it is generated. The error
  // says what is missing. REQUIRES: number < design.sessions.
  Expected<TaskSession> get(const std::string& task, std::int64_t length, int number) const;
  // In tokens. A published session is cut to `length` as the released code does.
  Expected<EncodedSession> encode(const TaskSession& session, const Tokenizer& tokenizer,
                                  const ChatTemplate* chat, SessionMode mode, std::int64_t length,
                                  std::int64_t max_positions) const;
  // In words, for a server, which has its own tokenizer and limits; cut likewise.
  Expected<WordedSession> word(const TaskSession& session, const Tokenizer& counter,
                               SessionMode mode, std::int64_t length) const;
  // Where the text of a task's sessions comes from, for the calibration's design.
  std::string description(const std::string& task) const;

 private:
  EncodeOptions options(const TaskSession& session, SessionMode mode, std::int64_t length,
                        std::int64_t max_positions) const;
  std::int64_t bounded(std::int64_t max_new_tokens) const;

  SessionDesign design_;
  CountTokens count_;
  Material material_;
  std::map<std::string, std::vector<TaskSession>> published_;
};

}  // namespace scsim::exec
