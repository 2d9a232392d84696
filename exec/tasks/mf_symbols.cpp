// Numbers of three digits. The questions are those of mf in their order: the largest, second, third
// of the distinct values, then the smallest ones, then on to the tenth of both; either the upper or
// the lower end of the values is drawn, as there.
#include <set>

#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kSmallest = 100, kLargest = 999;
constexpr std::int64_t kMoved = 180;  // a fifth of the values
constexpr std::size_t kRanks = 9;     // of one digit, from either end

struct Asked {
  bool from_the_top;
  std::size_t rank;
};

Asked asked_in(std::size_t turn) {
  if (turn < 6) return {turn < 3, turn % 3};
  return {turn % 2 == 0, turn / 2};
}

}  // namespace

Expected<TaskSession> mf_in_symbols(const GenerateRequest& request, const CountTokens& count) {
  Expected<TaskSession> session = begin_session("mf", request);
  if (!session) return session.error();
  const auto turns = static_cast<std::size_t>(request.turns);
  if (turns > 2 * kRanks) {
    return Error{"mf in symbols has " + std::to_string(2 * kRanks) + " different questions; " +
                 std::to_string(turns) + " turns were asked for"};
  }
  Rng rng(request.seed, "exec.tasks.mf.symbols", request.session);
  std::int64_t low = kSmallest, high = kLargest;
  const bool upper_end = rng.chance(0.5);
  (upper_end ? high : low) += (upper_end ? -1 : 1) * static_cast<std::int64_t>(rng.below(kMoved));
  std::vector<std::int64_t> numbers;
  const auto build = [&](std::int64_t n) {
    std::string text;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      if (i == numbers.size()) {
        const auto values = static_cast<std::uint64_t>(high - low + 1);
        numbers.push_back(low + static_cast<std::int64_t>(rng.below(values)));
      }
      text += std::to_string(numbers[i]) + ",";
    }
    return text;
  };
  // So many that twice the ranks asked for are all but certain to be among them.
  const Fill what{.task = "mf in symbols",
                  .records = "numbers",
                  .least = 2 * request.turns + 4,
                  .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance = "generated: " + std::to_string(*n) + " random integers from " +
                        std::to_string(low) + " to " + std::to_string(high);
  const std::set<std::int64_t> distinct(numbers.begin(),
                                        numbers.begin() + static_cast<std::ptrdiff_t>(*n));
  for (std::size_t i = 0; i < turns; ++i) {
    const Asked asked = asked_in(i);
    if (asked.rank >= distinct.size()) return Error{"mf in symbols: too few different numbers"};
    const auto rank = static_cast<std::ptrdiff_t>(asked.rank);
    const std::int64_t answer = asked.from_the_top ? *std::next(distinct.rbegin(), rank)
                                                   : *std::next(distinct.begin(), rank);
    session->turns.push_back(
        turn_in_symbols("?" + std::to_string(asked.rank + 1) + (asked.from_the_top ? ">" : "<"),
                        {std::to_string(answer)}));
  }
  return session;
}

}  // namespace scsim::exec
