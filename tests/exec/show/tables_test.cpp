#include "exec/show/tables.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "exec/show/compare.h"
#include "exec/show/numbers.h"
#include "tests/analysis/browser.h"
#include "tests/support/some_calibration.h"
#include "traces/report/text_table.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

Calibration some_calibration() {
  Calibration calibration;
  calibration.design = test::some_design();
  std::int64_t order = 0;
  for (const SampleKey& key : test::all_keys(calibration.design))
    calibration.sessions.push_back(test::some_session(calibration.design, key, order++));
  for (int i = 0; i < 3; ++i) calibration.operators.push_back(test::some_operator(i));
  return calibration;
}

// One method and cell, scores as given: [session][turn].
Calibration with_scores(const std::vector<std::vector<std::vector<double>>>& by_method) {
  Calibration calibration;
  calibration.design = test::some_design();
  calibration.design.sessions = static_cast<int>(by_method[0].size());
  calibration.design.repeats = 1;
  calibration.design.tasks.resize(1);
  calibration.design.modes.resize(1);
  calibration.design.lengths.resize(1);
  for (std::int32_t method = 0; method < static_cast<std::int32_t>(by_method.size()); ++method) {
    std::int32_t session = 0;
    for (const std::vector<double>& turns : by_method[static_cast<std::size_t>(method)]) {
      SessionSample& sample = calibration.sessions.emplace_back();
      sample.key = {session++, 0, method, 0, 0, 0, false};
      for (const double score : turns) {
        TurnSample& turn = sample.turns.emplace_back();
        turn.turn = static_cast<int>(sample.turns.size()) - 1;
        turn.score_strict = score;
        turn.cost.total_seconds = 1;
        turn.cost.stages[static_cast<std::size_t>(Stage::kGeneration)] = {.seconds = 1,
                                                                          .tokens = 100};
      }
    }
  }
  return calibration;
}

const ScoreRow& row_of(const Tables& tables, const std::string& method, int turn) {
  const auto found = std::ranges::find_if(tables.scores, [&](const ScoreRow& row) {
    return row.cell.method == method && row.cell.turn == turn;
  });
  REQUIRE(found != tables.scores.end());
  return *found;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("scores are means over sessions, by turn and over all turns", "[exec][show]") {
  const Tables tables =
      make_tables(with_scores({{{1, 1}, {1, 0}, {0, 0}}, {{1, 0}, {0, 0}, {0, 0}}}), "cal.pb");
  CHECK(row_of(tables, "full", 0).strict->value == Approx(2.0 / 3));
  CHECK(row_of(tables, "full", 1).strict->value == Approx(1.0 / 3));
  CHECK(row_of(tables, "full", kAllTurns).strict->value == Approx(0.5));
  CHECK(row_of(tables, "full", kAllTurns).strict->sessions == 3);
  CHECK(row_of(tables, "full", kAllTurns).strict->samples == 6);
  CHECK_FALSE(row_of(tables, "full", 0).strict_gain);
  CHECK_FALSE(row_of(tables, "full", 0).compat);
  // Session by session: -0.5, -0.5, 0.
  const ScoreRow& snapkv = row_of(tables, "snapkv released", kAllTurns);
  CHECK(snapkv.strict_gain->value == Approx(-1.0 / 3));
  CHECK(snapkv.strict_gain->interval->holds(-1.0 / 3));
  CHECK(snapkv.strict_gain->sessions == 3);
}

TEST_CASE("a method is compared with full attention on the sessions both have", "[exec][show]") {
  Calibration calibration = with_scores({{{1}, {0}, {1}}, {{0}, {0}, {1}}});
  calibration.sessions.erase(calibration.sessions.begin());  // full attention's session 0
  const Tables tables = make_tables(calibration, "cal.pb");
  const ScoreRow& row = row_of(tables, "snapkv released", 0);
  CHECK(row.strict->sessions == 3);
  CHECK(row.strict_gain->sessions == 2);
  CHECK(row.strict_gain->value == 0);
}

TEST_CASE("warm-ups count nowhere", "[exec][show]") {
  Calibration calibration = with_scores({{{1}, {0}}});
  const std::string before = tables_csv({make_tables(calibration, "cal.pb")});
  SessionSample warm = calibration.sessions[0];
  warm.key.warm_up = true;
  warm.turns[0].score_strict = 0;
  warm.turns[0].cost.total_seconds = 1000;
  calibration.sessions.insert(calibration.sessions.begin(), warm);
  const Tables tables = make_tables(calibration, "cal.pb");
  CHECK(tables.warm_ups == 1);
  CHECK(tables_csv({tables}) == before);
}

TEST_CASE("the order in which samples were taken changes no table", "[exec][show]") {
  Calibration calibration = some_calibration();
  const Tables before = make_tables(calibration, "cal.pb");
  std::ranges::reverse(calibration.sessions);
  const Tables after = make_tables(calibration, "cal.pb");
  REQUIRE(before.scores.size() == after.scores.size());
  std::vector<double> a, b;
  for_each_number(before, [&](const Number& number) { a.push_back(number.value); });
  for_each_number(after, [&](const Number& number) { b.push_back(number.value); });
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-12));
}

