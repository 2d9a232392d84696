// The one string of a list that has a prefix and a suffix: judged as a value is.
#include "exec/scorers/scorer.h"

namespace scsim::exec {

ScorerEntry prefix_suffix_scorer() {
  return {.name = "prefix_suffix",
          .sentence = "the string asked for is in the prediction",
          .source = "SCBench (arXiv 2412.10319)",
          .scbench_compat =
              [](const ScoredTurn& turn) { return score("kv", ScoreRule::kScbenchCompat, turn); },
          .strict = [](const ScoredTurn& turn) { return score("kv", ScoreRule::kStrict, turn); },
          .subtasks = {}};
}

}  // namespace scsim::exec
