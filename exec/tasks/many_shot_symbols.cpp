// Worked examples of a rule that no text states: one of three places in the input decides, and each
// of the eight letters that may stand there means A, B, C or D. Both are drawn for the session.
#include <array>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"

namespace scsim::exec {
namespace {

constexpr std::size_t kPlaces = 3;

struct Rule {
  std::size_t place;
  std::array<char, 8> option;  // of the letters a to h

  char of(const std::string& input) const {
    return option.at(static_cast<std::size_t>(input[place] - 'a'));
  }
};

}  // namespace

Expected<TaskSession> many_shot_in_symbols(const GenerateRequest& request,
                                           const CountTokens& count) {
  Expected<TaskSession> session = begin_session("many_shot", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.many_shot.symbols", request.session);
  Rule rule{.place = rng.below(kPlaces), .option = {}};
  for (char& option : rule.option) option = draw_text(rng, 1, 'A', 'D')[0];
  const auto draw_input = [](Rng& from) { return draw_text(from, kPlaces, 'a', 'h'); };
  std::vector<std::string> inputs;
  const auto build = [&](std::int64_t n) {
    std::string text;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      if (i == inputs.size()) inputs.push_back(draw_input(rng));
      text += inputs[i] + rule.of(inputs[i]) + ";";
    }
    return text;
  };
  const Fill what{
      .task = "many_shot in symbols", .records = "examples", .least = 1, .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance = "generated: " + std::to_string(*n) + " examples of a rule in symbols";
  Rng asked(request.seed, "exec.tasks.many_shot.symbols.asked", request.session);
  for (int i = 0; i < request.turns; ++i) {
    const std::string input = draw_input(asked);
    session->turns.push_back(turn_in_symbols("?" + input, {std::string(1, rule.of(input))}));
  }
  return session;
}

}  // namespace scsim::exec
