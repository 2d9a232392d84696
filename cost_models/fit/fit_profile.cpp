#include "cost_models/fit/fit_profile.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "cost_models/fit/drivers.h"
#include "cost_models/fit/least_squares.h"
#include "cost_models/step_drivers.h"
#include "traces/math.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

constexpr std::size_t kWorstKept = 3;

// One measured duration and what may explain it.
struct Row {
  std::vector<double> drivers;
  double seconds = 0;
  int group = 0;            // session
  std::int64_t length = 0;  // tokens of context, of operators the longest of all sequences
  std::int64_t batch = 0;   // sequences; of stages 1
  std::string where;
};
using Rows = std::vector<Row>;

std::vector<std::vector<double>> chosen(const Rows& rows, const std::vector<std::size_t>& columns) {
  std::vector<std::vector<double>> matrix;
  for (const Row& row : rows) {
    std::vector<double>& to = matrix.emplace_back();
    for (const std::size_t column : columns) to.push_back(row.drivers[column]);
  }
  return matrix;
}

// A fit on some of all drivers.
struct RowFit {
  std::vector<std::size_t> columns;
  LeastSquaresFit fit;

  double at(const Row& row) const {
    double sum = 0;
    for (std::size_t i = 0; i < columns.size(); ++i)
      sum += fit.coefficients[i] * row.drivers[columns[i]];
    return sum;
  }
};

RowFit fit_rows(const Rows& rows) {
  std::vector<std::vector<double>> all;
  for (const Row& row : rows) all.push_back(row.drivers);
  RowFit result{.columns = independent_columns(all), .fit = {}};
  LeastSquaresProblem problem;
  problem.rows = chosen(rows, result.columns);
  for (const Row& row : rows) {
    problem.values.push_back(row.seconds);
    problem.groups.push_back(row.group);
  }
  result.fit = fit_least_squares(problem);
  return result;
}

// The rows without the jumps at 16 rows of a product that do not stand out by two standard errors:
// whether a machine has them is a question, and where it has not they would explain noise.
Rows without_doubtful_jumps(Rows rows) {
  const RowFit fitted = fit_rows(rows);
  for (const StepDriver jump : {StepDriver::kMoreThan16Tokens, StepDriver::kMoreThan16Sampled}) {
    const auto driver = static_cast<std::size_t>(jump);
    const auto at = std::ranges::find(fitted.columns, driver);
    if (at == fitted.columns.end()) continue;
    const auto column = static_cast<std::size_t>(at - fitted.columns.begin());
    if (fitted.fit.coefficients[column] >= 2 * fitted.fit.error(column)) continue;
    for (Row& row : rows) row.drivers[driver] = 0;
  }
  return rows;
}

double relative_error(double predicted, double measured) {
  return std::abs(predicted - measured) / std::max(measured, LeastSquaresProblem{}.smallest);
}

double quantile(std::vector<double> values, double q) {
  std::ranges::sort(values);
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - std::floor(at)) * (values[high] - values[low]);
}

std::optional<HeldOutError> summarise(std::string what, const std::vector<double>& errors) {
  if (errors.empty()) return std::nullopt;
  return HeldOutError{.what = std::move(what),
                      .samples = std::ssize(errors),
                      .median = quantile(errors, 0.5),
                      .p90 = quantile(errors, 0.9)};
}

// Predicts each part of the rows from a fit to all others.
std::optional<HeldOutError> hold_out(const Rows& rows, std::string what,
                                     const std::function<std::int64_t(const Row&)>& part_of) {
  std::set<std::int64_t> parts;
  for (const Row& row : rows) parts.insert(part_of(row));
  if (parts.size() < 2) return std::nullopt;
  std::vector<double> errors;
  for (const std::int64_t part : parts) {
    Rows others;
    std::ranges::copy_if(rows, std::back_inserter(others),
                         [&](const Row& row) { return part_of(row) != part; });
    const RowFit fit = fit_rows(others);
    for (const Row& row : rows) {
      if (part_of(row) == part) errors.push_back(relative_error(fit.at(row), row.seconds));
    }
  }
  return summarise(std::move(what), errors);
}

std::vector<std::string> names_of(const std::vector<Driver>& drivers) {
  std::vector<std::string> names;
  for (const Driver driver : drivers) names.push_back(driver_name(driver));
  return names;
}

