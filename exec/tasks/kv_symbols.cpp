// Keys and values one after the other, a capital first: "Qa47Bx03".
#include <set>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"

namespace scsim::exec {
namespace {

// Small letters of a key, so that twice as many keys exist as could be needed: a pair has at least
// four characters.
std::size_t small_letters(std::int64_t tokens) {
  std::size_t letters = 1;
  for (std::int64_t keys = std::int64_t{26} * 26; keys < tokens / 2; keys *= 26) ++letters;
  return letters;
}

struct Pair {
  std::string key, value;
};

}  // namespace

Expected<TaskSession> kv_in_symbols(const GenerateRequest& request, const CountTokens& count) {
  Expected<TaskSession> session = begin_session("kv", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.kv.symbols", request.session);
  const std::size_t letters = small_letters(request.tokens);
  std::vector<Pair> pairs;
  std::set<std::string> keys;
  const auto build = [&](std::int64_t n) {
    while (pairs.size() < static_cast<std::size_t>(n)) {
      std::string key = draw_text(rng, 1, 'A', 'Z') + draw_text(rng, letters, 'a', 'z');
      if (!keys.insert(key).second) continue;
      pairs.push_back({std::move(key), draw_text(rng, 2, '0', '9')});
    }
    std::string text;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      text += pairs[i].key + pairs[i].value;
    }
    return text;
  };
  // A tokenizer with few tokens for many characters must not run out of keys.
  std::int64_t most = 26;
  for (std::size_t i = 0; i < letters; ++i) most *= 26;
  const Fill what{.task = "kv in symbols",
                  .records = "pairs",
                  .least = request.turns,
                  .available = most,
                  .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance = "generated: " + std::to_string(*n) + " pairs in symbols";
  Rng asked(request.seed, "exec.tasks.kv.symbols.asked", request.session);
  for (const std::size_t i :
       spread(asked, static_cast<std::size_t>(*n), static_cast<std::size_t>(request.turns))) {
    session->turns.push_back(turn_in_symbols("?" + pairs[i].key, {pairs[i].value}));
  }
  return session;
}

}  // namespace scsim::exec
