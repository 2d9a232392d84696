// The twelve tasks of SCBench: what each asks, how many tokens an answer may have, how a prompt is
// worded, and how sessions of any length are made.
//
//   Expected<TaskEntry> task = find_task("kv");
//   GenerateRequest request{.tokens = 1024, .turns = 5, .seed = 7, .session = 0};
//   Expected<TaskSession> session = task->generate(request, Material::find(), count);
//
// `count` is the model's own tokenizer, so that 1,024 are 1,024 of its tokens. The context comes
// within 2 % of what was asked, or one record of it (a pair, a line, a function), and is never
// longer. A session is a function of (task, seed, session, tokens, turns), the material and the
// tokenizer; sessions of one seed are independent of each other.
//
// One file here, one test and one line `add_task(x)` add a task; kv.cpp is the one to copy.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "exec/tasks/material.h"
#include "exec/tasks/prompt_options.h"
#include "exec/tasks/task_session.h"
#include "traces/expected.h"

namespace scsim::exec {

enum class Capability : std::uint8_t {
  kStringRetrieval,
  kSemanticRetrieval,
  kGlobalInformation,
  kMultiTasking
};
std::string_view capability_name(Capability capability);  // "string retrieval", ...

// Tokens that the model sees for a text, without anything around it.
using CountTokens = std::function<std::int64_t(std::string_view text)>;

struct GenerateRequest {
  std::int64_t tokens = 1024;  // of the context
  int turns = 5;
  std::uint64_t seed = 0;
  std::uint64_t session = 0;  // its number among those of this seed
};

// What a model is told in the released code. Functions that are not set: nothing before the
// context, the question as it is.
struct ReleasedTexts {
  std::function<std::string(const TaskSession&, const PromptOptions&)> before_context;
  std::function<std::string(const TaskSession&, const PromptOptions&, std::size_t turn)> query;
  std::string follow_up_lead;       // begins the answers of later turns, with a chat template
  bool answers_are_a_list = false;  // all of Turn::answers are the golden answer
};

// A turn as the continuation of a record, for models that only continue.
struct PlainText {
  std::string prompt;              // follows the context or the closing of the answer before
  std::string answer;              // golden, as the text would go on
  std::string closing;             // ends an answer in the record
  std::vector<std::string> stops;  // an answer ends before the first of these
};

struct TaskEntry {
  std::string name;        // "kv"
  std::string paper_name;  // "Retr.KV"
  std::string sentence;
  std::string source;
  Capability capability = Capability::kStringRetrieval;
  std::int64_t max_new_tokens = 1;  // as published; of a mixed task: the sum over its sub-tasks
  std::vector<std::pair<std::string, std::int64_t>> sub_tasks;  // and the limit of each
  bool answers_in_context = true;                               // so that truncation can lose them
  std::string made_of;  // what generate() needs and builds from, a phrase
  ReleasedTexts released;
  std::function<PlainText(const Turn& turn)> plain;
  // The error says what to install where the material is not there.
  std::function<Expected<TaskSession>(const GenerateRequest& request, const Material& material,
                                      const CountTokens& count)>
      generate;
  // The same task in few symbols (symbols.h); not set where it has no exact construction of that
  // kind.
  std::function<Expected<TaskSession>(const GenerateRequest& request, const CountTokens& count)>
      generate_in_symbols = nullptr;

  // REQUIRES: a known sub-task, for a mixed task.
  std::int64_t limit_of(std::string_view sub_task) const;
};

// In the order of the lines `add_task(x)` in CMakeLists.txt, which is the paper's.
const std::vector<TaskEntry>& task_table();
Expected<TaskEntry> find_task(std::string_view name);  // "kv", "scbench_kv" or "Retr.KV"

// Whether sessions of the task can be put in a style; the error names the tasks that can.
Expected<void> check_style(const TaskEntry& task, PromptStyle style);
// A session whose context is of the style's kind.
Expected<TaskSession> generate_session(const TaskEntry& task, PromptStyle style,
                                       const GenerateRequest& request, const Material& material,
                                       const CountTokens& count);

}  // namespace scsim::exec
