// Mix.RepoQA+KV: functions by their description and values by their key, in turns. The code is that
// of repoqa.cpp; pairs stand between the functions, one for about 640 tokens of context as in
// SCBench (100 in 64K), at least two for each that is asked. In which order SCBench mixes the two
// is not known: here they alternate.
#include <algorithm>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/python_functions.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kRepoqaTokens = 1024, kKvTokens = 80;

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("repoqa_and_kv", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.repoqa_and_kv", request.session);
  const auto turns = static_cast<std::size_t>(request.turns);
  const std::size_t functions = (turns + 1) / 2, values = turns / 2;
  const std::size_t pairs = std::max(2 * values, static_cast<std::size_t>(request.tokens / 640));
  CodeWishes wishes{.task = "repoqa_and_kv", .asked = functions, .inserts = {}};
  std::vector<std::string> keys, held;
  for (std::size_t i = 0; i < pairs; ++i) {
    keys.push_back(draw_uuid(rng));
    held.push_back(draw_uuid(rng));
    wishes.inserts.push_back("\"" + keys[i] + "\": \"" + held[i] + "\"");
  }
  Expected<CodeContext> code = fill_with_functions(wishes, request, material, count, rng);
  if (!code) return code.error();
  session->context = code->text;
  session->language = "python";
  session->repository = "cpython";
  session->provenance = "generated: " + std::to_string(code->functions) +
                        " functions of this machine's Python standard library, described by their "
                        "own docstrings, which are taken out, and " +
                        std::to_string(pairs) + " pairs of random UUIDs";
  const std::vector<std::size_t> asked = spread(rng, pairs, values);
  for (std::size_t i = 0; i < turns; ++i) {
    if (i % 2 == 0) {
      const PythonFunction& function = code->asked[i / 2];
      session->turns.push_back(ask_for(function, kRepoqaTokens));
      session->turns.back().sub_task = "repoqa";
      session->turns.back().question +=
          "\nRepeat the exact described function from the code above in a code block wrapped by "
          "```:";
      session->needles.push_back({function.name, function.code});
    } else {
      Turn turn;
      turn.sub_task = "kv";
      turn.question =
          "Key: \"" + keys[asked[i / 2]] + "\"\nThe value associated with the specified key is: ";
      turn.answers = {held[asked[i / 2]]};
      turn.evidence = {wishes.inserts[asked[i / 2]]};
      turn.max_new_tokens = kKvTokens;
      session->turns.push_back(std::move(turn));
    }
  }
  return session;
}

PlainText plain(const Turn& turn) {
  if (turn.sub_task == "repoqa") {
    Turn described = turn;
    described.question.resize(std::min(turn.question.find("\nRepeat"), turn.question.size()));
    return plain_function(described);
  }
  const std::size_t begin = turn.question.find('"');
  const std::size_t end = turn.question.find('"', begin + 1);
  if (begin == std::string::npos || end == std::string::npos) {
    return {turn.question + "\n", turn.answers.front(), "\n\n\n", {"\n"}};
  }
  return {turn.question.substr(begin, end + 1 - begin) + ": \"",
          turn.answers.front(),
          "\"\n\n\n",
          {"\""}};
}

}  // namespace

TaskEntry repoqa_and_kv_task() {
  TaskEntry task;
  task.name = "repoqa_and_kv";
  task.paper_name = "Mix.RepoQA+KV";
  task.sentence = "functions by their description and values by their key, in turns";
  task.source = "Li et al., SCBench, 2024";
  task.capability = Capability::kMultiTasking;
  task.max_new_tokens = kRepoqaTokens + kKvTokens;
  task.sub_tasks = {{"repoqa", kRepoqaTokens}, {"kv", kKvTokens}};
  task.made_of = "Python's standard library (/usr/lib/python3.*) and random UUIDs";
  task.plain = plain;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