ProfileFit describe(const Rows& rows, const std::vector<std::string>& drivers, int method,
                    std::string name, std::vector<Residual>* residuals) {
  const RowFit fitted = fit_rows(rows);
  ProfileFit fit{.method = method,
                 .name = std::move(name),
                 .coefficients = {},
                 .covariance = {},
                 .samples = std::ssize(rows),
                 .share = 0,
                 .held_out = {},
                 .worst = {}};
  for (std::size_t i = 0; i < fitted.columns.size(); ++i) {
    const std::size_t column = fitted.columns[i];
    const auto [least, most] =
        std::ranges::minmax(rows, {}, [&](const Row& row) { return row.drivers[column]; });
    fit.coefficients.push_back({.driver = drivers[column],
                                .seconds = fitted.fit.coefficients[i],
                                .standard_error = fitted.fit.error(i),
                                .least = least.drivers[column],
                                .most = most.drivers[column]});
    fit.covariance.insert(fit.covariance.end(), fitted.fit.covariance[i].begin(),
                          fitted.fit.covariance[i].end());
  }
  std::vector<std::pair<double, const Row*>> by_error;
  for (const Row& row : rows)
    by_error.emplace_back(relative_error(fitted.at(row), row.seconds), &row);
  std::ranges::stable_sort(by_error, std::greater<>{}, &std::pair<double, const Row*>::first);
  by_error.resize(std::min(by_error.size(), kWorstKept));
  for (const auto& [error, row] : by_error)
    fit.worst.push_back({row->where, row->seconds, fitted.at(*row)});
  if (residuals == nullptr) return fit;
  for (const Row& row : rows) {
    Residual& residual = residuals->emplace_back(Residual{.method = method,
                                                          .fit = fit.name,
                                                          .where = row.where,
                                                          .measured = row.seconds,
                                                          .fitted = fitted.at(row),
                                                          .drivers = {}});
    for (std::size_t i = 0; i < drivers.size(); ++i)
      residual.drivers.emplace_back(drivers[i], row.drivers[i]);
  }
  return fit;
}

void add_if(std::vector<HeldOutError>& errors, std::optional<HeldOutError> error) {
  if (error) errors.push_back(*std::move(error));
}

// --- All calibrations as one.

class Merged {
 public:
  explicit Merged(std::vector<Residual>* residuals) : residuals_(residuals) {}

  Expected<void> add(const CalibrationFile& file) {
    const CalibrationDesign& design = file.calibration.design;
    if (profile.sources.empty()) {
      profile.design = design;
      profile.design.methods.clear();
      profile.design.tasks.clear();
      profile.design.lengths.clear();
    } else if (const auto same = check_same(file); !same) {
      return same;
    }
    for (const std::string& line : design.honesty) add_unique(profile.honesty, line);
    if (design.model.random_weights)
      add_unique(profile.honesty, "random weights: costs only, no accuracy");
    std::vector<int> methods;
    for (const CalibrationMethod& method : design.methods) methods.push_back(number_of(method));
    for (const CalibrationTask& task : design.tasks) {
      if (std::ranges::find(profile.design.tasks, task.name, &CalibrationTask::name) ==
          profile.design.tasks.end())
        profile.design.tasks.push_back(task);
    }
    for (const std::int64_t length : design.lengths) add_unique(profile.design.lengths, length);
    ProfileSource source{
        .path = file.path,
        .made_by = file.calibration.made_by,
        .commit = design.commit,
        .samples = std::ssize(file.calibration.sessions) + std::ssize(file.calibration.operators)};
    const auto took = [&source](std::int64_t at) {
      source.first_unix_ns = source.first_unix_ns == 0 ? at : std::min(source.first_unix_ns, at);
      source.last_unix_ns = std::max(source.last_unix_ns, at);
    };
    for (const SessionSample& sample : file.calibration.sessions) {
      took(sample.began_unix_ns);
      if (!sample.key.warm_up) add_session(design, sample, methods);
    }
    for (const OperatorSample& sample : file.calibration.operators) {
      took(sample.began_unix_ns);
      if (sample.name == kEngineStep) {
        if (const auto added = add_step(file, sample, methods); !added) return added;
      } else {
        add_operator(sample);
      }
    }
    profile.sources.push_back(std::move(source));
    return {};
  }

