// Multiple choice on an English book.
#include <algorithm>

#include "exec/scorers/option_answer.h"
#include "exec/scorers/required.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::size_t kMostOptions = 26;

// Which option is right; the answer is its text or its letter.
Expected<std::size_t> right_option(const ScoredTurn& turn) {
  const Expected<std::string> answer = required_answer("choice_eng", turn);
  if (!answer) return answer.error();
  if (turn.options.empty() || turn.options.size() > kMostOptions) {
    return Error{"choice_eng: a turn needs 1 to 26 options, and this one has " +
                 format_integer(static_cast<std::int64_t>(turn.options.size()))};
  }
  const auto text = std::ranges::find(turn.options, answer.value());
  if (text != turn.options.end()) return static_cast<std::size_t>(text - turn.options.begin());
  const std::string& letter = answer.value();
  if (letter.size() == 1 && letter[0] >= 'A') {
    const auto index = static_cast<std::size_t>(letter[0] - 'A');
    if (index < turn.options.size()) return index;
  }
  return Error{"choice_eng: the answer \"" + letter +
               "\" is none of the options, nor one's letter"};
}

Expected<double> compat(const ScoredTurn& turn) {
  const Expected<std::size_t> right = right_option(turn);
  if (!right) return right.error();
  const char letter = static_cast<char>('A' + right.value());
  return scbench_choice_is_right(turn.prediction, turn.options[right.value()], letter) ? 1 : 0;
}

Expected<double> strict(const ScoredTurn& turn) {
  const Expected<std::size_t> right = right_option(turn);
  if (!right) return right.error();
  const std::optional<char> meant = meant_option(turn.prediction, turn.options);
  if (!meant) return 0;
  // Two options of the same text are both right.
  return turn.options[static_cast<std::size_t>(*meant - 'A')] == turn.options[right.value()] ? 1
                                                                                             : 0;
}

}  // namespace

ScorerEntry choice_eng_scorer() {
  return {.name = "choice_eng",
          .sentence = "the right one of four options on an English book is meant",
          .source = "SCBench (arXiv 2412.10319), after InfiniteBench (arXiv 2402.13718)",
          .scbench_compat = compat,
          .strict = strict,
          .subtasks = {}};
}

}  // namespace scsim::exec
