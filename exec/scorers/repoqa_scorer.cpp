// Code retrieval: is the code of the prediction the function that was described?
#include "exec/scorers/code_answer.h"

namespace scsim::exec {
namespace {

constexpr double kEnoughAlike = 0.8;  // the threshold SCBench reports

Expected<double> judge(const ScoredTurn& turn, CodeRule rule) {
  const Expected<CodeLanguage> language = parse_code_language(turn.language);
  if (!language) return Error{"repoqa: " + language.error().message};
  bool known = false;
  for (const Needle& needle : turn.needles) known |= needle.name == turn.function_name;
  if (!known) {
    return Error{"repoqa: the function asked for, \"" + std::string(turn.function_name) +
                 "\", is none of the repository's needles"};
  }
  const CodeAnswer answer =
      judge_code(turn.prediction, turn.needles, turn.function_name, language.value(), rule);
  return answer.asked_is_best && answer.similarity >= kEnoughAlike ? 1 : 0;
}

}  // namespace

ScorerEntry repoqa_scorer() {
  return {.name = "repoqa",
          .sentence = "the function described is the needle most like the code, and much like it",
          .source = "SCBench (arXiv 2412.10319), after RepoQA (arXiv 2406.06025)",
          .scbench_compat = [](const ScoredTurn& turn) { return judge(turn, CodeRule::kScbench); },
          .strict = [](const ScoredTurn& turn) { return judge(turn, CodeRule::kStrict); },
          .subtasks = {}};
}

}  // namespace scsim::exec
