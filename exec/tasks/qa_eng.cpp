// En.QA: questions about a book. SCBench has novels with renamed people; here facts about renamed
// people stand in a book (story_facts.h), and the question is where somebody is at the end.
#include "exec/tasks/fill.h"
#include "exec/tasks/story_facts.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 40;

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("qa_eng", request);
  if (!session) return session.error();
  Expected<StoryContext> story = tell_stories("qa_eng", request, material, count);
  if (!story) return story.error();
  session->context = story->text;
  session->provenance = story->provenance;
  for (const AskedPerson& person : story->asked) {
    Turn turn;
    turn.question = "Where is " + person.name + "?";
    turn.answers = {person.place};
    turn.opening = person.name + " is in the";
    turn.evidence = {person.fact};
    turn.max_new_tokens = kMaxNewTokens;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

PlainText plain(const Turn& turn) {
  const std::string opening = turn.opening.empty() ? "" : " " + turn.opening;
  return {"\nQuestion: " + turn.question + "\nAnswer:" + opening,
          " " + turn.answers.front(),
          "\n",
          {"\n"}};
}

}  // namespace

TaskEntry qa_eng_task() {
  TaskEntry task;
  task.name = "qa_eng";
  task.paper_name = "En.QA";
  task.sentence = "questions about a book, to be answered in a few words";
  task.source = "Zhang et al., InfiniteBench, 2024; generated as Kuratov et al., BABILong, 2024";
  task.capability = Capability::kSemanticRetrieval;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "bAbI's facts in the verses of a public-domain book (SCSIM_DATA)";
  task.released.before_context = [](const TaskSession&, const PromptOptions&) {
    return std::string("Read the book and answer the question. Be very concise in your answer.");
  };
  task.released.query = [](const TaskSession& session, const PromptOptions&, std::size_t turn) {
    return "Question: " + session.turns[turn].question + "\nAnswer:";
  };
  task.plain = plain;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
