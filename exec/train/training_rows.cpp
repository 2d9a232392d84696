#include "exec/train/training_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "exec/session/encode_session.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

struct Row {
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> answer_begins, answer_tokens;
};

Row row_of(const TokenSession& session) {
  Row row;
  const auto append = [&](const std::vector<std::int32_t>& tokens) {
    row.tokens.insert(row.tokens.end(), tokens.begin(), tokens.end());
  };
  for (const TokenTurn& turn : session.turns) {
    append(turn.prompt);
    row.answer_begins.push_back(std::ssize(row.tokens));
    row.answer_tokens.push_back(std::ssize(turn.golden));
    append(turn.golden);
    append(turn.closing);
  }
  return row;
}

at::Tensor tensor_of(const std::vector<std::int64_t>& values) {
  at::Tensor tensor = at::empty({std::ssize(values)}, at::kLong);
  std::ranges::copy(values, tensor.mutable_data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace

Expected<TrainingRows> draw_rows(const RowsWanted& wanted, const Tokenizer& tokenizer) {
  const Expected<TaskEntry> task = find_task(wanted.task);
  if (!task) return task.error();
  // Each character of symbols is a token.
  const CountTokens count = [](std::string_view text) { return std::ssize(text); };
  std::vector<Row> rows;
  std::int64_t tokens = 0, longest = 0;
  do {
    const Expected<TaskSession> session = generate_session(
        *task, PromptStyle::kSymbols,
        {.tokens = wanted.length,
         .turns = wanted.turns,
         .seed = wanted.seed,
         .session = wanted.first_session + static_cast<std::uint64_t>(rows.size())},
        {}, count);
    if (!session) return session.error();
    const Expected<EncodedSession> encoded =
        encode_session(*session, tokenizer, nullptr,
                       {.style = PromptStyle::kSymbols,
                        .mode = SessionMode::kMultiTurn,
                        .golden_answers = true,
                        .max_sequence = std::numeric_limits<std::int64_t>::max()});
    if (!encoded) return encoded.error();
    rows.push_back(row_of(encoded->tokens));
    tokens += std::ssize(rows.back().tokens);
    longest = std::max(longest, std::ssize(rows.back().tokens));
  } while (tokens < wanted.tokens);

  TrainingRows all;
  all.tokens = at::zeros({std::ssize(rows), longest}, at::kLong);
  std::vector<std::int64_t> asked, targets;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const Row& row = rows[r];
    const std::int64_t first = static_cast<std::int64_t>(r) * longest;
    std::ranges::copy(row.tokens, all.tokens.mutable_data_ptr<std::int64_t>() + first);
    for (std::size_t a = 0; a < row.answer_begins.size(); ++a) {
      all.answers.push_back(row.answer_tokens[a]);
      for (std::int64_t i = 0; i < row.answer_tokens[a]; ++i) {
        const std::int64_t at = row.answer_begins[a] + i;
        asked.push_back(first + at - 1);
        targets.push_back(row.tokens[static_cast<std::size_t>(at)]);
      }
    }
  }
  all.asked = tensor_of(asked);
  all.targets = tensor_of(targets);
  return all;
}

std::int64_t count_right(const TrainingRows& rows, const at::Tensor& predicted) {
  const at::Tensor right = predicted.eq(rows.targets).contiguous();
  const bool* at = right.const_data_ptr<bool>();
  std::int64_t count = 0;
  for (const std::int64_t tokens : rows.answers) {
    count += std::all_of(at, at + tokens, [](bool token) { return token; });
    at += tokens;
  }
  return count;
}

}  // namespace scsim::exec
