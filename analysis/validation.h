// Simulated against real: the same trace, run once by the simulator and once or more by a real
// engine.
//
//   Expected<Validation> validation = validate(simulated, {real_1, real_2, real_3});
//   std::fputs(validation_text(*validation).c_str(), stdout);
//
// Requests are matched by their place in the trace; all that finished in every run are compared, a
// warm-up included, as the simulator has to be right about that too. A real quantity is the median
// of its runs, and its spread how far the furthest run is from that. An error within 1.5 spreads is
// what the real engine does to itself, so a bar is the larger of its own limit and that; without
// repeated runs it is its own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/summary.h"
#include "traces/expected.h"
#include "traces/result.h"

namespace scsim::analysis {

struct ValidatedQuantity {
  enum class Unit : std::uint8_t { kSeconds, kShare, kCount, kBytes };
  std::string name;
  Unit unit = Unit::kSeconds;
  double real = 0, simulated = 0;
  // Of shares the difference, of others relative to the real one; likewise the spread.
  double error = 0;
  std::optional<double> spread = {};  // several real runs
  std::optional<double> bar = {};     // what |error| may be
  bool met() const;
};

// Over requests: the size of the error relative to the real value, and how the two go together.
struct ValidatedRequests {
  std::string name;  // "TTFT"
  std::int64_t requests = 0;
  double median = 0, p90 = 0;  // of |simulated - real| / real
  double correlation = 0;      // Pearson's, of the values; 0 where one of the two does not vary
  std::optional<double> real_median = {},
                        real_p90 = {};  // the same of the second real run against the first
};

struct ValidatedStage {
  Stage stage = Stage::kOther;
  double real = 0, simulated = 0;  // mean seconds of a request
};

// Requests whose prompts came mostly from one place in the first real run: the engine's own blocks
// ("engine"), a tier, or the model ("computed"). Medians of TTFT in seconds.
struct ValidatedPath {
  std::string name;
  std::int64_t requests = 0, same = 0;  // same: the simulation had them from there too
  double real = 0, simulated = 0;
  std::optional<double> spread = {};  // relative, of several real runs
};

struct Validation {
  std::int64_t requests = 0, left_out = 0;  // left out: did not finish in every run
  std::size_t real_runs = 0;
  std::string load;  // of the first real run: the verdict of its summary
  bool saturated = false;
  std::vector<ValidatedQuantity> quantities;
  std::vector<ValidatedRequests> by_request;
  std::vector<ValidatedPath> paths;    // where there is more than one
  std::vector<ValidatedStage> stages;  // the furthest off first
  std::vector<std::string> simulated_honesty, real_honesty;

  // Every bar is met; absent for a saturated run, of which no bar is asked.
  std::optional<bool> bars_met() const;
};

// The requests that finished in every run, each as it was in run 0, the simulated one, 1, ...
using Matched = std::vector<std::vector<const RequestResult*>>;
std::vector<ValidatedPath> validated_paths(const std::vector<const Result*>& runs,
                                           const Matched& matched);

// The error says where the runs are not of the same trace. REQUIRES: a real run.
Expected<Validation> validate(const Result& simulated, const std::vector<Result>& real);

std::string validation_text(const Validation& validation);  // at most 100 columns
// One number a line: part, name, what, value.
std::string validation_csv(const Validation& validation);

}  // namespace scsim::analysis