TEST_CASE("stages of a cost row add up to its total", "[exec][show]") {
  const Tables tables = make_tables(some_calibration(), "cal.pb");
  bool has_context = false;
  for (const CostRow& row : tables.costs) {
    double sum = 0;
    for (const StageRow& stage : row.stages) sum += stage.seconds.mean;
    CHECK(sum == Approx(row.total.mean));  // INV-LEDGER
    CHECK(row.total.least <= row.total.median);
    has_context |= row.cell.turn == kContext;
    if (row.cell.turn == kContext) CHECK(row.cell.mode == "multi_request");
  }
  CHECK(has_context);
  const Tables plain = make_tables(with_scores({{{1}, {0}}}), "cal.pb");
  REQUIRE(plain.costs.size() == 1);
  const auto generation = static_cast<std::size_t>(Stage::kGeneration);
  CHECK(plain.costs[0].stages[generation].tokens_per_second == 100);
}

// Without what is of other methods than the first.
Calibration of_one_method(Calibration calibration) {
  calibration.design.methods.resize(1);
  std::erase_if(calibration.sessions,
                [](const SessionSample& sample) { return sample.key.method != 0; });
  return calibration;
}

TEST_CASE("the tasks of one method stand in one table, with their likelihoods", "[exec][show]") {
  const std::string text = tables_text(make_tables(of_one_method(some_calibration()), "cal.pb"));
  std::size_t tables = 0, kv = 0, notes = 0;
  for (const std::string& line : lines_of(text)) {
    tables += line.starts_with("  task ") && line.find("nats/token") != std::string::npos;
    kv += line.starts_with("  kv ");
    notes += line.find("note: vt: two chains") != std::string::npos;
  }
  CHECK(tables == 4);  // modes times lengths
  CHECK(kv == 4);
  CHECK(notes == 1);
}

TEST_CASE("the text fits a terminal and notes stand below every table", "[exec][show]") {
  const bool one_method = GENERATE(false, true);
  Calibration calibration = some_calibration();
  calibration.design.tasks[0].name = "scbench_summary_with_needles";
  calibration.design.turns = 8;
  calibration.design.model.random_weights = true;
  calibration.design.methods[1].emulated = true;
  calibration.design.honesty = {"a note of the run"};
  if (one_method) {
    std::swap(calibration.design.methods[0], calibration.design.methods[1]);
    calibration = of_one_method(calibration);
  }
  const std::string text = tables_text(make_tables(calibration, "cal.pb"));
  for (const std::string& line : lines_of(text)) {
    INFO(line);
    CHECK(display_width(line) <= kTerminalColumns);
  }
  std::size_t tables = 0, random = 0, emulated = 0, own = 0;
  for (const std::string& line : lines_of(text)) {
    tables += line.starts_with("  method ") || line.starts_with("  method: ") ||
              line.starts_with("  task ") || line.starts_with("  operator ");
    random += line.find("random weights") != std::string::npos;
    emulated += line.find("emulated: snapkv") != std::string::npos;
    own += line.find("a note of the run") != std::string::npos;
  }
  CHECK(tables > (one_method ? 8 : 10));
  CHECK(random == tables);
  CHECK(emulated == tables);
  CHECK(own == tables);
  CHECK(tables_csv({make_tables(calibration, "cal.pb")}).find("random weights") !=
        std::string::npos);
}

