// Retr.Prefix-Suffix: the one string of a long list that begins and ends as said. 25 characters
// each, drawn from the code points 65 to 122, as in the paper (6,000 of them there). Not known, and
// ours: how the list is written, how long prefixes and suffixes are, and the question's words.
#include <algorithm>
#include <set>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 150;
constexpr std::size_t kCharacters = 25;

std::string write_list(const std::vector<std::string>& strings, std::size_t n) {
  std::string text = "List of strings:\n[";
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0) text += ", ";
    text += '"' + strings[i] + '"';
  }
  return text + "]";
}

// Both grow from a drawn length until no other string has them.
Turn ask(Rng& rng, const std::vector<std::string>& strings, std::size_t n, std::size_t target) {
  const std::string& wanted = strings[target];
  std::size_t before = 3 + rng.below(4), behind = 3 + rng.below(4);
  const auto others = [&] {
    return std::count_if(strings.begin(), strings.begin() + static_cast<std::ptrdiff_t>(n),
                         [&](const std::string& text) {
                           return text.starts_with(wanted.substr(0, before)) &&
                                  text.ends_with(wanted.substr(kCharacters - behind));
                         }) > 1;
  };
  while (others()) before <= behind ? ++before : ++behind;
  Turn turn;
  turn.question = "\nPrefix: \"" + wanted.substr(0, before) + "\"\nSuffix: \"" +
                  wanted.substr(kCharacters - behind) +
                  "\"\nThe string with both the prefix and the suffix is: ";
  turn.answers = {wanted};
  turn.max_new_tokens = kMaxNewTokens;
  return turn;
}

Expected<TaskSession> generate(const GenerateRequest& request, const Material&,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("prefix_suffix", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.prefix_suffix", request.session);
  std::vector<std::string> strings;
  std::set<std::string> seen;
  const auto build = [&](std::int64_t n) {
    while (strings.size() < static_cast<std::size_t>(n)) {
      std::string drawn = draw_text(rng, kCharacters, 'A', 'z');
      if (seen.insert(drawn).second) strings.push_back(std::move(drawn));
    }
    return write_list(strings, static_cast<std::size_t>(n));
  };
  const Fill what{
      .task = "prefix_suffix", .records = "strings", .least = request.turns, .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance = "generated: " + std::to_string(*n) + " random strings of " +
                        std::to_string(kCharacters) + " characters from A to z";
  Rng asked(request.seed, "exec.tasks.prefix_suffix.asked", request.session);
  const auto strings_in = static_cast<std::size_t>(*n);
  for (const std::size_t i : spread(asked, strings_in, static_cast<std::size_t>(request.turns))) {
    session->turns.push_back(ask(asked, strings, strings_in, i));
  }
  return session;
}

// The question's last line is what a record would say; the answer stands in quotes.
PlainText plain(const Turn& turn) {
  std::string prompt = "\n" + turn.question;
  while (prompt.ends_with(' ')) prompt.pop_back();
  return {prompt + " \"", turn.answers.front(), "\"\n", {"\""}};
}

}  // namespace

TaskEntry prefix_suffix_task() {
  TaskEntry task;
  task.name = "prefix_suffix";
  task.paper_name = "Retr.Prefix-Suffix";
  task.sentence = "the one string of a long list that begins and ends as said";
  task.source = "Li et al., SCBench, 2024";
  task.capability = Capability::kStringRetrieval;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "random strings";
  task.plain = plain;
  task.generate = generate;
  task.generate_in_symbols = prefix_suffix_in_symbols;
  return task;
}

}  // namespace scsim::exec
