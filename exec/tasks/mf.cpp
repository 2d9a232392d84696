// Math.Find: the largest, second largest, ... number of a long list of up to 3 digits. The six
// questions are InfiniteBench's without the median, and so is what "second largest" means: of the
// distinct values. Either the upper end of the values is drawn from 80 to 100 % of what three
// digits allow or the lower end is lifted by up to 20 %, so that the answers differ. Turns beyond
// the six go on with the fourth, and so on.
#include <algorithm>
#include <array>
#include <set>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 5;
constexpr std::int64_t kLargest = 999;
constexpr std::array<std::string_view, 10> kOrdinals = {"",       "second ", "third ",   "fourth ",
                                                        "fifth ", "sixth ",  "seventh ", "eighth ",
                                                        "ninth ", "tenth "};

struct Asked {
  bool from_the_top;
  std::size_t rank;
};

// The largest, second, third; the smallest, second, third; the fourth of both, the fifth, ...
Asked asked_in(std::size_t turn) {
  if (turn < 6) return {turn < 3, turn % 3};
  return {turn % 2 == 0, turn / 2};
}

std::string write_list(const std::vector<std::int64_t>& numbers, std::size_t n) {
  std::string text = "[";
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(numbers[i]);
  }
  return text + "]";
}

// "the second largest number of the list" of "... The second largest number of the list is".
std::string target_of(const std::string& question) {
  const std::size_t begin = question.find("The ");
  const std::size_t end = question.rfind(" is");
  if (begin == std::string::npos || end == std::string::npos || end <= begin + 4) return "it";
  std::string target = question.substr(begin, end - begin);
  for (char& c : target) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return target;
}

std::string hint(const Turn& turn) { return "What is " + target_of(turn.question) + "?"; }

Expected<TaskSession> generate(const GenerateRequest& request, const Material&,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("mf", request);
  if (!session) return session.error();
  const auto turns = static_cast<std::size_t>(request.turns);
  const std::size_t most_turns = 2 * kOrdinals.size();
  if (turns > most_turns) {
    return Error{"mf has " + std::to_string(most_turns) + " different questions; " +
                 std::to_string(turns) + " turns were asked for"};
  }
  Rng rng(request.seed, "exec.tasks.mf", request.session);
  std::int64_t low = 0, high = kLargest;
  if (rng.chance(0.5)) {
    high -= static_cast<std::int64_t>(rng.below(kLargest / 5 + 1));
  } else {
    low += static_cast<std::int64_t>(rng.below(kLargest / 5 + 1));
  }
  std::vector<std::int64_t> numbers;
  const auto build = [&](std::int64_t n) {
    while (numbers.size() < static_cast<std::size_t>(n)) {
      numbers.push_back(
          low + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(high - low + 1))));
    }
    return write_list(numbers, static_cast<std::size_t>(n));
  };
  // Enough numbers that so many different ones are all but certain to be among them.
  const Fill what{.task = "mf",
                  .records = "numbers",
                  .least = static_cast<std::int64_t>(3 * most_turns),
                  .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance = "generated: " + std::to_string(*n) + " random integers from " +
                        std::to_string(low) + " to " + std::to_string(high);
  const std::set<std::int64_t> distinct(numbers.begin(),
                                        numbers.begin() + static_cast<std::ptrdiff_t>(*n));
  if (distinct.size() < kOrdinals.size()) return Error{"mf: too few different numbers"};
  for (std::size_t i = 0; i < turns; ++i) {
    const Asked asked = asked_in(i);
    const auto rank = static_cast<std::ptrdiff_t>(asked.rank);
    Turn turn;
    turn.question = "You should answer with only one number, no other words. The " +
                    std::string(kOrdinals[asked.rank]) +
                    (asked.from_the_top ? "largest" : "smallest") + " number of the list is";
    turn.answers = {std::to_string(asked.from_the_top ? *std::next(distinct.rbegin(), rank)
                                                      : *std::next(distinct.begin(), rank))};
    turn.max_new_tokens = kMaxNewTokens;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

std::string before_context(const TaskSession& session, const PromptOptions& options) {
  const Turn& first = session.turns.front();
  return options.mode == SessionMode::kMultiRequest ? first.question : hint(first);
}

std::string query(const TaskSession& session, const PromptOptions& options, std::size_t turn) {
  const Turn& asked = session.turns[turn];
  if (options.mode == SessionMode::kMultiRequest) return hint(asked) + "\n\n" + asked.question;
  if (turn == 0) return asked.question;
  return hint(options.chat ? session.turns.back() : asked) + "\n\n" + asked.question;
}

PlainText plain(const Turn& turn) {
  const std::size_t begin = turn.question.find("The ");
  const std::string line = begin == std::string::npos ? turn.question : turn.question.substr(begin);
  return {"\n" + line, " " + turn.answers.front(), "\n", {"\n"}};
}

}  // namespace

TaskEntry mf_task() {
  TaskEntry task;
  task.name = "mf";
  task.paper_name = "Math.Find";
  task.sentence = "the largest, second largest, ... smallest number of a long list";
  task.source = "Zhang et al., InfiniteBench, 2024; Li et al., SCBench, 2024";
  task.capability = Capability::kGlobalInformation;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "random integers";
  task.released.before_context = before_context;
  task.released.query = query;
  task.plain = plain;
  task.generate = generate;
  task.generate_in_symbols = mf_in_symbols;
  return task;
}

}  // namespace scsim::exec
