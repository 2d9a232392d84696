// Chains of two hops among small letters: "AB=17;", and somewhere behind it "CD=AB;", "EF=CD;".
#include <algorithm>
#include <set>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"

namespace scsim::exec {
namespace {

constexpr std::size_t kVariables = 3;
constexpr int kMostTurns = 90;  // values of two digits

struct Chain {
  std::string value;
  std::vector<std::string> variables, records;
};

std::vector<Chain> draw_chains(Rng& rng, std::size_t n) {
  std::set<std::string> values, variables;
  std::vector<Chain> chains(n);
  for (Chain& chain : chains) {
    do {
      chain.value = draw_digits(rng, 2);
    } while (!values.insert(chain.value).second);
    std::string assigned = chain.value;
    for (std::size_t i = 0; i < kVariables; ++i) {
      std::string variable;
      do {
        variable = draw_text(rng, 2, 'A', 'Z');
      } while (!variables.insert(variable).second);
      chain.records.push_back(variable + "=" + assigned + ";");
      assigned = variable;
      chain.variables.push_back(std::move(variable));
    }
  }
  return chains;
}

std::string write_text(const std::vector<Chain>& chains, const std::string& noise, Rng rng) {
  std::vector<std::vector<const std::string*>> before(noise.size() + 1);  // a letter, or the end
  for (const Chain& chain : chains) {
    const std::vector<std::size_t> at = places(rng, noise.size(), kVariables);
    for (std::size_t i = 0; i < kVariables; ++i) before[at[i]].push_back(&chain.records[i]);
  }
  std::string text;
  for (std::size_t i = 0; i <= noise.size(); ++i) {
    for (const std::string* record : before[i]) text += *record;
    if (i < noise.size()) text += noise[i];
  }
  return text;
}

}  // namespace

Expected<TaskSession> vt_in_symbols(const GenerateRequest& request, const CountTokens& count) {
  Expected<TaskSession> session = begin_session("vt", request);
  if (!session) return session.error();
  if (request.turns > kMostTurns) {
    return Error{"vt in symbols has " + std::to_string(kMostTurns) + " values; " +
                 std::to_string(request.turns) + " turns were asked for"};
  }
  Rng rng(request.seed, "exec.tasks.vt.symbols", request.session);
  const std::vector<Chain> chains =
      draw_chains(rng, static_cast<std::size_t>(std::max(2, request.turns)));
  Rng noise_rng(request.seed, "exec.tasks.vt.symbols.noise", request.session);
  std::string noise;
  const auto build = [&](std::int64_t n) {
    const auto letters = static_cast<std::size_t>(n);
    if (noise.size() < letters) noise += draw_text(noise_rng, letters - noise.size(), 'a', 'z');
    return write_text(chains, noise.substr(0, letters),
                      Rng(request.seed, "exec.tasks.vt.symbols.places", request.session));
  };
  const Fill what{
      .task = "vt in symbols", .records = "letters of noise", .least = 1, .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance = "generated: " + std::to_string(chains.size()) + " chains of 2 hops in " +
                        std::to_string(*n) + " letters of noise";
  Rng asked(request.seed, "exec.tasks.vt.symbols.asked", request.session);
  for (const std::size_t i :
       spread(asked, chains.size(), static_cast<std::size_t>(request.turns))) {
    Turn turn = turn_in_symbols("?" + chains[i].value + "=", chains[i].variables);
    turn.evidence = chains[i].records;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

}  // namespace scsim::exec