TEST_CASE("notes of a task stand with its scores and nowhere else", "[exec][show]") {
  const Tables tables = make_tables(some_calibration(), "cal.pb");
  CHECK(task_notes(tables.design, "vt") ==
        std::vector<std::string>{"vt: generated", "vt: two chains"});
  CHECK(task_notes(tables.design, "vt/scbench_kv") == task_notes(tables.design, "vt"));
  CHECK(task_notes(tables.design, "").empty());
  for (const std::string& line : lines_of(tables_csv({tables}))) {
    const bool is_score_of_vt = line.starts_with("cal.pb,tiny,scores,vt");
    CHECK((line.find("two chains") != std::string::npos) == is_score_of_vt);
  }
}

TEST_CASE("a run that is not complete says so", "[exec][show]") {
  Calibration calibration = some_calibration();
  CHECK(tables_text(make_tables(calibration, "cal.pb")).find("not complete") == std::string::npos);
  calibration.sessions.pop_back();
  CHECK(tables_text(make_tables(calibration, "cal.pb")).find("not complete: 95 of 96 samples") !=
        std::string::npos);
}

TEST_CASE("CSV and JSON have the same numbers, one a line", "[exec][show]") {
  const Tables tables = make_tables(some_calibration(), "cal.pb");
  std::size_t numbers = 0;
  for_each_number(tables, [&](const Number&) { ++numbers; });
  const std::vector<std::string> lines = lines_of(tables_csv({tables}));
  CHECK(lines.size() == numbers + 1);
  const nlohmann::json json = nlohmann::json::parse(tables_json({tables}))["files"][0];
  REQUIRE(json["numbers"].size() == numbers);
  std::size_t i = 0;
  for_each_number(tables, [&](const Number& number) {
    const nlohmann::json& entry = json["numbers"][i++];
    CHECK(entry["value"].get<double>() == number.value);
    CHECK(entry["what"] == number.what);
    CHECK(entry.contains("low") == number.interval.has_value());
  });
  std::set<std::string> keys;  // no number twice
  for (const nlohmann::json& entry : json["numbers"]) {
    nlohmann::json key = entry;
    for (const char* measured : {"value", "low", "high", "sessions"}) key.erase(measured);
    keys.insert(key.dump());
  }
  CHECK(keys.size() == numbers);
}

TEST_CASE("an infinite likelihood is no JSON but null", "[exec][show]") {
  Calibration calibration = with_scores({{{1}, {0}}});
  calibration.sessions[0].turns[0].likelihood = {INFINITY, 3};
  const Tables tables = make_tables(calibration, "cal.pb");
  const nlohmann::json json = nlohmann::json::parse(tables_json({tables}))["files"][0];
  CHECK(std::ranges::count_if(json["numbers"], [](const nlohmann::json& entry) {
          return entry["what"] == "nll_nats_per_token" && entry["value"].is_null();
        }) == 2);
}

TEST_CASE("the page fetches nothing and escapes what people named", "[exec][show]") {
  Calibration calibration = some_calibration();
  calibration.design.tasks[0].name = "<script>alert(1)</script>";
  const std::string page = tables_html({make_tables(calibration, "cal.pb")});
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("&lt;script&gt;alert(1)") != std::string::npos);
  for (const char* outside : {"src=\"http", "href=\"http", "@import"})
    CHECK(page.find(outside) == std::string::npos);
  std::size_t at = 0;  // charts are numbered as they stand in the page
  for (int chart = 0; chart < 18; ++chart) {
    at = page.find("id=\"chart" + std::to_string(chart) + "\"", at);
    REQUIRE(at != std::string::npos);
  }
  CHECK(page.find("id=\"chart18\"") == std::string::npos);
}

TEST_CASE("a browser draws the page without complaint", "[exec][show]") {
  if (!test::has_browser()) return;
  const std::string seen =
      test::in_browser(tables_html({make_tables(some_calibration(), "cal.pb")}));
  CHECK(seen.find("Uncaught") == std::string::npos);
  CHECK(seen.find("CONSOLE") == std::string::npos);
  CHECK(seen.find("nothing to draw") == std::string::npos);
}