  void finish() {
    fit_stages();
    fit_compression();
    for (const auto& [name, rows] : operators_)
      fit_calls(rows, names_of(operator_drivers()), kOperatorFit, name);
    std::vector<std::string> step_drivers;
    for (std::size_t d = 0; d < kNumFittedStepDrivers; ++d)
      step_drivers.emplace_back(step_driver_name(static_cast<StepDriver>(d)));
    for (const auto& [method, rows] : steps_)
      fit_calls(without_doubtful_jumps(rows), step_drivers, method, std::string(kEngineStep));
    for (const auto& [key, sums] : accuracy_) {
      const auto& [method, task, mode, turn, tokens] = key;
      AccuracyCell cell{.method = method,
                        .task = task,
                        .mode = static_cast<SessionMode>(mode),
                        .turn = turn,
                        .tokens = tokens,
                        .sessions = std::ssize(sums)};
      for (const auto& [session, sum] : sums) {
        cell.strict += sum.strict / sum.count / static_cast<double>(sums.size());
        cell.compat += sum.compat / sum.count / static_cast<double>(sums.size());
      }
      profile.accuracy.push_back(std::move(cell));
    }
    for (const auto& [key, values] : densities_) {
      double mean = 0, squares = 0;
      const auto count = static_cast<double>(values.size());
      for (const double value : values) mean += value / count;
      for (const double value : values) squares += (value - mean) * (value - mean);
      profile.densities.push_back({.method = key.first,
                                   .tokens = key.second,
                                   .samples = std::ssize(values),
                                   .mean = mean,
                                   .deviation = count > 1 ? std::sqrt(squares / (count - 1)) : 0});
    }
  }

  bool empty() const { return stages_.empty() && operators_.empty() && steps_.empty(); }
  Profile profile;

 private:
  struct ScoreSum {
    double strict = 0, compat = 0, count = 0;
  };

  static void add_unique(auto& list, const auto& value) {
    if (std::ranges::find(list, value) == list.end()) list.push_back(value);
  }

  Expected<void> check_same(const CalibrationFile& file) const {
    const CalibrationDesign& here = file.calibration.design;
    const CalibrationDesign& there = profile.design;
    const auto differs = [&](const std::string& what, const std::string& is,
                             const std::string& was) -> Expected<void> {
      return Error{file.path + ": " + what + " is " + is + ", but in " +
                   profile.sources.front().path + " it is " + was +
                   "; a profile is of one model on one device"};
    };
    if (here.model.weights_hash != there.model.weights_hash)
      return differs("the model", here.model.name + " (" + here.model.weights_hash + ")",
                     there.model.name + " (" + there.model.weights_hash + ")");
    if (here.model.compute_type != there.model.compute_type)
      return differs("the type computed in", here.model.compute_type, there.model.compute_type);
    if (here.device.name != there.device.name || here.device.kind != there.device.kind)
      return differs("the device", here.device.name, there.device.name);
    if (here.device.threads != there.device.threads)
      return differs("the number of threads", std::to_string(here.device.threads),
                     std::to_string(there.device.threads));
    if (here.server != there.server) return differs("the server", here.server, there.server);
    return {};
  }

  int number_of(const CalibrationMethod& method) {
    auto& methods = profile.design.methods;
    const auto same = [&](const CalibrationMethod& known) {
      return known.name == method.name && known.preset == method.preset &&
             known.parameters == method.parameters && known.emulated == method.emulated;
    };
    const auto at = std::ranges::find_if(methods, same);
    if (at != methods.end()) return static_cast<int>(at - methods.begin());
    if (method.emulated) add_unique(profile.honesty, "emulated: " + method.name);
    methods.push_back(method);
    return static_cast<int>(methods.size()) - 1;
  }

  // One seed draws the same sessions again: in a second calibration they are no new ones.
  int session_number(const CalibrationDesign& design, int number) {
    return sessions_
        .try_emplace({design.seed, design.prompt_style, number}, static_cast<int>(sessions_.size()))
        .first->second;
  }

  void add_session(const CalibrationDesign& design, const SessionSample& sample,
                   const std::vector<int>& methods) {
    const int method = methods[static_cast<std::size_t>(sample.key.method)];
    const std::string& task = design.tasks[static_cast<std::size_t>(sample.key.task)].name;
    const SessionMode mode = design.modes[static_cast<std::size_t>(sample.key.mode)];
    const std::int64_t tokens = design.lengths[static_cast<std::size_t>(sample.key.length)];
    const int session = session_number(design, sample.key.session);
    const std::string where =
        task + ", " + std::string(kSessionModeNames[static_cast<std::size_t>(mode)]) + ", " +
        format_integer(tokens) + " tokens, session " + std::to_string(sample.key.session + 1);
    if (sample.context) {
      add_cost(method, *sample.context, session, tokens, where + ", context");
      add_density(method, *sample.context, tokens, sample.context_tokens, design.model);
    }
    for (const TurnSample& turn : sample.turns) {
      if (!turn.server) {
        add_cost(method, turn.cost, session, tokens,
                 where + ", turn " + std::to_string(turn.turn + 1));
        if (turn.cached_tokens == 0)
          add_density(method, turn.cost, tokens, turn.new_tokens, design.model);
      }
      if (!turn.score_strict || !turn.score_compat || design.model.random_weights) continue;
      const std::string name = turn.sub_task.empty() ? task : task + "/" + turn.sub_task;
      ScoreSum& sum = accuracy_[{method, name, static_cast<int>(mode), turn.turn, tokens}][session];
      sum.strict += *turn.score_strict;
      sum.compat += *turn.score_compat;
      sum.count += 1;
    }
  }

