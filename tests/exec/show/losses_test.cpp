#include "exec/show/losses.h"

#include <catch2/catch.hpp>

#include "tests/support/some_calibration.h"

namespace scsim::exec {
namespace {

// Sessions of three turns, ten a cell, on the first task at the first length, where full attention
// is always right, and on the second, where it never is. The other method is right at what `right`
// says, and holds a quarter of the KV.
Calibration with(bool (*right)(SessionMode mode, int turn)) {
  Calibration calibration;
  calibration.design = test::some_design();
  calibration.design.sessions = 10;
  for (const SampleKey& key : test::all_keys(calibration.design)) {
    if (key.warm_up || key.length != 0) continue;
    SessionSample& sample = calibration.sessions.emplace_back();
    sample.key = key;
    const SessionMode mode = calibration.design.modes[static_cast<std::size_t>(key.mode)];
    for (int number = 0; number < 3; ++number) {
      TurnSample& turn = sample.turns.emplace_back();
      turn.turn = number;
      turn.score_strict = key.task == 0 && (key.method == 0 || right(mode, number)) ? 1 : 0;
      turn.likelihood = AnswerLikelihood{.nats = key.method == 0 ? 1.0
                                                 : number == 0   ? 2.0
                                                                 : 6.0,
                                         .tokens = 2};
      turn.cost.kv_bytes = key.method == 0 ? 4000 : 1000;
      turn.cost.stages[static_cast<std::size_t>(Stage::kGeneration)].attended_pairs = 100;
      turn.cost.stages[static_cast<std::size_t>(Stage::kLoading)].bytes_read =
          key.method == 0 ? 100 : 50;
    }
  }
  return calibration;
}

TEST_CASE("a method that keeps what one question needs loses the later ones", "[exec][show]") {
  const Calibration calibration =
      with([](SessionMode mode, int turn) { return mode == SessionMode::kMultiTurn && turn == 0; });
  const Losses all = losses(calibration);
  CHECK(all.full == 1);
  REQUIRE(all.methods.size() == 1);
  const Loss& loss = all.methods.front();
  CHECK(loss.method == "snapkv released");
  CHECK(loss.first->value == 0);
  CHECK(loss.later->value == -1);
  CHECK(loss.alone->value == -1);
  CHECK(loss.later_minus_first->value == -1);
  CHECK(loss.later_minus_first->interval->high < 0);
  CHECK(loss.first->interval->holds(0));
  CHECK(loss.nll_first->value == 0.5);
  CHECK(loss.nll_later->value == 2.5);
  CHECK(loss.nll_alone->value == Approx(11.0 / 6));  // 14 nats, full attention's 3, of 6 tokens
  CHECK(loss.kv == 0.25);
  CHECK(loss.pairs == 1);
  CHECK(loss.reads == 0.5);
}

TEST_CASE("a method that is full attention loses nothing", "[exec][show]") {
  const Losses all = losses(with([](SessionMode, int) { return true; }));
  REQUIRE(all.methods.size() == 1);
  for (const auto& mean : {all.methods[0].first, all.methods[0].later, all.methods[0].alone}) {
    CHECK(mean->value == 0);
    CHECK(mean->interval->low < 0);  // ten equal pairs do not prove it
    CHECK(mean->interval->high > 0);
  }
}

TEST_CASE("a method whose choice wears out diverges more at the end of a long answer",
          "[exec][show]") {
  Calibration calibration = with([](SessionMode, int) { return true; });
  CHECK(!losses(calibration).methods[0].kl_start);  // nothing was compared
  for (SessionSample& sample : calibration.sessions) {
    for (TurnSample& turn : sample.turns) {
      // 50 tokens: 13, 12, 13 and 12 of them in a quarter. The last turn's answer is short.
      turn.agreement = {turn.turn == 2 ? 31 : 50, 0, 7.0};
      turn.agreement->kl_quarters = {1.3, 1.2, 0, turn.turn == 2 ? 1000.0 : 6.0};
    }
  }
  const Losses all = losses(calibration);
  CHECK(all.methods[0].kl_start->value == Approx(0.1));
  CHECK(all.methods[0].kl_end->value == Approx(0.5));
  CHECK(all.methods[0].kl_end_minus_start->value == Approx(0.4));
  CHECK_THAT(losses_text(all, calibration), Catch::Contains("last - first"));
}

TEST_CASE("what full attention cannot answer is left out and named", "[exec][show]") {
  const Calibration calibration = with([](SessionMode, int) { return true; });
  const Losses all = losses(calibration);
  REQUIRE(all.left_out.size() == 1);
  CHECK_THAT(all.left_out[0], Catch::StartsWith("vt at "));
  REQUIRE(all.cells.size() == 1);
  CHECK_THAT(losses_text(all, calibration),
             Catch::Contains("no scores") && Catch::Contains("vt at"));
  Calibration without = calibration;
  std::erase_if(without.sessions, [](const SessionSample& s) { return s.key.method == 0; });
  CHECK(losses(without).methods.empty());
  CHECK_THAT(losses_text(losses(without), without), Catch::Contains("nothing to compare"));
}

}  // namespace
}  // namespace scsim::exec
