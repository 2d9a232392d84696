#include "exec/scorers/scorer.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "tests/exec/scorers/recorded.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

using Texts = std::vector<std::string>;

// A turn that owns its texts.
struct OwnedTurn {
  std::string task, prediction, subtask, language, function_name;
  Texts answers, options;
  std::vector<Needle> needles;
  SessionMode mode = SessionMode::kMultiTurn;

  ScoredTurn view() const {
    return {.prediction = prediction,
            .answers = answers,
            .options = options,
            .task = subtask,
            .language = language,
            .function_name = function_name,
            .needles = needles,
            .mode = mode};
  }
};

OwnedTurn turn_of(const nlohmann::json& row) {
  OwnedTurn turn{.task = row["task"],
                 .prediction = row["prediction"],
                 .subtask = row.value("subtask", ""),
                 .language = row.value("language", ""),
                 .function_name = row.value("function_name", ""),
                 .answers = row["answers"].get<Texts>(),
                 .options = row.value("options", Texts{}),
                 .needles = {}};
  for (const auto& needle : row.value("needles", nlohmann::json::array())) {
    turn.needles.push_back({needle[0], needle[1]});
  }
  if (row.value("mode", "") == "multi_request") turn.mode = SessionMode::kMultiRequest;
  return turn;
}

// The answer as a model would give it that knows it.
std::string golden_prediction(const OwnedTurn& turn) {
  if (turn.task != "vt") return turn.answers[0];
  std::string all;
  for (const std::string& name : turn.answers) all += name + " ";
  return all;
}

}  // namespace

TEST_CASE("scbench_compat gives the scores of SCBench's rules on recorded turns",
          "[exec][scorers]") {
  std::set<std::string> seen;
  for (const auto& row : recorded("turns")) {
    const OwnedTurn turn = turn_of(row);
    INFO(row.dump());
    const double value = score(turn.task, ScoreRule::kScbenchCompat, turn.view()).value();
    CHECK(std::abs(value - row["compat"].get<double>()) < 1e-9);
    seen.insert(turn.task);
  }
  for (const ScorerEntry& entry : scorer_table()) CHECK(seen.contains(entry.name));
}

TEST_CASE("every score is between 0 and 1, whatever is said", "[exec][scorers]") {
  const auto rows = recorded("turns");
  for (std::uint64_t n = 0; n < rows.size(); ++n) {
    OwnedTurn turn = turn_of(rows[n]);
    Rng rng(1, "tests.scores", n);
    const std::string other = rows[rng.below(rows.size())]["prediction"];
    turn.prediction = turn.prediction.substr(rng.below(turn.prediction.size() + 1)) + other;
    if (!turn.prediction.empty()) {
      turn.prediction[rng.below(turn.prediction.size())] = static_cast<char>(rng.below(256));
    }
    for (const ScoreRule rule : {ScoreRule::kScbenchCompat, ScoreRule::kStrict}) {
      const double value = score(turn.task, rule, turn.view()).value();
      CHECK((value >= 0 && value <= 1));
    }
  }
}

TEST_CASE("the right answer itself is right under strict in every task", "[exec][scorers]") {
  std::set<std::string> seen;
  for (const auto& row : recorded("turns")) {
    OwnedTurn turn = turn_of(row);
    turn.prediction = golden_prediction(turn);
    const bool has_tokens =
        turn.answers[0].find_first_of("abcdefghijklmnopqrstuvwxyz0123456789") != std::string::npos;
    if (turn.task.starts_with("summary") && !has_tokens) continue;  // ROUGE sees nothing in it
    INFO(row.dump());
    CHECK(score(turn.task, ScoreRule::kStrict, turn.view()).value() == 1);
    seen.insert(turn.task);
  }
  CHECK(seen.size() == scorer_table().size());
}

TEST_CASE("a fenced right function is right under strict", "[exec][scorers]") {
  for (const auto& row : recorded("turns")) {
    OwnedTurn turn = turn_of(row);
    if (turn.language.empty()) continue;
    turn.prediction = "Here it is:\n```" + turn.language + "\n" + turn.answers[0] + "\n```\nEnjoy.";
    INFO(turn.prediction);
    CHECK(score(turn.task, ScoreRule::kStrict, turn.view()).value() == 1);
  }
}

TEST_CASE("the table has SCBench's twelve tasks, each explained", "[exec][scorers]") {
  const Texts expected = {"kv",
                          "prefix_suffix",
                          "vt",
                          "repoqa",
                          "qa_eng",
                          "qa_chn",
                          "choice_eng",
                          "mf",
                          "many_shot",
                          "summary",
                          "summary_with_needles",
                          "repoqa_and_kv"};
  Texts names;
  for (const ScorerEntry& entry : scorer_table()) {
    names.push_back(entry.name);
    CHECK(!entry.sentence.empty());
    CHECK(!entry.source.empty());
  }
  CHECK(names == expected);
}

TEST_CASE("what a turn lacks is said in a sentence", "[exec][scorers]") {
  const auto unknown = score("sumary", ScoreRule::kStrict, {});
  REQUIRE(!unknown);
  CHECK(unknown.error().message.starts_with("unknown task \"sumary\"; did you mean \"summary\"?"));
  for (const ScorerEntry& entry : scorer_table()) {
    for (const ScoreRule rule : {ScoreRule::kScbenchCompat, ScoreRule::kStrict}) {
      const auto nothing = score(entry.name, rule, {.prediction = "x"});
      REQUIRE(!nothing);
      INFO(nothing.error().message);
      CHECK(nothing.error().message.find(": ") != std::string::npos);
    }
  }
}

}  // namespace scsim::exec
