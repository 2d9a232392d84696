// En.MultiChoice: questions about a book with four answers to choose from. The text is that of
// qa_eng; the wrong answers are three of the other places.
#include <algorithm>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/story_facts.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 40;

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("choice_eng", request);
  if (!session) return session.error();
  Expected<StoryContext> story = tell_stories("choice_eng", request, material, count);
  if (!story) return story.error();
  session->context = story->text;
  session->provenance = story->provenance;
  Rng rng(request.seed, "exec.tasks.choice_eng.options", request.session);
  for (const AskedPerson& person : story->asked) {
    Turn turn;
    turn.question = "Where is " + person.name + "?";
    turn.answers = {person.place};
    turn.evidence = {person.fact};
    std::vector<std::string> wrong;
    for (const std::string_view place : kPlaces) {
      if (place != person.place) wrong.emplace_back(place);
    }
    shuffle(rng, wrong);
    turn.options = {person.place, wrong[0], wrong[1], wrong[2]};
    shuffle(rng, turn.options);
    turn.max_new_tokens = kMaxNewTokens;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

std::string block(const Turn& turn, std::string_view last_line) {
  std::string text = "Question: " + turn.question;
  char letter = 'A';
  for (const std::string& option : turn.options)
    text += "\n" + std::string(1, letter++) + ". " + option;
  return text + "\n\n" + std::string(last_line);
}

std::string query(const TaskSession& session, const PromptOptions& options, std::size_t turn) {
  const bool other_words = options.mode == SessionMode::kMultiTurn && turn > 0 && !options.chat &&
                           options.golden_answers;
  return block(session.turns[turn],
               other_words ? "The letter of the correct answer is" : "The the correct answer is");
}

// The letter, whichever of the two the data have.
PlainText plain(const Turn& turn) {
  const auto at = std::ranges::find(turn.options, turn.answers.front());
  const std::string letter =
      at == turn.options.end()
          ? turn.answers.front()
          : std::string(1, static_cast<char>('A' + (at - turn.options.begin())));
  return {"\n" + block(turn, "Answer:"), " " + letter, "\n", {"\n"}};
}

}  // namespace

TaskEntry choice_eng_task() {
  TaskEntry task;
  task.name = "choice_eng";
  task.paper_name = "En.MultiChoice";
  task.sentence = "questions about a book with four answers to choose from";
  task.source = "Zhang et al., InfiniteBench, 2024; generated as Kuratov et al., BABILong, 2024";
  task.capability = Capability::kSemanticRetrieval;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "bAbI's facts in the verses of a public-domain book (SCSIM_DATA)";
  task.released.before_context = [](const TaskSession&, const PromptOptions&) {
    return std::string("Read the book and answer the question.");
  };
  task.released.query = query;
  task.plain = plain;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
