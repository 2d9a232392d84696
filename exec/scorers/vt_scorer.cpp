// Variable tracking: which variables hold the value?
#include <algorithm>
#include <set>

#include "exec/scorers/overlap.h"
#include "exec/scorers/required.h"
#include "exec/scorers/unicode_text.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

// Counts names inside longer words and in any case, and forgives every name too many.
Expected<double> compat(const ScoredTurn& turn) {
  if (const auto answer = required_answer("vt", turn); !answer) return answer.error();
  const std::string prediction = lower_case(turn.prediction);
  double found = 0;
  for (const std::string& name : turn.answers) {
    if (prediction.find(lower_case(name)) != std::string::npos) ++found;
  }
  return parse_double(format_fixed(found / static_cast<double>(turn.answers.size()), 2));
}

// Names are words; what is named wrongly is what looks like a name: as long as one of the answers
// and all in capitals.
Expected<double> strict(const ScoredTurn& turn) {
  if (const auto answer = required_answer("vt", turn); !answer) return answer.error();
  const std::set<std::string> expected(turn.answers.begin(), turn.answers.end());
  std::set<std::string> named;
  std::string word;
  const auto finish_word = [&] {
    const bool capitals = std::ranges::all_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
    const bool like_a_name =
        capitals && std::ranges::any_of(expected, [&](const std::string& name) {
          return name.size() == word.size();
        });
    if (like_a_name || expected.contains(word)) named.insert(word);
    word.clear();
  };
  for (const char32_t c : code_points(turn.prediction)) {
    if (joins_words(c)) {
      word += to_utf8({&c, 1});
    } else if (!word.empty()) {
      finish_word();
    }
  }
  if (!word.empty()) finish_word();
  return f1_of_overlap(std::vector<std::string>(named.begin(), named.end()),
                       std::vector<std::string>(expected.begin(), expected.end()));
}

}  // namespace

ScorerEntry vt_scorer() {
  return {.name = "vt",
          .sentence = "the variables that hold the value are named, and no others",
          .source = "SCBench (arXiv 2412.10319), after RULER (arXiv 2404.06654)",
          .scbench_compat = compat,
          .strict = strict,
          .subtasks = {}};
}

}  // namespace scsim::exec
