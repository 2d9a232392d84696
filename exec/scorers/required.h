// What a scorer needs of a turn, or the sentence that says it is missing.
#pragma once

#include <string>
#include <string_view>

#include "exec/scorers/scorer.h"

namespace scsim::exec {

// The first of the turn's answers.
Expected<std::string> required_answer(std::string_view task, const ScoredTurn& turn);

// The turn's sub-task where it is one of `subtasks`.
Expected<std::string> required_subtask(std::string_view task,
                                       const std::vector<std::string>& subtasks,
                                       const ScoredTurn& turn);

}  // namespace scsim::exec
