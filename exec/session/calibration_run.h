// A calibration as it runs, whatever it measures: what is there already is left out, how long the
// rest takes is said beforehand, and each sample is in the file before the next one is taken.
//
//   class Mine : public SampleTaker { ... };        // our own runtime, a server
//   Expected<CalibrationReport> report = run_calibration(design, mine, writer, hear);
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "traces/calibration.h"
#include "traces/expected.h"

namespace scsim::exec {

struct CalibrateNews {
  double fraction = 0;       // of all samples' estimated seconds
  std::int64_t samples = 0;  // there
  std::string sentence;      // not empty: to be told once
};

struct CalibrationReport {
  std::int64_t measured = 0, resumed = 0;
  double seconds = 0;  // of this start
};

// Rates of what is measured, from the session that warms up: good enough to say how long the rest
// will take.
class Pace {
 public:
  void hear(std::int64_t prefilled, double prefill_seconds, std::int64_t decoded,
            double decode_seconds);
  double seconds(double prefilled, double decoded) const;

 private:
  double prefilled_ = 0, prefill_seconds_ = 0, decoded_ = 0, decode_seconds_ = 0;
};

// Takes one sample after another, in the order in which they are planned.
class SampleTaker {
 public:
  virtual ~SampleTaker() = default;
  // Runs the block's session once, for nothing but warmth and pace.
  virtual Expected<void> warm_up(const SampleKey& block) = 0;
  // Of each of the block's samples, at most. Makes its session: what is missing is said here,
  // before anything is measured.
  virtual Expected<double> most_seconds(const SampleKey& block) = 0;
  // Gets ready for these samples of the block, which take() will be asked for next.
  virtual Expected<void> begin_block(const SampleKey& block,
                                     std::span<const SampleKey> samples) = 0;
  // All of it but key, order and date.
  virtual Expected<SessionSample> take(const SampleKey& key) = 0;
};

// Ends with a finished file, or with the error of the sample in flight; those before it are kept.
Expected<CalibrationReport> run_calibration(const CalibrationDesign& design, SampleTaker& taker,
                                            CalibrationWriter& writer,
                                            const std::function<void(const CalibrateNews&)>& hear);

}  // namespace scsim::exec
