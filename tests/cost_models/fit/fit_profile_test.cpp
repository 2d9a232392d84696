#include "cost_models/fit/fit_profile.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "cost_models/fit/profile_text.h"
#include "tests/support/some_calibration.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/rng.h"

namespace scsim::cost_models {
namespace {

constexpr auto kGeneration = static_cast<std::size_t>(Stage::kGeneration);
constexpr auto kDecode = static_cast<std::size_t>(Stage::kDecode);

// Generation takes 20 ms a turn and 1 ms a token, of the second method 2 ms a token; a decode step
// takes 30 ms. Each is off by up to `noise` of itself.
Calibration lawful(double noise) {
  Calibration calibration;
  calibration.design = test::some_design();
  Rng rng(9, "tests.fit_profile");
  const auto obey = [&](int method, SampleCost& cost) {
    StageCost& generation = cost.stages[kGeneration];
    const double off = 1 + noise * rng.uniform(-1, 1);
    generation.seconds =
        (0.02 + (method == 0 ? 1e-3 : 2e-3) * static_cast<double>(generation.tokens)) * off;
    StageCost& decode = cost.stages[kDecode];
    decode.tokens = 5 + static_cast<std::int64_t>(rng.below(20));
    decode.operations = 0;
    decode.seconds = 0.03 * static_cast<double>(decode.tokens) * off;
  };
  std::int64_t order = 0;
  for (const SampleKey& key : test::all_keys(calibration.design)) {
    SessionSample sample = test::some_session(calibration.design, key, order++);
    for (TurnSample& turn : sample.turns) {
      turn.server.reset();
      obey(key.method, turn.cost);
    }
    if (sample.context) obey(key.method, *sample.context);
    calibration.sessions.push_back(std::move(sample));
  }
  return calibration;
}

const ProfileFit& fit_of(const Profile& profile, int method, const std::string& name) {
  const auto at = std::ranges::find_if(profile.fits, [&](const ProfileFit& fit) {
    return fit.method == method && fit.name == name;
  });
  REQUIRE(at != profile.fits.end());
  return *at;
}

// Predicted seconds of a turn that generated so many tokens, as lawful() has it: pairs are their
// square, operations and bytes are proportional to tokens, so that only the sum is determined.
double generation_seconds(const ProfileFit& fit, double tokens) {
  double seconds = 0;
  for (const ProfileCoefficient& coefficient : fit.coefficients) {
    if (coefficient.driver == "turns") seconds += coefficient.seconds;
    if (coefficient.driver == "tokens") seconds += coefficient.seconds * tokens;
    if (coefficient.driver == "attended_pairs") seconds += coefficient.seconds * tokens * tokens;
  }
  return seconds;
}

TEST_CASE("costs that obey a law are fitted to it, per method", "[cost_models][fit]") {
  const auto profile = fit_profile({{"a.pb", lawful(0)}});
  REQUIRE(profile.has_value());
  CHECK(generation_seconds(fit_of(*profile, 0, "generation"), 100) == Approx(0.12));
  CHECK(generation_seconds(fit_of(*profile, 1, "generation"), 100) == Approx(0.22));
  const ProfileFit& decode = fit_of(*profile, 0, "decode");
  const auto tokens = std::ranges::find(decode.coefficients, "tokens", &ProfileCoefficient::driver);
  REQUIRE(tokens != decode.coefficients.end());
  CHECK(tokens->seconds == Approx(0.03));
  CHECK(tokens->least >= 5);
  CHECK(tokens->most <= 24);
}

TEST_CASE("what is held out is predicted as well as the samples are", "[cost_models][fit]") {
  const auto profile = fit_profile({{"a.pb", lawful(0.04)}});
  REQUIRE(profile.has_value());
  for (const char* what : {"length", "session"}) {
    const ProfileFit& fit = fit_of(*profile, 0, "generation");
    const auto error = std::ranges::find(fit.held_out, what, &HeldOutError::what);
    REQUIRE(error != fit.held_out.end());
    CHECK(error->median > 0.005);  // noise of 4 % at most cannot be predicted
    CHECK(error->median < 0.03);
    CHECK(error->p90 < 0.06);
  }
  // The other method takes about half or twice as long.
  const ProfileFit& fit = fit_of(*profile, 0, "generation");
  const auto other = std::ranges::find(fit.held_out, "method", &HeldOutError::what);
  REQUIRE(other != fit.held_out.end());
  CHECK(other->median > 0.5);
}

TEST_CASE("two calibrations together say what one of both would", "[cost_models][fit]") {
  Calibration all = lawful(0.04), first = all, second = all;
  std::erase_if(first.sessions, [](const SessionSample& s) { return s.key.method != 0; });
  first.design.methods.pop_back();
  std::erase_if(second.sessions, [](const SessionSample& s) { return s.key.method != 1; });
  const auto together = fit_profile({{"a.pb", first}, {"b.pb", second}});
  const auto whole = fit_profile({{"all.pb", all}});
  REQUIRE(together.has_value());
  CHECK(together->design.methods.size() == 2);
  for (const int method : {0, 1}) {
    CHECK(generation_seconds(fit_of(*together, method, "generation"), 300) ==
          Approx(generation_seconds(fit_of(*whole, method, "generation"), 300)));
  }
}

TEST_CASE("a calibration taken twice has no more sessions than once", "[cost_models][fit]") {
  const Calibration once = lawful(0.04);
  Calibration other_seed = once;
  other_seed.design.seed += 1;
  const auto sessions = [](const auto& profile) { return profile->accuracy.front().sessions; };
  CHECK(sessions(fit_profile({{"a.pb", once}, {"b.pb", once}})) ==
        sessions(fit_profile({{"a.pb", once}})));
  CHECK(sessions(fit_profile({{"a.pb", once}, {"b.pb", other_seed}})) ==
        2 * sessions(fit_profile({{"a.pb", once}})));
}

TEST_CASE("calibrations of different models or devices are refused", "[cost_models][fit]") {
  const Calibration a = lawful(0);
  Calibration b = a;
  b.design.device.threads = 16;
  CHECK(fit_profile({{"a.pb", a}, {"b.pb", b}}).error().message ==
        "b.pb: the number of threads is 16, but in a.pb it is 2; a profile is of one model on one "
        "device");
  b = a;
  b.design.model.weights_hash = "sha256:11";
  CHECK(fit_profile({{"a.pb", a}, {"b.pb", b}})
            .error()
            .message.starts_with("b.pb: the model is tiny (sha256:11), but in a.pb it is"));
  b.sessions.clear();
  CHECK(fit_profile({{"b.pb", b}}).error().message ==
        "the calibrations have no samples of costs to fit");
}

TEST_CASE("accuracy lies between its neighbours and is not guessed outside", "[cost_models][fit]") {
  Profile profile;
  profile.design = test::some_design();
  const AccuracyCell cell = {.method = 0,
                             .task = "kv",
                             .turn = 1,
                             .tokens = 512,
                             .sessions = 8,
                             .strict = 0.9,
                             .compat = 1};
  AccuracyCell longer = cell;
  longer.tokens = 2048;
  longer.strict = 0.5;
  longer.sessions = 4;
  profile.accuracy = {cell, longer};
  const auto at = [&](double tokens) {
    return accuracy_at(profile, 0, "kv", SessionMode::kMultiTurn, 1, tokens);
  };
  CHECK(at(512)->strict == 0.9);
  CHECK_FALSE(at(512)->interpolated);
  CHECK(at(1024)->strict == Approx(0.7));  // half way in the logarithm
  CHECK(at(1024)->sessions == 4);
  CHECK(at(1024)->interpolated);
  CHECK_FALSE(at(500).has_value());
  CHECK_FALSE(at(2049).has_value());
  CHECK_FALSE(accuracy_at(profile, 0, "kv", SessionMode::kMultiRequest, 1, 512).has_value());
  CHECK_FALSE(accuracy_at(profile, 1, "kv", SessionMode::kMultiTurn, 1, 512).has_value());
}

TEST_CASE("a profile is read as it was written, and never in part", "[cost_models][fit]") {
  const auto profile = fit_profile({{"a.pb", lawful(0.04)}});
  REQUIRE(profile.has_value());
  const test::TemporaryFolder folder;
  const std::string path = folder.file("p.pb");
  REQUIRE(write_profile(path, *profile, "fit a.pb").has_value());
  const auto back = read_profile(path);
  REQUIRE(back.has_value());
  CHECK((back->fits == profile->fits));
  CHECK((back->accuracy == profile->accuracy));
  CHECK((back->densities == profile->densities));
  CHECK((back->sources == profile->sources));
  CHECK(profile_text(*back) == profile_text(*profile));

  const std::string again = folder.file("q.pb");
  REQUIRE(write_profile(again, *profile, "fit a.pb").has_value());
  const std::string bytes = *read_file(path);
  CHECK(bytes == *read_file(again));
  const std::string cut = folder.file("cut.pb");
  for (std::size_t size = 0; size < bytes.size(); size += 37) {
    test::overwrite(cut, bytes.substr(0, size));
    CHECK_FALSE(read_profile(cut).has_value());
  }
}

}  // namespace
}  // namespace scsim::cost_models
