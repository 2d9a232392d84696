// Expected correct answers: how many of a run's answers within the SLO are right, given how right
// the methods that gave them were measured to be.
//
//   Answers answers = expected_answers(result, window, profile, method_of);
//   set_intervals(answers, {redrawn(answers, profile, 1), redrawn(answers, profile, 2), ...});
//
// An answer's chance is the accuracy measured for its model and method at its task, mode, turn and
// length of context (cost_models/fit: accuracy_at, so between measured lengths, and 10 % beyond
// them, as a prompt is a context and a question):
//   * in a session whose prompts contain its earlier turns, at that turn, mode multi_turn;
//   * where each prompt stands alone, of methods whose caches are exact, mode multi_request at that
//     turn; of others, which compress with the question in view, as a first turn;
//   * on a lossy cache of most of the prompt that another session left, mode multi_request, first
//     turn: compressed with no question of its own in view.
// Recomputing after a preemption changes nothing. Where nothing was measured the request is left
// out and its task is listed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/window.h"
#include "traces/profile.h"
#include "traces/result.h"

namespace scsim::analysis {

// Which method answered a request.
struct AnsweredBy {
  std::string text;          // "full", "snapkv:budget=1024"
  std::optional<int> place;  // in the profile's methods; absent: not measured there
  bool exact = true;         // its caches are what full attention leaves
};
using MethodOf = std::function<AnsweredBy(const RequestResult&)>;

struct AnswerGroup {
  std::string name;
  std::int64_t requests = 0;  // in the window, of measured tasks
  std::int64_t within = 0;    // of those, finished within their targets
  std::vector<double> cells;  // of those, how many stand on each accuracy cell of the profile
  double correct = 0;         // of those, expected
  double per_gpu_hour = 0;    // correct, over the GPU hours of the whole cluster
  double low = 0, high = 0;   // of that, 95 %
};

struct Answers {
  double gpu_hours = 0;           // of the window
  std::optional<double> dollars;  // of the window, if every engine has a price
  AnswerGroup all;
  std::vector<AnswerGroup> methods, tenants;     // by name
  std::map<std::string, std::int64_t> left_out;  // requests, by task and method
  bool costs_drawn = false;  // whether the interval has the error of costs in it too
};

// With accuracies as measured. Cost: one look at each request.
Answers expected_answers(const Result& result, const Window& window, const Profile& profile,
                         const MethodOf& method_of);
// The same answers, each accuracy cell drawn from what its sessions leave open (a beta distribution
// after Jeffreys' prior); a number always gives the same ones, 0 those measured. Cost: one look at
// each cell.
Answers redrawn(Answers answers, const Profile& profile, std::uint64_t draw);
// Intervals out of draws of the same run, or of runs at drawn costs.
void set_intervals(Answers& answers, const std::vector<Answers>& draws);

// For the terminal; the second is a table by method and tenant, empty where there is one of each.
std::string answers_text(const Answers& answers);
std::string answers_table(const Answers& answers);

}  // namespace scsim::analysis