  void add_cost(int method, const SampleCost& cost, int session, std::int64_t tokens,
                const std::string& where) {
    for (std::size_t s = 0; s < kNumStages; ++s) {
      const StageCost& stage = cost.stages[s];
      if (stage.seconds <= 0) continue;
      Row row{.drivers = {},
              .seconds = stage.seconds,
              .group = session,
              .length = tokens,
              .batch = 1,
              .where = where};
      for (const Driver driver : stage_drivers(static_cast<Stage>(s)))
        row.drivers.push_back(driver_value(driver, stage));
      if (static_cast<Stage>(s) == Stage::kCompression) {
        Row of_prompt = row;
        const StageCost& prefill = cost.stages[static_cast<std::size_t>(Stage::kGeneration)];
        of_prompt.drivers = {1, static_cast<double>(prefill.tokens)};
        compressions_[method].push_back(std::move(of_prompt));
      }
      stages_[{method, s}].push_back(std::move(row));
    }
  }

  void add_density(int method, const SampleCost& cost, std::int64_t length, std::int64_t fresh,
                   const CalibrationModel& model) {
    const auto n = static_cast<double>(fresh);
    const double causal = n * (n + 1) / 2 * static_cast<double>(model.layers * model.query_heads);
    const StageCost& stage = cost.stages[static_cast<std::size_t>(Stage::kGeneration)];
    if (causal <= 0 || stage.attended_pairs <= 0) return;
    densities_[{method, length}].push_back(static_cast<double>(stage.attended_pairs) / causal);
  }

  static Row row_of(const OperatorSample& sample, std::size_t number) {
    Row row{.drivers = {},
            .seconds = quantile(sample.seconds, 0.5),
            .group = static_cast<int>(number),
            .length = 0,
            .batch = std::ssize(sample.new_tokens),
            .where = operator_key(sample)};
    for (std::size_t i = 0; i < sample.new_tokens.size(); ++i) {
      const std::int64_t cached = i < sample.cached_tokens.size() ? sample.cached_tokens[i] : 0;
      row.length = std::max(row.length, sample.new_tokens[i] + cached);
    }
    return row;
  }

  void add_operator(const OperatorSample& sample) {
    if (sample.seconds.empty()) return;
    Rows& rows = operators_[sample.name];
    Row row = row_of(sample, rows.size());
    for (const Driver driver : operator_drivers())
      row.drivers.push_back(driver_value(driver, sample));
    rows.push_back(std::move(row));
  }

  // `methods`: where the file's methods are in the profile's.
  Expected<void> add_step(const CalibrationFile& file, const OperatorSample& sample,
                          const std::vector<int>& methods) {
    if (sample.seconds.empty()) return {};
    const auto named = std::ranges::find(sample.dimensions, std::string("method"),
                                         [](const auto& dimension) { return dimension.first; });
    const std::int64_t place = named == sample.dimensions.end() ? 0 : named->second;
    if (place < 0 || place >= std::ssize(methods))
      return Error{file.path + ": an engine step is of method " + std::to_string(place) +
                   ", but there are " + std::to_string(methods.size())};
    const int method = methods[static_cast<std::size_t>(place)];
    const CalibrationModel& model = file.calibration.design.model;
    const StepWork work =
        step_work(sample, model.layers - model.recurrent_layers,
                  profile.design.methods[static_cast<std::size_t>(method)].name == "full");
    Rows& rows = steps_[method];
    Row row = row_of(sample, rows.size());
    row.drivers.assign(work.begin(), work.begin() + kNumFittedStepDrivers);
    rows.push_back(std::move(row));
    return {};
  }

  void fit_calls(const Rows& rows, const std::vector<std::string>& drivers, int method,
                 const std::string& name) {
    ProfileFit fit = describe(rows, drivers, method, name, residuals_);
    add_if(fit.held_out, hold_out(rows, "length", [](const Row& row) { return row.length; }));
    add_if(fit.held_out, hold_out(rows, "batch", [](const Row& row) { return row.batch; }));
    profile.fits.push_back(std::move(fit));
  }

