// Zh.QA: questions about a Chinese text. SCBench has novels; here it is manual pages in Chinese,
// each beginning with its NAME line, and the question is what a page says it is about.
#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/manual_pages.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 40;

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("qa_chn", request);
  if (!session) return session.error();
  if (material.manual_chn.empty()) {
    return missing_material("qa_chn", "Chinese manual pages", "install the package manpages-zh");
  }
  Rng rng(request.seed, "exec.tasks.qa_chn", request.session);
  PageWishes wishes;
  wishes.task = "qa_chn";
  wishes.folder = material.manual_chn;
  wishes.least_pages = static_cast<std::size_t>(request.turns);
  wishes.show_name = wishes.chinese = true;
  Expected<PageContext> pages = fill_with_pages(wishes, request, count, rng);
  if (!pages) return Error{pages.error().message + " (the package manpages-zh has more)"};

  session->context = pages->text;
  session->provenance = "generated: " + std::to_string(pages->names.size()) +
                        " Chinese manual pages of this machine, cut to length; each page's NAME "
                        "line is what is asked for";
  for (const std::size_t i :
       spread(rng, pages->names.size(), static_cast<std::size_t>(request.turns))) {
    Turn turn;
    turn.question = "手册页 " + pages->names[i] + " 的名称一行是怎样说明它的？";
    turn.answers = {pages->summaries[i]};
    turn.opening = pages->names[i] + " -";
    turn.evidence = {pages->names[i] + " - " + pages->summaries[i]};
    turn.max_new_tokens = kMaxNewTokens;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

PlainText plain(const Turn& turn) {
  if (turn.opening.empty()) {
    return {"\n问题：" + turn.question + "\n答案：", turn.answers.front(), "\n", {"\n"}};
  }
  return {"\n" + turn.opening, " " + turn.answers.front(), "\n", {"\n"}};
}

}  // namespace

TaskEntry qa_chn_task() {
  TaskEntry task;
  task.name = "qa_chn";
  task.paper_name = "Zh.QA";
  task.sentence = "questions about a Chinese text";
  task.source = "Zhang et al., InfiniteBench, 2024";
  task.capability = Capability::kSemanticRetrieval;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "Chinese manual pages (/usr/share/man/zh_CN, more with the package manpages-zh)";
  task.released.before_context = [](const TaskSession&, const PromptOptions&) {
    return std::string("阅读以下书籍然后回答问题。");
  };
  task.released.query = [](const TaskSession& session, const PromptOptions&, std::size_t turn) {
    return "问题：" + session.turns[turn].question + "\n答案：";
  };
  task.plain = plain;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
