// Retr.MultiHop: which variables have a value, by way of chains of assignments hidden in noise.
// RULER's variable tracking: one sentence over and over, 5-letter variables, the assignments of a
// chain in order at random lines; 2 hops, so 3 variables an answer. Five turns need more than the
// paper's two chains, and how it came by them is not known: here each turn has a chain of its own,
// and there are two at least. Noise grows by a line, not by RULER's ten.
#include <algorithm>
#include <set>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 30;
constexpr std::size_t kVariables = 3;
constexpr char kNoise[] =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

struct Chain {
  std::string value;
  std::vector<std::string> variables, lines;
};

std::vector<Chain> draw_chains(Rng& rng, std::size_t n) {
  std::set<std::string> values, variables;
  std::vector<Chain> chains(n);
  for (Chain& chain : chains) {
    do {
      chain.value = std::to_string(10000 + rng.below(89999));
    } while (!values.insert(chain.value).second);
    std::string assigned = chain.value;
    for (std::size_t i = 0; i < kVariables; ++i) {
      std::string variable;
      do {
        variable = draw_text(rng, 5, 'A', 'Z');
      } while (!variables.insert(variable).second);
      chain.lines.push_back("VAR " + variable + " = " + assigned);
      assigned = "VAR " + variable;
      chain.variables.push_back(std::move(variable));
    }
  }
  return chains;
}

std::string write_text(const std::vector<Chain>& chains, std::size_t noise_lines, Rng rng) {
  std::vector<std::vector<const std::string*>> before(noise_lines + 1);  // a noise line, or the end
  for (const Chain& chain : chains) {
    const std::vector<std::size_t> at = places(rng, noise_lines, kVariables);
    for (std::size_t i = 0; i < kVariables; ++i) before[at[i]].push_back(&chain.lines[i]);
  }
  std::string text =
      "Memorize and track the chain(s) of variable assignment hidden in the following text.\n";
  for (std::size_t line = 0; line <= noise_lines; ++line) {
    for (const std::string* assignment : before[line]) text += "\n" + *assignment;
    if (line < noise_lines) (text += "\n") += kNoise;
  }
  return text;
}

std::string needed_line(const Turn& turn) {
  // Its last sentence begins after "Answer: ".
  const std::size_t at = turn.question.find("Answer: ");
  std::string line = at == std::string::npos ? turn.question : turn.question.substr(at + 8);
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

Expected<TaskSession> generate(const GenerateRequest& request, const Material&,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("vt", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.vt", request.session);
  const std::vector<Chain> chains =
      draw_chains(rng, static_cast<std::size_t>(std::max(2, request.turns)));
  const auto build = [&](std::int64_t n) {
    return write_text(chains, static_cast<std::size_t>(n),
                      Rng(request.seed, "exec.tasks.vt.places", request.session));
  };
  const Fill what{.task = "vt", .records = "lines of noise", .least = 1, .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance = "generated: RULER's variable tracking, " + std::to_string(chains.size()) +
                        " chains of 2 hops in " + std::to_string(*n) + " lines of noise";
  Rng asked(request.seed, "exec.tasks.vt.asked", request.session);
  for (const std::size_t i :
       spread(asked, chains.size(), static_cast<std::size_t>(request.turns))) {
    Turn turn;
    turn.question = "\nQuestion: Find all variables that are assigned the value " +
                    chains[i].value +
                    " in the text above. Answer: According to the chain(s) of variable assignment "
                    "in the text above, " +
                    std::to_string(kVariables) + " variables are assigned the value " +
                    chains[i].value + ", they are: ";
    turn.answers = chains[i].variables;
    turn.evidence = chains[i].lines;
    turn.max_new_tokens = kMaxNewTokens;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

PlainText plain(const Turn& turn) {
  std::string answer;
  for (const std::string& variable : turn.answers) answer += " " + variable;
  return {"\n\n" + needed_line(turn), answer, "\n", {"\n"}};
}

}  // namespace

TaskEntry vt_task() {
  TaskEntry task;
  task.name = "vt";
  task.paper_name = "Retr.MultiHop";
  task.sentence = "all variables that have a value, by chains of assignments";
  task.source = "Hsieh et al., RULER, 2024";
  task.capability = Capability::kStringRetrieval;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "random variables, values and places in RULER's noise";
  task.released.answers_are_a_list = true;
  task.plain = plain;
  task.generate = generate;
  task.generate_in_symbols = vt_in_symbols;
  return task;
}

}  // namespace scsim::exec
