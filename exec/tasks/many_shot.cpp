// ICL.ManyShot: worked examples of one task of BIG-bench (date understanding, translation errors,
// seven shuffled objects; session by session in turn), and new ones to answer by a letter.
#include <algorithm>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"
#include "exec/tasks/task.h"
#include "traces/file_tree.h"
#include "traces/json_rows.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 10;
constexpr std::string_view kSources[] = {"bbh/date_understanding.json",
                                         "bbh/salient_translation_error_detection.json",
                                         "bbh/tracking_shuffled_objects_seven_objects.json"};

struct Example {
  std::string input, letter;
};

Expected<std::vector<Example>> read_examples(const std::string& archive, std::string_view name) {
  auto files = read_file_tree(archive, [&](std::string_view known) { return known == name; });
  if (!files) return files.error();
  JsonText parser;
  Expected<JsonValue> document = parser.parse((*files)[std::string(name)]);
  if (!document) return Error{archive + ", " + std::string(name) + ": " + document.error().message};
  Expected<JsonValue> rows = required_field(*document, "examples");
  if (!rows) return Error{archive + ", " + std::string(name) + ": " + rows.error().message};
  std::vector<Example> examples;
  for (const JsonValue& row : rows->items()) {
    Expected<std::string> input = string_field(row, "input");
    if (!input) return input.error();
    Expected<std::string> target = string_field(row, "target");
    if (!target) return target.error();
    if (target->size() == 3) examples.push_back({*input, target->substr(1, 1)});  // "(B)"
  }
  return examples;
}

// The texts behind "(A) ", "(B) ", ...
std::vector<std::string> options_of(const std::string& input) {
  std::vector<std::string> options;
  for (const std::string& line : split(input, '\n')) {
    if (line.size() > 4 && line[0] == '(' && line[2] == ')') options.push_back(line.substr(4));
  }
  return options;
}

Expected<TaskSession> generate(const GenerateRequest& request, const Material& material,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("many_shot", request);
  if (!session) return session.error();
  const std::string remedy = "SCSIM_DATA names a folder with eval/bbh/bbh_27_tasks.tar.zst";
  if (material.data.empty()) return missing_material("many_shot", "BIG-Bench Hard", remedy);
  const std::string_view source = kSources[request.session % std::size(kSources)];
  auto examples = read_examples(material.data + "/bbh/bbh_27_tasks.tar.zst", source);
  if (!examples) return Error{examples.error().message + "; " + remedy};
  Rng rng(request.seed, "exec.tasks.many_shot", request.session);
  shuffle(rng, *examples);
  const auto turns = static_cast<std::size_t>(request.turns);
  if (turns >= examples->size()) return Error{"many_shot: more turns than examples"};
  const std::size_t shots = examples->size() - turns;  // the last are asked
  const auto record = [&](std::size_t i) {
    return (*examples)[i].input + "\nAnswer: " + (*examples)[i].letter + "\n\n";
  };
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < shots; ++i) sizes.push_back(count(record(i)));
  const std::vector<std::size_t> order = packed_order(sizes, request.tokens);
  const auto build = [&](std::int64_t n) {
    std::string text;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) text += record(order[i]);
    return text;
  };
  const Fill what{.task = "many_shot",
                  .records = "examples",
                  .least = 1,
                  .available = static_cast<std::int64_t>(shots),
                  .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance =
      "generated: " + std::to_string(*n) + " examples of BIG-Bench Hard, " + std::string(source);
  for (std::size_t i = 0; i < turns; ++i) {
    const Example& asked = (*examples)[shots + i];
    Turn turn;
    turn.question = asked.input + "\nAnswer:";
    turn.answers = {asked.letter};
    turn.options = options_of(asked.input);
    turn.max_new_tokens = kMaxNewTokens;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

PlainText plain(const Turn& turn) {
  return {turn.question, " " + turn.answers.front(), "\n\n", {"\n"}};
}

}  // namespace

TaskEntry many_shot_task() {
  TaskEntry task;
  task.name = "many_shot";
  task.paper_name = "ICL.ManyShot";
  task.sentence = "a new example like many worked ones, answered by a letter";
  task.source = "Suzgun et al., BIG-Bench Hard, 2022; Li et al., SCBench, 2024";
  task.capability = Capability::kGlobalInformation;
  task.max_new_tokens = kMaxNewTokens;
  task.answers_in_context = false;
  task.made_of = "BIG-Bench Hard (SCSIM_DATA)";
  task.plain = plain;
  task.generate = generate;
  task.generate_in_symbols = many_shot_in_symbols;
  return task;
}

}  // namespace scsim::exec
