// Tasks in symbols. Each answer is found again in the context by a reader of its own, written from
// the table in symbols.h.
#include "exec/tasks/symbols.h"

#include <algorithm>

#include "exec/scorers/scorer.h"
#include "tests/exec/tasks/sample.h"
#include "traces/text.h"

namespace scsim::exec::test {
namespace {

std::int64_t count_characters(std::string_view text) { return std::ssize(text); }

// Laws of every one of them; `record` is the longest record.
TaskSession check_symbols(const std::string& name, const GenerateRequest& request,
                          std::int64_t record) {
  const TaskEntry entry = task(name);
  const auto make = [&](const GenerateRequest& wanted) {
    Expected<TaskSession> made =
        generate_session(entry, PromptStyle::kSymbols, wanted, {}, count_characters);
    if (!made) FAIL(made.error().message);
    return *std::move(made);
  };
  const TaskSession session = make(request);
  INFO(name << ", " << session.id << ": " << session.context);
  CHECK(session.task == name);
  CHECK(session.in_symbols);
  CHECK(session.provenance.starts_with("generated: "));
  CHECK(std::ssize(session.context) <= request.tokens);
  CHECK(std::ssize(session.context) > request.tokens - record);
  CHECK(session.turns.size() == static_cast<std::size_t>(request.turns));
  CHECK(make(request).context == session.context);
  GenerateRequest other = request;
  ++other.session;
  CHECK(make(other).context != session.context);
  other = request;
  ++other.seed;
  CHECK(make(other).context != session.context);

  const std::string known = symbol_characters();
  const PromptPlan plan = plan_prompts(session, {.style = PromptStyle::kSymbols});
  CHECK(plan.context == session.context);
  CHECK_FALSE(plan.chat);
  std::string all = plan.context;
  for (std::size_t t = 0; t < plan.turns.size(); ++t) {
    const TurnPrompt& turn = plan.turns[t];
    all += turn.prompt + turn.target + turn.closing;
    CHECK(turn.prompt.starts_with(turn.stops.front()));
    CHECK(turn.target.find(turn.stops.front()) == std::string::npos);
    CHECK(std::ssize(turn.target) == turn.max_new_tokens);
    for (const ScoreRule rule : {ScoreRule::kStrict, ScoreRule::kScbenchCompat}) {
      const ScoredTurn scored{.prediction = turn.target, .answers = session.turns[t].answers};
      CHECK(*score(name, rule, scored) == 1);
      const ScoredTurn nothing{.prediction = "", .answers = session.turns[t].answers};
      CHECK(*score(name, rule, nothing) == 0);
    }
  }
  CHECK(all.find_first_not_of(known) == std::string::npos);
  return session;
}

// Records of a context whose records end in `end`.
std::vector<std::string> records_of(const std::string& context, char end) {
  REQUIRE(context.ends_with(end));
  return split(context.substr(0, context.size() - 1), end);
}

}  // namespace

TEST_CASE("kv in symbols: the value follows the only place of its key", "[exec][tasks]") {
  for (const std::int64_t tokens : {40, 400, 6000}) {
    const TaskSession session =
        check_symbols("kv", {.tokens = tokens, .turns = 5, .seed = 3, .session = 1}, 5);
    for (const Turn& turn : session.turns) {
      const std::string key = turn.question.substr(1);
      CHECK(key.size() == (tokens > 1352 ? 3 : 2));
      const std::size_t at = session.context.find(key);
      REQUIRE(at != std::string::npos);
      CHECK(session.context.find(key, at + 1) == std::string::npos);
      CHECK(session.context.substr(at + key.size(), 2) == turn.answers.front());
    }
  }
}

TEST_CASE("prefix_suffix in symbols: one string and no other begins and ends so", "[exec][tasks]") {
  for (const std::int64_t tokens : {60, 500, 4000}) {
    const TaskSession session =
        check_symbols("prefix_suffix", {.tokens = tokens, .turns = 6, .seed = 5}, 6);
    for (const Turn& turn : session.turns) {
      const std::vector<std::string> ends =
          split(turn.question.substr(1, turn.question.size() - 2), '_');
      std::vector<std::string> found;
      for (const std::string& text : records_of(session.context, ';')) {
        if (text.starts_with(ends.at(0)) && text.ends_with(ends.at(1))) found.push_back(text);
      }
      CHECK((found == turn.answers));
    }
  }
}

TEST_CASE("vt in symbols: the chain is found by following assignments from the value",
          "[exec][tasks]") {
  for (const std::int64_t tokens : {120, 900}) {
    const TaskSession session = check_symbols("vt", {.tokens = tokens, .turns = 4, .seed = 8}, 1);
    for (const Turn& turn : session.turns) {
      std::vector<std::string> names;
      std::string wanted = turn.question.substr(1, turn.question.size() - 2);
      for (std::size_t at = 0;
           (at = session.context.find("=" + wanted + ";", at)) != std::string::npos;) {
        wanted = session.context.substr(at - 2, 2);
        names.push_back(wanted);
      }
      CHECK((names == turn.answers));
    }
  }
}

TEST_CASE("mf in symbols: ranks of the distinct numbers", "[exec][tasks]") {
  for (const std::int64_t tokens : {120, 2000}) {
    const TaskSession session = check_symbols("mf", {.tokens = tokens, .turns = 8, .seed = 2}, 4);
    std::vector<std::string> numbers = records_of(session.context, ',');
    std::ranges::sort(numbers);  // all have three digits
    numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
    std::vector<std::string> questions;
    for (const Turn& turn : session.turns) {
      questions.push_back(turn.question);
      const auto rank = static_cast<std::size_t>(turn.question[1] - '0');
      CHECK(turn.answers.front() ==
            (turn.question[2] == '>' ? numbers[numbers.size() - rank] : numbers[rank - 1]));
    }
    const std::vector<std::string> expected = {"?1>", "?2>", "?3>", "?1<",
                                               "?2<", "?3<", "?4>", "?4<"};
    CHECK((questions == expected));
  }
}

TEST_CASE("many_shot in symbols: one place explains all examples and the answers",
          "[exec][tasks]") {
  for (const std::uint64_t number : {0, 1, 2, 3}) {
    const TaskSession session =
        check_symbols("many_shot", {.tokens = 800, .turns = 9, .seed = 4, .session = number}, 5);
    std::vector<std::string> examples = records_of(session.context, ';');
    for (const Turn& turn : session.turns) {
      examples.push_back(turn.question.substr(1) + turn.answers.front());
    }
    int places_that_explain = 0;
    for (std::size_t place = 0; place < 3; ++place) {
      std::map<char, std::set<char>> meanings;
      for (const std::string& example : examples) meanings[example[place]].insert(example[3]);
      places_that_explain += std::ranges::all_of(
          meanings, [](const auto& meaning) { return meaning.second.size() == 1; });
    }
    CHECK(places_that_explain == 1);
  }
}

TEST_CASE("tasks without a construction in symbols say so, and which have one", "[exec][tasks]") {
  int have = 0;
  for (const TaskEntry& entry : task_table()) {
    const Expected<TaskSession> made =
        generate_session(entry, PromptStyle::kSymbols, {.tokens = 400}, {}, count_characters);
    CHECK(made.has_value() == check_style(entry, PromptStyle::kSymbols).has_value());
    if (made) {
      ++have;
    } else {
      CHECK(made.error().message == "there are no sessions of " + entry.name +
                                        " in symbols; tasks that have them: kv, prefix_suffix, "
                                        "vt, mf, many_shot");
    }
  }
  CHECK(have == 5);
}

TEST_CASE("sessions in symbols say what does not fit", "[exec][tasks]") {
  const auto error = [](const std::string& name, const GenerateRequest& request) {
    const auto made = task(name).generate_in_symbols(request, count_characters);
    REQUIRE_FALSE(made);
    return made.error().message;
  };
  CHECK(error("kv", {.tokens = 16, .turns = 5}) ==
        "kv in symbols with 5 turns needs a context of at least 20 tokens; 16 were asked for");
  CHECK(error("mf", {.tokens = 400, .turns = 19}).find("18 different questions") !=
        std::string::npos);
  CHECK(error("vt", {.tokens = 4000, .turns = 91}).find("90 values") != std::string::npos);
}

}  // namespace scsim::exec::test
