#include "cost_models/profile.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "cost_models/cost_model_table.h"
#include "cost_models/fit/fit_profile.h"
#include "tests/support/some_calibration.h"
#include "tests/support/some_steps.h"
#include "traces/rng.h"

namespace scsim::cost_models {
namespace {

CostModelInputs inputs_of(const Calibration& calibration, std::uint64_t draw = 0) {
  auto measured = std::make_shared<MeasuredCosts>();
  measured->path = "p.pb";
  measured->profile = *fit_profile({{"cal.pb", calibration}});
  measured->draw = draw;
  CostModelInputs inputs;
  inputs.model = *profiled_model(measured->profile);
  inputs.gpu = profiled_device(measured->profile);
  inputs.precision = *profiled_precision(measured->profile);
  inputs.profile = measured;
  return inputs;
}

std::unique_ptr<StepCostModel> profile_of(const Calibration& calibration, std::uint64_t draw = 0) {
  auto made = make_cost_model("profile", inputs_of(calibration, draw));
  REQUIRE(made.has_value());
  return *std::move(made);
}

// What the cost model says of a batch; sequences with one new token are decodes.
double seconds(const StepCostModel& model, const std::vector<std::int64_t>& fresh,
               const std::vector<std::int64_t>& cached, std::int64_t sampled,
               bool* extrapolated = nullptr) {
  StepShape shape;
  shape.sampled_sequences = sampled;
  double context = 0;
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    if (fresh[i] == 1) {
      ++shape.decode_sequences;
      context += static_cast<double>(cached[i] + 1);
      continue;
    }
    ++shape.prefill_sequences;
    shape.prefill_tokens += fresh[i];
    shape.prefill_pairs += causal_pairs(cached[i], fresh[i], 0);
    shape.prefill_cached_tokens += static_cast<double>(cached[i]);
  }
  const StepCost cost = model.step(shape);
  if (extrapolated != nullptr) *extrapolated = cost.extrapolated || context > cost.most_context;
  double sum = 0;
  for (std::size_t s = 0; s < kNumStages; ++s)
    sum += cost.fixed[s] + context * cost.per_context_token[s];
  return sum;
}

}  // namespace

TEST_CASE("steps that obey a law are predicted by it, whatever is in the batch",
          "[cost_models][profile]") {
  const auto exact = profile_of(test::step_calibration(240, 0));
  const auto noisy = profile_of(test::step_calibration(240, 0.05));
  for (const OperatorSample& sample : test::some_steps(300, 0, 1)) {
    const double truth = sample.seconds.front();
    const std::int64_t sampled = sample.dimensions.front().second;
    CHECK(seconds(*exact, sample.new_tokens, sample.cached_tokens, sampled) ==
          Approx(truth).epsilon(1e-6));
    CHECK(seconds(*noisy, sample.new_tokens, sample.cached_tokens, sampled) ==
          Approx(truth).epsilon(0.02));
  }
}

TEST_CASE("more tokens, contexts and sequences never cost less", "[cost_models][profile]") {
  const auto model = profile_of(test::step_calibration(60, 0.3));
  const double decode = seconds(*model, {1, 1}, {100, 200}, 2);
  CHECK(seconds(*model, {1, 1, 1}, {100, 200, 0}, 3) >= decode);
  CHECK(seconds(*model, {1, 1}, {100, 300}, 2) >= decode);
  double last = 0;
  for (const std::int64_t fresh : {2, 3, 4, 5, 16, 17, 64, 65, 256, 257, 500}) {
    const double now = seconds(*model, {fresh}, {1000}, 1);
    CHECK(now >= last);
    last = now;
  }
}

