// Code.RepoQA: find a function by a description of what it does and repeat it. SCBench has
// repositories in six languages and descriptions by GPT-4; here it is Python's standard library,
// described by its own docstrings, which are taken out of the code.
#include "exec/tasks/fill.h"
#include "exec/tasks/python_functions.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 1024;

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("repoqa", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.repoqa", request.session);
  const CodeWishes wishes{
      .task = "repoqa", .asked = static_cast<std::size_t>(request.turns), .inserts = {}};
  Expected<CodeContext> code = fill_with_functions(wishes, request, material, count, rng);
  if (!code) return code.error();
  session->context = code->text;
  session->language = "python";
  session->repository = "cpython";
  session->provenance = "generated: " + std::to_string(code->functions) +
                        " functions of this machine's Python standard library, described by their "
                        "own docstrings, which are taken out";
  for (const PythonFunction& function : code->asked) {
    session->turns.push_back(ask_for(function, kMaxNewTokens));
    session->needles.push_back({function.name, function.code});
  }
  return session;
}

}  // namespace

TaskEntry repoqa_task() {
  TaskEntry task;
  task.name = "repoqa";
  task.paper_name = "Code.RepoQA";
  task.sentence = "the function of a repository that does what is described";
  task.source = "Liu et al., RepoQA, 2024";
  task.capability = Capability::kSemanticRetrieval;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "Python's standard library (/usr/lib/python3.*)";
  task.released.before_context = [](const TaskSession&, const PromptOptions&) {
    return std::string(
        "Based on the function description and code context, please retrieve and repeat the exact "
        "described function from the code context in a code block wrapped by ```:");
  };
  task.plain = plain_function;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
