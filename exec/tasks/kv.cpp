// Retr.KV: which value belongs to a key, in one long JSON object. The layout is InfiniteBench's,
// byte for byte: 2,500 pairs are 200,011 characters.
#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "exec/tasks/symbols.h"
#include "exec/tasks/task.h"

namespace scsim::exec {
namespace {

constexpr std::int64_t kMaxNewTokens = 150;

struct Pair {
  std::string key, value;
};

std::string write_json(const std::vector<Pair>& pairs, std::size_t n) {
  std::string text = "JSON data:\n{";
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0) text += ", ";
    text += '"' + pairs[i].key + "\": \"" + pairs[i].value + '"';
  }
  return text + "}";
}

Expected<TaskSession> generate(const GenerateRequest& request, const Material&,
                               const CountTokens& count) {
  Expected<TaskSession> session = begin_session("kv", request);
  if (!session) return session.error();
  Rng rng(request.seed, "exec.tasks.kv", request.session);
  std::vector<Pair> pairs;
  const auto build = [&](std::int64_t n) {
    while (pairs.size() < static_cast<std::size_t>(n)) {
      std::string key = draw_uuid(rng);
      pairs.push_back({std::move(key), draw_uuid(rng)});
    }
    return write_json(pairs, static_cast<std::size_t>(n));
  };
  const Fill what{.task = "kv", .records = "pairs", .least = request.turns, .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();

  session->context = build(*n);
  session->provenance =
      "generated: " + std::to_string(*n) + " pairs of random UUIDs in InfiniteBench's layout";
  Rng asked(request.seed, "exec.tasks.kv.asked", request.session);
  for (const std::size_t i :
       spread(asked, static_cast<std::size_t>(*n), static_cast<std::size_t>(request.turns))) {
    Turn turn;
    turn.question =
        "\nKey: \"" + pairs[i].key + "\"\nThe value associated with the specified key is: ";
    turn.answers = {pairs[i].value};
    turn.max_new_tokens = kMaxNewTokens;
    session->turns.push_back(std::move(turn));
  }
  return session;
}

// The pair once more. A question that is worded otherwise stays as it is.
PlainText plain(const Turn& turn) {
  const std::size_t begin = turn.question.find('"');
  const std::size_t end = turn.question.find('"', begin + 1);
  if (begin == std::string::npos || end == std::string::npos) {
    return {"\n" + turn.question, turn.answers.front(), "\n", {"\n"}};
  }
  return {"\n" + turn.question.substr(begin, end + 1 - begin) + ": \"",
          turn.answers.front(),
          "\"",
          {"\""}};
}

}  // namespace

TaskEntry kv_task() {
  TaskEntry task;
  task.name = "kv";
  task.paper_name = "Retr.KV";
  task.sentence = "the value of a key in one long JSON object";
  task.source = "Liu et al., Lost in the Middle, 2023; Zhang et al., InfiniteBench, 2024";
  task.capability = Capability::kStringRetrieval;
  task.max_new_tokens = kMaxNewTokens;
  task.made_of = "random UUIDs";
  task.released.before_context = [](const TaskSession&, const PromptOptions&) {
    return std::string(
        "Extract the value corresponding to the specified key in the JSON object below.");
  };
  task.plain = plain;
  task.generate = generate;
  task.generate_in_symbols = kv_in_symbols;
  return task;
}

}  // namespace scsim::exec
