#include "cost_models/profile.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "cost_models/cost_model_table.h"
#include "cost_models/step_drivers.h"
#include "traces/rng.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

constexpr auto kDecodeContext = static_cast<std::size_t>(StepDriver::kDecodeContext);
// A driver is outside of what was sampled when it is beyond it by more than this part of it.
constexpr double kTolerance = 0.02;

// Seconds per unit of each driver, and where it was sampled.
struct Coefficients {
  StepWork seconds{};
  StepWork least{}, most{};
  Coefficients() { most.fill(std::numeric_limits<double>::infinity()); }

  double& of(StepDriver driver) { return seconds[static_cast<std::size_t>(driver)]; }
  double& most_of(StepDriver driver) { return most[static_cast<std::size_t>(driver)]; }
};

const ProfileFit* find_fit(const Profile& profile, int method, std::string_view name) {
  const auto found = std::ranges::find_if(profile.fits, [&](const ProfileFit& fit) {
    return fit.method == method && fit.name == name;
  });
  return found == profile.fits.end() ? nullptr : &*found;
}

// The coefficients as fitted, or drawn from a normal distribution of their covariance (its Cholesky
// factor times independent ones; those held at 0 have none). Where only the sum of two is known
// well, one of them may come out negative.
std::vector<double> drawn(const ProfileFit& fit, std::uint64_t draw) {
  const std::size_t n = fit.coefficients.size();
  std::vector<double> values(n), normal(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = fit.coefficients[i].seconds;
  if (draw == 0) return values;
  Rng rng(draw, "cost_models.profile " + fit.name + " " + std::to_string(fit.method));
  for (double& number : normal) number = rng.normal();
  std::vector<double> lower(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double rest = fit.covariance[i * n + j];
      for (std::size_t k = 0; k < j; ++k) rest -= lower[i * n + k] * lower[j * n + k];
      const double pivot = lower[j * n + j];
      lower[i * n + j] = i == j ? std::sqrt(std::max(rest, 0.0)) : pivot > 0 ? rest / pivot : 0;
      values[i] += lower[i * n + j] * normal[j];
    }
  }
  return values;
}

// "41 engine_steps, held out: length 2.1 % (90 %: 6 %), batch ..."
std::string quality(const ProfileFit& fit) {
  std::string text = format_integer(fit.samples) + " samples of " + fit.name;
  const char* between = ", predicted without its ";
  for (const HeldOutError& error : fit.held_out) {
    text += between + error.what + " to " + format_percent(error.median) + " (9 of 10 to " +
            format_percent(error.p90) + ")";
    between = ", ";
  }
  return text;
}

std::string day(std::int64_t unix_ns) {
  const std::chrono::sys_days days{std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(unix_ns)))};
  const std::chrono::year_month_day date{days};
  const auto two = [](unsigned number) {
    return (number < 10 ? "-0" : "-") + std::to_string(number);
  };
  return std::to_string(static_cast<int>(date.year())) + two(static_cast<unsigned>(date.month())) +
         two(static_cast<unsigned>(date.day()));
}

std::string calibrated_by(const MeasuredCosts& costs) {
  const Profile& profile = costs.profile;
  std::string text = "calibrated: step costs are those of " + profile.design.model.name + " on " +
                     profile.design.device.name + ", measured (" + costs.path;
  for (const ProfileSource& source : profile.sources) {
    text += "; " + source.path + ", commit " + source.commit.substr(0, 12) + ", " +
            day(source.last_unix_ns);
  }
  return text + ")";
}

class ProfiledSteps final : public StepCostModel {
 public:
  ProfiledSteps(const Coefficients& coefficients, std::vector<std::string> honesty)
      : coefficients_(coefficients), honesty_(std::move(honesty)) {}

  StepCost step(const StepShape& shape) const override;
  const std::vector<std::int64_t>& windows() const override { return windows_; }
  std::vector<std::string> honesty() const override { return honesty_; }

 private:
  Coefficients coefficients_;
  std::vector<std::string> honesty_;
  std::vector<std::int64_t> windows_;
};

