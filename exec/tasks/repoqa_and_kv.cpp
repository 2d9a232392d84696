// Mix.RepoQA+KV: functions that descriptions mean, and values of keys hidden between them, in
// turns. In which order SCBench mixes the two is not known: here they alternate. The functions are
// those of repoqa.cpp; SCBench has about 100 pairs among 64K tokens, here one for each function.
#include <algorithm>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/repoqa_context.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kFunctionTokens = 1024, kValueTokens = 80;
constexpr std::int64_t kTokensPerPair = 650;  // 64K tokens over 100 pairs

std::string pair_text(const std::string& key, const std::string& value) {
  return "\"" + key + "\": \"" + value + "\"";
}

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("repoqa_and_kv", request);
  if (!session) return session.error();
  const auto turns = static_cast<std::size_t>(request.turns);
  const std::size_t functions = (turns + 1) / 2, values = turns / 2;
  const std::size_t pairs =
      std::max(values, static_cast<std::size_t>(request.tokens / kTokensPerPair));
  Rng rng(request.seed, "exec.tasks.repoqa_and_kv", request.session);
  std::vector<std::string> keys, held, inserts;
  for (std::size_t i = 0; i < pairs; ++i) {
    keys.push_back(draw_uuid(rng));
    held.push_back(draw_uuid(rng));
    inserts.push_back(pair_text(keys.back(), held.back()));
  }
  Expected<RepositoryContext> context =
      fill_with_functions("repoqa_and_kv", request, material, count,
                          static_cast<std::int64_t>(functions), inserts, rng);
  if (!context) return context.error();
  session->context = context->text;
  session->language = "python";
  session->repository = "python standard library";
  session->provenance = "generated: " + std::to_string(context->functions.size()) +
                        " functions of Python's standard library without their docstrings, which "
                        "are the descriptions, and " +
                        std::to_string(pairs) + " pairs of random UUIDs between them";
  const std::vector<std::size_t> asked = spread(rng, context->functions.size(), functions);
  const std::vector<std::size_t> pair = spread(rng, pairs, values);
  for (std::size_t i = 0; i < turns; ++i) {
    if (i % 2 == 0) {
      const PythonFunction& function = context->functions[asked[i / 2]];
      Turn turn = ask_for_function(function, kFunctionTokens);
      turn.sub_task = "repoqa";
      session->turns.push_back(std::move(turn));
      session->needles.push_back(needle_of(function));
    } else {
      const std::size_t at = pair[i / 2];
      Turn turn;
      turn.sub_task = "kv";
      turn.question =
          "\nKey: \"" + keys[at] + "\"\nThe value associated with the specified key is: ";
      turn.answers = {held[at]};
      turn.max_new_tokens = kValueTokens;
      session->turns.push_back(std::move(turn));
    }
  }
  return session;
}

PlainText plain(const Turn& turn) {
  if (turn.sub_task != "kv") return plain_function(turn);
  const std::size_t begin = turn.question.find('"'), end = turn.question.find('"', begin + 1);
  if (begin == std::string::npos || end == std::string::npos) {
    return {"\n" + turn.question, turn.answers.front(), "\n", {"\n"}};
  }
  return {"\n" + turn.question.substr(begin, end + 1 - begin) + ": \"",
          turn.answers.front(),
          "\"\n",
          {"\""}};
}

}  // namespace

TaskEntry repoqa_and_kv_task() {
  TaskEntry task;
  task.name = "repoqa_and_kv";
  task.paper_name = "Mix.RepoQA+KV";
  task.sentence =
      "functions that descriptions mean and values of keys hidden between them, in turns";
  task.source = "Li et al., SCBench, 2024";
  task.capability = Capability::kMultiTasking;
  task.max_new_tokens = kFunctionTokens + kValueTokens;
  task.sub_tasks = {{"repoqa", kFunctionTokens}, {"kv", kValueTokens}};
  task.made_of = "functions of Python's standard library, their docstrings, and random UUIDs";
  task.plain = plain;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
