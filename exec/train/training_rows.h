// Sessions as rows of tokens to learn from: exactly what a multi-turn run of them with golden
// answers feeds a model, and where in it the answers stand.
//
//   context question answer question answer ...        of session k
//                    ^^^^^^          ^^^^^^            what is learnt
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "exec/text/tokenizer.h"
#include "traces/expected.h"

namespace scsim::exec {

struct RowsWanted {
  std::string task;
  std::int64_t length = 0;  // tokens of each context
  int turns = 1;
  std::int64_t tokens = 0;  // of all rows together: sessions are added until there are as many
  std::uint64_t seed = 1;
  std::uint64_t first_session = 0;  // of this seed; the others follow it
};

struct TrainingRows {
  at::Tensor tokens;   // [rows, longest row] int64; behind a row's end is token 0
  at::Tensor asked;    // [n] int64: places in tokens.flatten() behind which an answer's token comes
  at::Tensor targets;  // [n] int64: those tokens
  std::vector<std::int64_t> answers;  // of each answer how many of the n are its own, in order
};

// The error is the task's: what does not fit into `length`.
Expected<TrainingRows> draw_rows(const RowsWanted& wanted, const Tokenizer& tokenizer);

// How many answers are right in every token, as greedy decoding would have them. `predicted` [n].
std::int64_t count_right(const TrainingRows& rows, const at::Tensor& predicted);

}  // namespace scsim::exec
