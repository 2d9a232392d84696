// Find the largest, second largest, ... of many integers.
#include "exec/scorers/numbers.h"
#include "exec/scorers/required.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

Expected<std::int64_t> right_number(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("mf", turn);
  if (!answer) return answer.error();
  const Expected<std::int64_t> number = parse_integer(answer.value());
  if (!number) return Error{"mf: the answer is not an integer: " + number.error().message};
  return number;
}

// The sign and the fraction are dropped, and digits inside a word count: "2nd" is 2.
Expected<double> compat(const ScoredTurn& turn) {
  const Expected<std::int64_t> right = right_number(turn);
  if (!right) return right.error();
  const std::optional<std::int64_t> number = leading_integer(turn.prediction);
  return number && *number == right.value() ? 1 : 0;
}

Expected<double> strict(const ScoredTurn& turn) {
  const Expected<std::int64_t> right = right_number(turn);
  if (!right) return right.error();
  const std::vector<std::string> numbers = numbers_in(turn.prediction);
  return !numbers.empty() && numbers[0] == std::to_string(right.value()) ? 1 : 0;
}

}  // namespace

ScorerEntry mf_scorer() {
  return {.name = "mf",
          .sentence = "the first number of the prediction is the one asked for",
          .source = "SCBench (arXiv 2412.10319), after InfiniteBench (arXiv 2402.13718)",
          .scbench_compat = compat,
          .strict = strict,
          .subtasks = {}};
}

}  // namespace scsim::exec
