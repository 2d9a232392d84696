// Summaries and passkeys hidden between the documents, turn about.
#include <algorithm>

#include "exec/scorers/numbers.h"
#include "exec/scorers/required.h"

namespace scsim::exec {
namespace {

const std::vector<std::string> kSubtasks = {"summary", "passkey"};

std::int64_t count_digits(std::string_view number) {
  return std::ranges::count_if(number, [](char c) { return c >= '0' && c <= '9'; });
}

Expected<double> compat(const ScoredTurn& turn) {
  const auto subtask = required_subtask("summary_with_needles", kSubtasks, turn);
  if (!subtask) return subtask.error();
  if (subtask.value() == "summary") return score("summary", ScoreRule::kScbenchCompat, turn);
  const Expected<std::string> answer = required_answer("passkey", turn);
  if (!answer) return answer.error();
  return first_digit_run(turn.prediction) == answer.value() ? 1 : 0;
}

// A number as long as the answer: so that "the key in document 3 is 71432" answers with 71432.
Expected<double> strict(const ScoredTurn& turn) {
  const auto subtask = required_subtask("summary_with_needles", kSubtasks, turn);
  if (!subtask) return subtask.error();
  if (subtask.value() == "summary") return score("summary", ScoreRule::kStrict, turn);
  const Expected<std::string> answer = required_answer("passkey", turn);
  if (!answer) return answer.error();
  const std::vector<std::string> right = numbers_in(answer.value());
  if (right.size() != 1) {
    return Error{"passkey: the answer \"" + answer.value() + "\" is not a number"};
  }
  for (const std::string& number : numbers_in(turn.prediction)) {
    if (count_digits(number) == count_digits(right[0])) return number == right[0] ? 1 : 0;
  }
  return 0;
}

}  // namespace

ScorerEntry summary_with_needles_scorer() {
  return {.name = "summary_with_needles",
          .sentence = "ROUGE-Lsum F1 of summaries; of passkeys, the number itself",
          .source = "SCBench (arXiv 2412.10319)",
          .scbench_compat = compat,
          .strict = strict,
          .subtasks = kSubtasks};
}

}  // namespace scsim::exec
