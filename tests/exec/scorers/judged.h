// Scores written short, for tests.
//
//   CHECK(strict("kv", "It is abc.", {"abc"}) == 1);
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exec/scorers/scorer.h"

namespace scsim::exec {

using Texts = std::vector<std::string>;

inline double judged(ScoreRule rule, std::string_view task, std::string_view prediction,
                     const Texts& answers, const Texts& options = {},
                     std::string_view subtask = {}) {
  return score(task, rule,
               {.prediction = prediction, .answers = answers, .options = options, .task = subtask})
      .value();
}

inline double compat(std::string_view task, std::string_view prediction, const Texts& answers,
                     const Texts& options = {}, std::string_view subtask = {}) {
  return judged(ScoreRule::kScbenchCompat, task, prediction, answers, options, subtask);
}

inline double strict(std::string_view task, std::string_view prediction, const Texts& answers,
                     const Texts& options = {}, std::string_view subtask = {}) {
  return judged(ScoreRule::kStrict, task, prediction, answers, options, subtask);
}

}  // namespace scsim::exec