  void fit_stages() {
    std::map<int, double> seconds_of;  // a method
    for (const auto& [key, rows] : stages_)
      for (const Row& row : rows) seconds_of[key.first] += row.seconds;
    for (const auto& [key, rows] : stages_) {
      const auto& [method, s] = key;
      const auto stage = static_cast<Stage>(s);
      ProfileFit fit = describe(rows, names_of(stage_drivers(stage)), method,
                                std::string(kStageNames[s]), residuals_);
      for (const Row& row : rows) fit.share += row.seconds / seconds_of[method];
      add_if(fit.held_out, hold_out(rows, "length", [](const Row& row) { return row.length; }));
      add_if(fit.held_out, hold_out(rows, "session", [](const Row& row) { return row.group; }));
      Rows others;
      for (const auto& [other, other_rows] : stages_) {
        if (other.second == s && other.first != method)
          others.insert(others.end(), other_rows.begin(), other_rows.end());
      }
      if (!others.empty()) {
        const RowFit from_others = fit_rows(others);
        std::vector<double> errors;
        for (const Row& row : rows)
          errors.push_back(relative_error(from_others.at(row), row.seconds));
        add_if(fit.held_out, summarise("method", errors));
      }
      profile.fits.push_back(std::move(fit));
    }
  }

  // What a simulator can know of it: that a prompt ended, and how many tokens it computed.
  void fit_compression() {
    for (const auto& [method, rows] : compressions_)
      profile.fits.push_back(
          describe(rows, {"turns", "tokens"}, method, std::string(kCompressionOfPrompts), nullptr));
  }

  std::vector<Residual>* residuals_;
  std::map<std::tuple<std::uint64_t, std::string, int>, int> sessions_;  // seed, style, number
  std::map<std::pair<int, std::size_t>, Rows> stages_;                   // method, stage
  std::map<int, Rows> compressions_;                                     // by method
  std::map<std::string, Rows> operators_;
  std::map<int, Rows> steps_;  // of engines, by method
  std::map<std::tuple<int, std::string, int, int, std::int64_t>, std::map<int, ScoreSum>> accuracy_;
  std::map<std::pair<int, std::int64_t>, std::vector<double>> densities_;
};

}  // namespace

Expected<Profile> fit_profile(const std::vector<CalibrationFile>& files,
                              std::vector<Residual>* residuals) {
  Merged merged(residuals);
  for (const CalibrationFile& file : files) {
    if (const auto added = merged.add(file); !added) return added.error();
  }
  if (merged.empty()) return Error{"the calibrations have no samples of costs to fit"};
  merged.finish();
  return std::move(merged.profile);
}

std::optional<AccuracyBetween> cells_around(const Profile& profile, int method,
                                            const std::string& task, SessionMode mode, int turn,
                                            double tokens) {
  std::optional<std::size_t> below, above;
  const std::vector<AccuracyCell>& cells = profile.accuracy;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const AccuracyCell& cell = cells[i];
    if (cell.method != method || cell.task != task || cell.mode != mode || cell.turn != turn)
      continue;
    const auto at = static_cast<double>(cell.tokens);
    if (at <= tokens && (!below || cell.tokens > cells[*below].tokens)) below = i;
    if (at >= tokens && (!above || cell.tokens < cells[*above].tokens)) above = i;
  }
  if (!below || !above) return std::nullopt;
  const auto low = static_cast<double>(cells[*below].tokens);
  const auto high = static_cast<double>(cells[*above].tokens);
  return AccuracyBetween{
      .below = *below,
      .above = *above,
      .part = high > low ? stable_log(tokens / low) / stable_log(high / low) : 0};
}

std::optional<Accuracy> accuracy_at(const Profile& profile, int method, const std::string& task,
                                    SessionMode mode, int turn, double tokens) {
  const auto between = cells_around(profile, method, task, mode, turn, tokens);
  if (!between) return std::nullopt;
  const AccuracyCell& below = profile.accuracy[between->below];
  const AccuracyCell& above = profile.accuracy[between->above];
  return Accuracy{.strict = below.strict + between->part * (above.strict - below.strict),
                  .compat = below.compat + between->part * (above.compat - below.compat),
                  .sessions = std::min(below.sessions, above.sessions),
                  .interpolated = above.tokens > below.tokens};
}

}  // namespace scsim::cost_models