TEST_CASE("a second run of the same noise agrees, a slower machine does not", "[exec][show]") {
  const auto run = [](std::uint64_t seed, double slower) {
    Calibration calibration = with_scores({std::vector<std::vector<double>>(20, {1, 0})});
    Rng rng(seed, "tests.show.compare");
    for (SessionSample& sample : calibration.sessions) {
      for (TurnSample& turn : sample.turns)
        turn.cost.total_seconds = slower * rng.uniform(0.9, 1.1);
    }
    return make_tables(calibration, "run " + std::to_string(seed));
  };
  const Tables first = run(1, 1);
  const Comparison itself = compare_tables(first, first);
  CHECK(itself.numbers.size() == 5);  // strict by turn and over all; seconds by turn
  CHECK(itself.disagreeing() == 0);
  CHECK(itself.only_first + itself.only_second == 0);
  CHECK(itself.design_differences.empty());
  int outside = 0;
  for (std::uint64_t seed = 2; seed < 102; ++seed)
    outside += static_cast<int>(compare_tables(first, run(seed, 1)).disagreeing());
  CHECK(outside < 40);  // of 200 pairs of seconds, all against one first run
  const Comparison slow = compare_tables(first, run(2, 1.5));
  CHECK(slow.disagreeing() == 2);
  const std::string text = comparison_text(slow, first, run(2, 1.5));
  CHECK(text.find("3 of 5 numbers agree") != std::string::npos);
  for (const std::string& line : lines_of(text)) CHECK(display_width(line) <= kTerminalColumns);
}

TEST_CASE("methods of one name are told apart by what they were given", "[exec][show]") {
  Calibration calibration = with_scores({{{1}}, {{0}}});
  calibration.design.methods.push_back({"snapkv", "released", {{"capacity", "256"}}, false});
  const Tables tables = make_tables(calibration, "cal.pb");
  CHECK(tables.methods == std::vector<std::string>{"full",
                                                   "snapkv released window=32 capacity=1024",
                                                   "snapkv released capacity=256"});
}

// Two requests of one turn, asked of a server; the second one's cached tokens are not said.
Calibration of_server() {
  Calibration calibration = with_scores({{{1}, {0}}});
  calibration.design.methods.resize(1);
  calibration.design.methods[0] = {};
  calibration.design.methods[0].name = "server";
  calibration.design.full_method = "";
  calibration.design.server = "http://host:1/v1";
  calibration.design.model = {};
  calibration.design.model.name = "big";
  calibration.design.model.tokenizer = "small";
  calibration.design.device = {};
  calibration.design.device.name = calibration.design.server;
  calibration.design.device.kind = "server";
  calibration.design.device.library = "engine";
  for (std::size_t i = 0; i < 2; ++i) {
    TurnSample& turn = calibration.sessions[i].turns[0];
    turn.cost.stages = {};
    turn.ttft_seconds = i == 0 ? 0.25 : 0.75;
    turn.decode_seconds = 0.5;
    turn.new_tokens = 100;
    turn.cached_tokens = i == 0 ? 300 : 0;
    turn.output_tokens = 11;
    turn.server.emplace();
    turn.server->itl_seconds = {0.1, 0.2, 0.2};
    if (i == 0) turn.server->cached_tokens = 300;
  }
  return calibration;
}

TEST_CASE("of a server what a client sees is shown, and no stages", "[exec][show]") {
  const Tables tables = make_tables(of_server(), "s.pb");
  REQUIRE(tables.costs.size() == 1);
  const CostRow& row = tables.costs[0];
  CHECK(row.ttft.mean == 0.5);
  CHECK(row.itl.count == 6);
  CHECK(row.itl.median == 0.2);
  CHECK(row.said_cached == 300.0);  // over those that say so
  CHECK(row.decode_tokens_per_second == 20);
  const std::string text = tables_text(tables);
  INFO(text);
  CHECK(text.find("s.pb: big at http://host:1/v1 (engine), lengths by the tokenizer of small") ==
        0);
  for (const char* word : {"TTFT", "ITL", "cached", "server, "})
    CHECK(text.find(word) != std::string::npos);
  for (const char* word : {"compr.", "  load", "  decode", "  KV"})
    CHECK(text.find(word) == std::string::npos);
  const std::string csv = tables_csv({tables});
  CHECK(csv.find("itl_seconds_median,0.2") != std::string::npos);
  CHECK(csv.find("server_cached_tokens,300") != std::string::npos);
  CHECK(tables_html({tables}).find("cached tokens") != std::string::npos);
  Calibration silent = of_server();
  for (SessionSample& sample : silent.sessions) sample.turns[0].server->cached_tokens.reset();
  CHECK(tables_text(make_tables(silent, "s.pb")).find("not said") != std::string::npos);
}
}  // namespace scsim::exec
