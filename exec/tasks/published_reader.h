// SCBench's published sessions, from JSON lines (plain or .zst), one session a line.
//
//   Expected<std::vector<TaskSession>> sessions = read_published("scbench_kv.jsonl", "kv");
//
// Two forms are told apart by their fields:
//   official       {"id", "context" (or "input"), "multi_turns": [{"input", "answer", ...}]}; the
//                  context may be a list of numbers (mf), an answer a string, a number or a list
//   preprocessed   {"prompts": [context with its instruction, query, ...], "ground_truth": [...]}
//                  (which sub-task a turn of a mixed task is, it does not say: told by the answer,
//                  digits alone a passkey, 36 characters without a space a value)
//
// The hub has the first as data/NAME.jsonl, and both as Parquet, which is not read here. To
// convert:
//   python3 -c "import pandas, sys; pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2],
//               orient='records', lines=True, force_ascii=False)" test-0.parquet scbench_kv.jsonl
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exec/tasks/task_session.h"
#include "traces/expected.h"

namespace scsim::exec {

// `most`: sessions to read, 0 for all. An error names file and line.
Expected<std::vector<TaskSession>> read_published(const std::string& path, std::string_view task,
                                                  std::size_t most = 0);

}  // namespace scsim::exec
