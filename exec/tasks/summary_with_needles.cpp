// Mix.Sum+NIAH: summaries of documents, and pass keys hidden between them, in turns. Documents and
// references are those of summary.cpp; in which order SCBench mixes the two is not known: here they
// alternate. A pass key is 5 digits and belongs to a named thing, so that each turn has its own.
#include <array>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/manual_pages.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kSummaryTokens = 800, kPasskeyTokens = 15;
constexpr std::array<std::string_view, 24> kThings = {
    "garden", "harbour", "library", "museum",  "bakery",  "castle",  "airport",  "theatre",
    "market", "school",  "bridge",  "factory", "chapel",  "station", "vineyard", "lighthouse",
    "prison", "stadium", "hotel",   "orchard", "brewery", "farm",    "hospital", "embassy"};

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("summary_with_needles", request);
  if (!session) return session.error();
  if (material.manual.empty()) {
    return missing_material("summary_with_needles", "English manual pages",
                            "install the package manpages");
  }
  const auto turns = static_cast<std::size_t>(request.turns);
  const std::size_t summaries = (turns + 1) / 2, keys = turns / 2;
  if (keys > kThings.size()) {
    return Error{"summary_with_needles has " + std::to_string(kThings.size()) +
                 " different pass keys; " + std::to_string(keys) + " were asked for"};
  }
  Rng rng(request.seed, "exec.tasks.summary_with_needles", request.session);
  std::vector<std::string_view> things(kThings.begin(), kThings.end());
  shuffle(rng, things);
  std::vector<std::string> digits;
  PageWishes wishes;
  wishes.task = "summary_with_needles";
  wishes.folder = material.manual;
  wishes.least_pages = summaries;
  for (std::size_t i = 0; i < keys; ++i) {
    digits.push_back(draw_digits(rng, 5));
    wishes.inserts.push_back("The pass key of the " + std::string(things[i]) + " is " + digits[i] +
                             ". Remember it.");
  }
  Expected<PageContext> pages = fill_with_pages(wishes, request, count, rng);
  if (!pages) return pages.error();

  session->context = pages->text;
  session->provenance = "generated: " + std::to_string(pages->names.size()) +
                        " manual pages of this machine, cut to length, their NAME lines the "
                        "references, and " +
                        std::to_string(keys) + " pass keys between them";
  const std::vector<std::size_t> page = spread(rng, pages->names.size(), summaries);
  const std::vector<std::size_t> key = spread(rng, keys, keys);
  for (std::size_t i = 0; i < turns; ++i) {
    Turn turn;
    if (i % 2 == 0) {
      const std::size_t at = page[i / 2];
      turn.sub_task = "summary";
      turn.question = "Please summarize the manual page " + pages->names[at] + " in one sentence.";
      turn.answers = {pages->summaries[at]};
      turn.opening = pages->names[at] + " -";
      turn.evidence = {pages->bodies[at]};
      turn.max_new_tokens = kSummaryTokens;
    } else {
      const std::size_t at = key[i / 2];
      turn.sub_task = "passkey";
      turn.question = "What is the pass key of the " + std::string(things[at]) + "?";
      turn.answers = {digits[at]};
      turn.opening = "The pass key of the " + std::string(things[at]) + " is";
      turn.evidence = {wishes.inserts[at]};
      turn.max_new_tokens = kPasskeyTokens;
    }
    session->turns.push_back(std::move(turn));
  }
  return session;
}

PlainText plain(const Turn& turn) {
  if (turn.opening.empty()) {
    return {"\n\n" + turn.question + "\n", turn.answers.front(), "\n", {"\n\n"}};
  }
  const std::string record = turn.sub_task == "summary" ? "\n\nNAME\n" : "\n\n";
  return {record + turn.opening, " " + turn.answers.front(), "\n", {"\n"}};
}

}  // namespace

TaskEntry summary_with_needles_task() {
  TaskEntry task;
  task.name = "summary_with_needles";
  task.paper_name = "Mix.Sum+NIAH";
  task.sentence = "summaries of documents and pass keys hidden between them, in turns";
  task.source = "Li et al., SCBench, 2024";
  task.capability = Capability::kMultiTasking;
  task.max_new_tokens = kSummaryTokens + kPasskeyTokens;
  task.sub_tasks = {{"summary", kSummaryTokens}, {"passkey", kPasskeyTokens}};
  task.made_of = "manual pages (/usr/share/man) and random pass keys";
  task.plain = plain;
  task.generate = generate;
  return task;
}

}  // namespace scsim::exec
