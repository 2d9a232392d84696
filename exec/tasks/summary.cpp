// En.Sum: summarise one named document of several. SCBench has arXiv papers and summaries by GPT-4;
// neither is to be had here. Instead: manual pages without their NAME section, whose one line is
// the reference, written by the page's author.
#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/manual_pages.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 200;

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("summary", request);
  if (!session) return session.error();
  if (material.manual.empty()) {
    return missing_material("summary", "English manual pages", "install the package manpages");
  }
  Rng rng(request.seed, "exec.tasks.summary", request.session);
  PageWishes wishes;
  wishes.task = "summary";
  wishes.folder = material.manual;
  wishes.least_pages = static_cast<std::size_t>(request.turns);
  Expected<PageContext> pages = fill_with_pages(wishes, request, count, rng);
  if (!pages) return pages.error();

  session->context = pages->text;
  session->provenance = "generated: " + std::to_string(pages->names.size()) +
                        " manual pages of this machine, cut to length; each page's own NAME line, "
                        "taken out of it, is the reference";
  for (const std::size_t i :
       spread(rng, pages->names.size(), static_cast<std::size_t>(request.turns))) {
    Turn turn;
    turn.question = "Please summarize the manual page " + pages->names[i] + " in one sentence.";
    turn.answers = {pages->summaries[i]};
    turn.opening = pages->names[i] + " -";
    turn.evidence = {pages->bodies[i]};
    turn.max_new_tokens = kMaxNewTokens;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

PlainText plain(const Turn& turn) {
  if (turn.opening.empty()) {
    return {"\n\n" + turn.question + "\n", turn.answers.front(), "\n", {"\n\n"}};
  }
  return {"\n\nNAME\n" + turn.opening, " " + turn.answers.front(), "\n", {"\n"}};
}

}  // namespace

TaskEntry summary_task() {
  TaskEntry task;
  task.name = "summary";
  task.paper_name = "En.Sum";
  task.sentence = "a summary of one named document of several";
  task.source = "Li et al., SCBench, 2024";
  task.capability = Capability::kGlobalInformation;
  task.max_new_tokens = kMaxNewTokens;
  task.answers_in_context = false;
  task.made_of = "manual pages (/usr/share/man); their NAME lines are the references";
  task.released.follow_up_lead = "This paper";
  task.plain = plain;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
