// Strings of five small letters. Prefix and suffix begin with a letter each and grow in turn until
// no other string has both.
#include <algorithm>
#include <set>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"

namespace scsim::exec {
namespace {

constexpr std::size_t kCharacters = 5;

Turn ask(const std::vector<std::string>& strings, std::size_t n, std::size_t target) {
  const std::string& wanted = strings[target];
  std::size_t before = 1, behind = 1;
  const auto others = [&] {
    return std::count_if(strings.begin(), strings.begin() + static_cast<std::ptrdiff_t>(n),
                         [&](const std::string& text) {
                           return text.starts_with(wanted.substr(0, before)) &&
                                  text.ends_with(wanted.substr(kCharacters - behind));
                         }) > 1;
  };
  while (others()) before <= behind ? ++before : ++behind;
  return turn_in_symbols(
      "?" + wanted.substr(0, before) + "_" + wanted.substr(kCharacters - behind) + "=", {wanted});
}

}  // namespace

Expected<TaskSession> prefix_suffix_in_symbols(const GenerateRequest& request,
                                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("prefix_suffix", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.prefix_suffix.symbols", request.session);
  std::vector<std::string> strings;
  std::set<std::string> seen;
  const auto build = [&](std::int64_t n) {
    while (strings.size() < static_cast<std::size_t>(n)) {
      std::string drawn = draw_text(rng, kCharacters, 'a', 'z');
      if (seen.insert(drawn).second) strings.push_back(std::move(drawn));
    }
    std::string text;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) text += strings[i] + ";";
    return text;
  };
  const Fill what{.task = "prefix_suffix in symbols",
                  .records = "strings",
                  .least = request.turns,
                  .available = 1'000'000,  // of 11.9 million that there are
                  .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance = "generated: " + std::to_string(*n) + " strings in symbols";
  Rng asked(request.seed, "exec.tasks.prefix_suffix.symbols.asked", request.session);
  const auto strings_in = static_cast<std::size_t>(*n);
  for (const std::size_t i : spread(asked, strings_in, static_cast<std::size_t>(request.turns))) {
    session->turns.push_back(ask(strings, strings_in, i));
  }
  return session;
}

}  // namespace scsim::exec
