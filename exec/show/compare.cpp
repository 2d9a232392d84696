#include "exec/show/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "exec/show/numbers.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using NumberKey =
    std::tuple<std::string, std::string, std::string, std::int64_t, std::string, int, std::string>;

NumberKey key_of(const Number& number) {
  const Cell& cell = number.cell;
  return {std::string(number.table),
          cell.task,
          cell.mode,
          cell.length,
          cell.method,
          cell.turn,
          number.what};
}

double half_width(const Number& number) {
  return std::max(number.interval->high - number.value, number.value - number.interval->low);
}

std::vector<std::string> differences(const CalibrationDesign& a, const CalibrationDesign& b) {
  std::vector<std::string> found;
  const auto look = [&](std::string_view name, const std::string& x, const std::string& y) {
    if (x != y) found.push_back(std::string(name) + ": " + x + " and " + y);
  };
  look("model", a.model.name, b.model.name);
  look("weights", a.model.weights_hash, b.model.weights_hash);
  look("device", a.device.name, b.device.name);
  look("server", a.server, b.server);
  look("threads", std::to_string(a.device.threads), std::to_string(b.device.threads));
  look("commit", a.commit, b.commit);
  look("seed", std::to_string(a.seed), std::to_string(b.seed));
  look("sessions", std::to_string(a.sessions), std::to_string(b.sessions));
  look("prompts", a.prompt_style, b.prompt_style);
  return found;
}

}  // namespace

std::size_t Comparison::disagreeing() const {
  return static_cast<std::size_t>(std::ranges::count(numbers, false, &ComparedNumber::agrees));
}

Comparison compare_tables(const Tables& first, const Tables& second) {
  Comparison comparison;
  comparison.design_differences = differences(first.design, second.design);
  std::map<NumberKey, Number> of_second;
  for_each_number(second, [&](const Number& number) {
    if (number.interval) of_second.emplace(key_of(number), number);
  });
  std::size_t matched = 0;
  for_each_number(first, [&](const Number& number) {
    if (!number.interval) return;
    const auto found = of_second.find(key_of(number));
    if (found == of_second.end()) {
      ++comparison.only_first;
      return;
    }
    ++matched;
    const double allowed = std::hypot(half_width(number), half_width(found->second));
    const double apart = std::abs(number.value - found->second.value);
    comparison.numbers.push_back({number.table, number.cell, number.what, number.value,
                                  found->second.value, allowed, apart <= allowed});
  });
  comparison.only_second = of_second.size() - matched;
  return comparison;
}

std::string comparison_text(const Comparison& comparison, const Tables& first,
                            const Tables& second) {
  const auto count = [](std::size_t n) { return format_integer(static_cast<std::int64_t>(n)); };
  std::string text = wrapped("", first.path + " against " + second.path);
  for (const std::string& difference : comparison.design_differences)
    text += wrapped("  differs in ", difference);
  std::map<std::string, std::pair<std::size_t, std::size_t>> by_what;  // all, disagreeing
  for (const ComparedNumber& number : comparison.numbers) {
    auto& [all, disagree] = by_what[number.what];
    ++all;
    disagree += number.agrees ? 0 : 1;
  }
  TextTable summary({"what", "compared", "outside the error bars"});
  for (const auto& [what, counts] : by_what)
    summary.add({what, count(counts.first), count(counts.second)});
  text += "\n" + summary.text(2);
  const std::size_t all = comparison.numbers.size();
  text += wrapped("", count(all - comparison.disagreeing()) + " of " + count(all) +
                          " numbers agree within the error bars of both; of independent runs, "
                          "about 19 in 20 would.");
  if (comparison.only_first + comparison.only_second > 0) {
    text += wrapped("", count(comparison.only_first) + " numbers are only in the first, " +
                            count(comparison.only_second) + " only in the second.");
  }
  if (comparison.disagreeing() > 0) {
    TextTable table({"outside", "what", "first", "second", "allowed"});
    for (const ComparedNumber& number : comparison.numbers) {
      if (number.agrees) continue;
      const Cell& cell = number.cell;
      table.add({shortened(cell.task + (cell.task.empty() ? "" : " ") + cell.mode + " " +
                               std::to_string(cell.length) + " " + cell.method + " turn " +
                               turn_name(cell.turn),
                           46),
                 shortened(number.what, 18), format_fixed(number.first, 3),
                 format_fixed(number.second, 3), format_fixed(number.allowed, 3)});
    }
    text += "\n" + table.text(2);
  }
  for (const Tables* tables : {&first, &second}) {
    for (const std::string& note : score_notes(*tables)) {
      if (text.find(note) == std::string::npos) text += wrapped("  note: ", note);
    }
  }
  return text;
}

}  // namespace scsim::exec