// Which share of a driver's seconds is a prefill's; the rest is the decodes'.
double prefill_share(StepDriver driver, const StepShape& shape) {
  using enum StepDriver;
  const auto part = [](std::int64_t some, std::int64_t others) {
    return some + others == 0 ? 0 : static_cast<double>(some) / static_cast<double>(some + others);
  };
  switch (driver) {
    case kPrefillPairs:
    case kPrefillContext:
    case kPrefillTokens:
    case kPrefillTokensTo64:
    case kPrefillTokensTo256:
    case kPrefills:
    case kPrefillEnds:
      return 1;
    case kDecodes:
    case kDecodeContext:
      return 0;
    case kSequences:
      return part(shape.prefill_sequences, shape.decode_sequences);
    case kSampled:
      return part(shape.sampled_sequences - shape.decode_sequences, shape.decode_sequences);
    default:
      return part(shape.prefill_tokens, shape.decode_sequences);
  }
}

StepCost ProfiledSteps::step(const StepShape& shape) const {
  StepCost cost;
  const auto loading = static_cast<std::size_t>(Stage::kLoading);
  cost.per_context_token[loading] = std::max(coefficients_.seconds[kDecodeContext], 0.0);
  if (coefficients_.seconds[kDecodeContext] > 0)
    cost.most_context = coefficients_.most[kDecodeContext] * (1 + kTolerance);
  const StepWork work = step_work(shape);
  for (std::size_t i = 0; i < kNumStepDrivers; ++i) {
    const double seconds = coefficients_.seconds[i] * work[i];
    const double share = prefill_share(static_cast<StepDriver>(i), shape);
    cost.fixed[static_cast<std::size_t>(Stage::kGeneration)] += share * seconds;
    cost.fixed[static_cast<std::size_t>(Stage::kDecode)] += (1 - share) * seconds;
    cost.extrapolated |= coefficients_.seconds[i] != 0 && i != kDecodeContext &&
                         (work[i] > coefficients_.most[i] * (1 + kTolerance) ||
                          work[i] < coefficients_.least[i] * (1 - kTolerance));
  }
  for (double& seconds : cost.fixed) seconds = std::max(seconds, 0.0);  // of drawn coefficients
  return cost;
}

Coefficients of_engine_steps(const ProfileFit& fit, std::uint64_t draw) {
  Coefficients result;
  const std::vector<double> seconds = drawn(fit, draw);
  for (std::size_t i = 0; i < fit.coefficients.size(); ++i) {
    const ProfileCoefficient& from = fit.coefficients[i];
    for (std::size_t d = 0; d < kNumFittedStepDrivers; ++d) {
      if (step_driver_name(static_cast<StepDriver>(d)) != from.driver) continue;
      result.seconds[d] = seconds[i];
      result.least[d] = from.least;
      result.most[d] = from.most;
    }
  }
  return result;
}

// Steps put together from the stages of single requests.
class FromStages {
 public:
  FromStages(const MeasuredCosts& costs, int method) : costs_(costs), method_(method) {
    const CalibrationModel& model = costs.profile.design.model;
    layers_ = static_cast<double>(model.layers - model.recurrent_layers);
    pairs_ = layers_ * static_cast<double>(model.query_heads);
    operations_of_pair_ = 4 * static_cast<double>(model.head_dim);
    operations_of_token_ =
        2 * static_cast<double>(model.parameters - model.vocabulary * model.hidden);
  }

