// Code.RepoQA: find and repeat the function that a description means. RepoQA has repositories in
// six languages and descriptions by GPT-4. Here: functions of Python's standard library without
// their docstrings, whose first paragraphs are the descriptions.
#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/repoqa_context.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 1024;

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("repoqa", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.repoqa", request.session);
  Expected<RepositoryContext> context =
      fill_with_functions("repoqa", request, material, count, request.turns, {}, rng);
  if (!context) return context.error();
  session->context = context->text;
  session->language = "python";
  session->repository = "python standard library";
  session->provenance = "generated: " + std::to_string(context->functions.size()) +
                        " functions of Python's standard library without their docstrings, which "
                        "are the descriptions";
  for (const std::size_t i :
       spread(rng, context->functions.size(), static_cast<std::size_t>(request.turns))) {
    session->turns.push_back(ask_for_function(context->functions[i], kMaxNewTokens));
    session->needles.push_back(needle_of(context->functions[i]));
  }
  return session;
}

}  // namespace

TaskEntry repoqa_task() {
  TaskEntry task;
  task.name = "repoqa";
  task.paper_name = "Code.RepoQA";
  task.sentence = "find and repeat the function that a description means";
  task.source = "Liu et al., RepoQA, 2024";
  task.capability = Capability::kSemanticRetrieval;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "functions of Python's standard library and their docstrings";
  task.released.before_context = [](const TaskSession&, const PromptOptions&) {
    return repoqa_instruction();
  };
  task.plain = plain_function;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