TEST_CASE("what was not sampled is told from what was", "[cost_models][profile]") {
  const auto model = profile_of(test::step_calibration(240, 0.02));
  const auto outside = [&](const std::vector<std::int64_t>& fresh,
                           const std::vector<std::int64_t>& cached) {
    bool extrapolated = false;
    seconds(*model, fresh, cached, std::ssize(fresh), &extrapolated);
    return extrapolated;
  };
  CHECK_FALSE(outside({1, 1, 1}, {500, 1000, 2000}));
  CHECK_FALSE(outside({300}, {2000}));
  CHECK(outside({3000}, {0}));                     // tokens
  CHECK(outside(std::vector<std::int64_t>(60, 1),  // sequences
                std::vector<std::int64_t>(60, 100)));
  CHECK(outside({1, 1, 1}, {100'000, 100'000, 100'000}));  // context of decodes
}

TEST_CASE("draws scatter about the fit as its standard errors say", "[cost_models][profile]") {
  const Calibration calibration = test::step_calibration(120, 0.2);
  const auto fixed_cost = [&](std::uint64_t draw) {
    return seconds(*profile_of(calibration, draw), {1}, {0}, 1);
  };
  CHECK(fixed_cost(7) == fixed_cost(7));
  const double fitted = fixed_cost(0);
  double squares = 0;
  constexpr int kDraws = 100;
  for (int i = 1; i <= kDraws; ++i)
    squares += std::pow(fixed_cost(static_cast<std::uint64_t>(i)) - fitted, 2);
  const double deviation = std::sqrt(squares / kDraws);
  const ProfileFit fit = inputs_of(calibration).profile->profile.fits.front();
  // One decode behind nothing: the sum of the coefficients that it has one unit of each of.
  const std::vector<std::string> ones = {"steps", "tokens_to_4", "decode_context", "sequences",
                                         "sampled"};
  double variance = 0;
  for (std::size_t i = 0; i < fit.coefficients.size(); ++i)
    for (std::size_t j = 0; j < fit.coefficients.size(); ++j)
      if (std::ranges::count(ones, fit.coefficients[i].driver) +
              std::ranges::count(ones, fit.coefficients[j].driver) ==
          2)
        variance += fit.covariance[i * fit.coefficients.size() + j];
  CHECK(deviation == Approx(std::sqrt(variance)).epsilon(0.35));
}

TEST_CASE("a profile says what it was measured on, how well it fits, and what is missing",
          "[cost_models][profile]") {
  const std::vector<std::string> honesty = profile_of(test::step_calibration(60, 0.02))->honesty();
  REQUIRE(honesty.size() == 1);
  CHECK(
      honesty[0].starts_with("calibrated: step costs are those of tiny on some processor, "
                             "measured (p.pb; cal.pb, commit abc, 2025-11-24): 60 samples of "
                             "engine_step, predicted without its length to "));

  CostModelInputs inputs = inputs_of(test::step_calibration(60, 0.02));
  inputs.parallel.tensor = 2;
  CHECK(make_cost_model("profile", inputs).error().message ==
        "\"profile\": p.pb was measured on one device; tensor_parallel, pipeline_parallel and "
        "expert_parallel have to be 1");
  inputs.profile = nullptr;
  inputs.parallel.tensor = 1;
  CHECK(make_cost_model("profile", inputs).error().message ==
        "\"profile\" needs a profile: --profile FILE");
}

// Stages of single requests: 20 ms a prompt and 1 ms a token of it, 30 ms a decoded token, which
// reads KV at 1 GB/s.
TEST_CASE("without engine steps the stages of single requests are added up",
          "[cost_models][profile]") {
  Calibration calibration;
  calibration.design = test::some_design();
  const auto at = [](SampleCost& cost, Stage stage) -> StageCost& {
    return cost.stages[static_cast<std::size_t>(stage)];
  };
  Rng rng(4, "tests.profile");
  std::int64_t order = 0;
  for (const SampleKey& key : test::all_keys(calibration.design)) {
    SessionSample sample = test::some_session(calibration.design, key, order++);
    sample.context.reset();
    for (TurnSample& turn : sample.turns) {
      turn.server.reset();
      turn.cost = SampleCost{};
      StageCost& generation = at(turn.cost, Stage::kGeneration);
      generation.tokens = 300 + static_cast<std::int64_t>(rng.below(1000));
      generation.seconds = 0.02 + 1e-3 * static_cast<double>(generation.tokens);
      StageCost& decode = at(turn.cost, Stage::kDecode);
      decode.tokens = 1 + static_cast<std::int64_t>(rng.below(50));
      decode.seconds = 0.03 * static_cast<double>(decode.tokens);
      StageCost& loading = at(turn.cost, Stage::kLoading);
      loading.bytes_read = 1'000'000 + static_cast<std::int64_t>(rng.below(100'000'000));
      loading.seconds = 1e-9 * static_cast<double>(loading.bytes_read);
    }
    calibration.sessions.push_back(std::move(sample));
  }
  const auto model = profile_of(calibration);
  CHECK(seconds(*model, {500}, {0}, 1) == Approx(0.02 + 0.5).epsilon(1e-3));
  // K and V of 2 layers of 2 heads of 16 elements of 4 bytes.
  const double token_bytes = 2.0 * 2 * 2 * 16 * 4;
  CHECK(seconds(*model, {1, 1}, {1000, 2000}, 2) ==
        Approx(2 * 0.03 + 3002 * token_bytes * 1e-9).epsilon(1e-3));
  const auto honesty = model->honesty();
  CHECK(std::ranges::any_of(honesty, [](const std::string& line) {
    return line.starts_with("no engine step was sampled: steps are put together");
  }));
}

TEST_CASE("a profile's model and device go by their names and by built-in ones",
          "[cost_models][profile]") {
  Profile profile;
  profile.design = test::some_design();
  CHECK(is_profiled_model(profile, "Tiny"));
  CHECK_FALSE(is_profiled_model(profile, "llama-3.1-8b"));
  CHECK(is_profiled_device(profile, "Some Processor"));
  CHECK(profiled_device(profile).name == "some processor");
  profile.design.device.name = "NVIDIA A100-SXM4-80GB";
  CHECK(is_profiled_device(profile, "a100"));
  CHECK_FALSE(is_profiled_device(profile, "h100"));
  CHECK(profiled_device(profile).name == "a100");
  profile.design.device.name = "NVIDIA GeForce RTX 4090";
  CHECK(profiled_device(profile).name == "rtx-4090");
  const ModelShape llama = *find_model("llama-3.1-8b");
  CalibrationModel& model = profile.design.model;
  model.name = "Meta Llama 3.1 8B Instruct";
  model.layers = 32, model.hidden = 4096, model.query_heads = 32, model.kv_heads = 8;
  model.head_dim = 128, model.vocabulary = llama.vocabulary;
  CHECK(is_profiled_model(profile, "llama-3.1-8b"));
  CHECK(profiled_model(profile)->cache_per_token(16).value() == llama.cache_per_token(16).value());
}

}  // namespace scsim::cost_models