  Expected<Coefficients> make(double bytes_per_token) {
    using enum StepDriver;
    if (!each("generation", [&](const std::string& driver, double seconds, double most) {
          if (driver == "tokens") to_.most_of(kPrefillTokens) = most;
          if (driver == "attended_pairs") to_.most_of(kPrefillPairs) = most / pairs_;
          if (driver == "turns") to_.of(kPrefills) += seconds;
          if (driver == "tokens") to_.of(kPrefillTokens) += seconds;
          if (driver == "tokens_to_64") to_.of(kPrefillTokensTo64) += seconds;
          if (driver == "tokens_to_256") to_.of(kPrefillTokensTo256) += seconds;
          if (driver == "attended_pairs") to_.of(kPrefillPairs) += seconds * pairs_;
          if (driver == "bytes_read") to_.of(kPrefillContext) += seconds * bytes_per_token;
          if (driver != "operations") return;
          to_.of(kPrefillTokens) += seconds * operations_of_token_;
          to_.of(kPrefillPairs) += seconds * operations_of_pair_ * pairs_;
        }))
      return missing("generation");
    if (!each("loading", [&](const std::string& driver, double seconds, double) {
          if (driver == "entries") to_.of(kDecodes) += seconds * layers_;
          if (driver == "turns") to_.of(kPrefillEnds) += seconds;
          if (driver == "bytes_read") to_.of(kDecodeContext) += seconds * bytes_per_token;
          if (driver == "operations")
            to_.of(kDecodeContext) += seconds * operations_of_pair_ * pairs_;
        }))
      return missing("loading");
    if (!each("decode", [&](const std::string& driver, double seconds, double) {
          if (driver == "tokens" || driver == "entries") to_.of(kDecodes) += seconds;
          if (driver == "turns") to_.of(kPrefillEnds) += seconds;
          if (driver == "operations") to_.of(kDecodes) += seconds * operations_of_token_;
        }))
      return missing("decode");
    return to_;
  }

 private:
  template <class Take>
  bool each(const std::string& stage, Take take) {
    const ProfileFit* fit = find_fit(costs_.profile, method_, stage);
    if (fit == nullptr) return false;
    const std::vector<double> seconds = drawn(*fit, costs_.draw);
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      take(fit->coefficients[i].driver, seconds[i], fit->coefficients[i].most);
    }
    return true;
  }
  Error missing(const std::string& stage) const {
    return Error{costs_.path + ": it has neither engine steps nor the stage " + stage +
                 " of full attention; sample steps with `scexec kernels`"};
  }

  const MeasuredCosts& costs_;
  int method_;
  double layers_, pairs_, operations_of_pair_, operations_of_token_;
  Coefficients to_;
};

std::unique_ptr<StepCostModel> made(const Coefficients& coefficients,
                                    std::vector<std::string> honesty) {
  return std::make_unique<ProfiledSteps>(coefficients, std::move(honesty));
}

Expected<std::unique_ptr<StepCostModel>> make(const CostModelInputs& inputs) {
  if (inputs.profile == nullptr) return Error{"\"profile\" needs a profile: --profile FILE"};
  const MeasuredCosts& costs = *inputs.profile;
  const Parallel& parallel = inputs.parallel;
  if (parallel.tensor * parallel.pipeline * parallel.expert != 1)
    return Error{"\"profile\": " + costs.path +
                 " was measured on one device; tensor_parallel, "
                 "pipeline_parallel and expert_parallel have to be 1"};
  std::vector<std::string> honesty = {calibrated_by(costs)};
  for (const std::string& line : costs.profile.honesty) honesty.push_back(costs.path + ": " + line);
  const int full = full_method(costs.profile).value_or(0);
  int method = inputs.method.value_or(full);
  if (method != full && find_fit(costs.profile, method, kEngineStep) == nullptr) {
    honesty.push_back("no engine step of " +
                      costs.profile.design.methods[static_cast<std::size_t>(method)].name +
                      " was sampled: steps are those of full attention with what the method "
                      "attends and reads");
    method = full;
  }
  if (const ProfileFit* fit = find_fit(costs.profile, method, kEngineStep)) {
    honesty.front() += ": " + quality(*fit);
    return made(of_engine_steps(*fit, costs.draw), std::move(honesty));
  }
  const double bytes = inputs.model.cache_per_token(inputs.precision.cache_bits).value();
  auto coefficients = FromStages(costs, method).make(bytes);
  if (!coefficients) return coefficients.error();
  for (const char* stage : {"generation", "loading", "decode"})
    honesty.front() += "; " + quality(*find_fit(costs.profile, method, stage));
  honesty.push_back(
      "no engine step was sampled: steps are put together from stages measured one "
      "request at a time, and a batch costs the sum of its requests");
  return made(*coefficients, std::move(honesty));
}

}  // namespace

CostModelEntry profile_cost_model() {
  return {.name = "profile",
          .sentence = "what steps of this model took on this device, as `scsim fit` fitted them",
          .source = "your own calibration: --profile FILE",
          .make = make};
}

}  // namespace scsim::cost_models
