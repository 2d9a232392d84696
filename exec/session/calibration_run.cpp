#include "exec/session/calibration_run.h"

#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "exec/session/calibration_plan.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t unix_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class Run {
 public:
  Run(const CalibrationDesign& design, SampleTaker& taker, CalibrationWriter& writer,
      const std::function<void(const CalibrateNews&)>& hear)
      : blocks_(plan_blocks(design)), taker_(taker), writer_(writer), hear_(hear) {}

  Expected<CalibrationReport> run() {
    const Clock::time_point started = Clock::now();
    CalibrationReport report{.resumed = static_cast<std::int64_t>(writer_.resumed())};
    if (const auto warm = taker_.warm_up(blocks_.front().key); !warm) return warm.error();
    if (const auto estimated = estimate(); !estimated) return estimated.error();
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const Expected<std::int64_t> measured = run_block(blocks_[i], block_seconds_[i]);
      if (!measured) return measured.error();
      report.measured += *measured;
    }
    if (const auto finished = writer_.finish(); !finished) return finished.error();
    report.seconds = seconds_since(started);
    return report;
  }

 private:
  // Every session is made once before anything is measured.
  Expected<void> estimate() {
    std::map<SampleKey, double> seconds_of;  // of a session, whichever its repeat
    double left = 0;
    std::int64_t samples = 0;
    for (const PlannedBlock& block : blocks_) {
      SampleKey key = block.key;
      key.repeat = 0;
      auto known = seconds_of.find(key);
      if (known == seconds_of.end()) {
        const Expected<double> most = taker_.most_seconds(key);
        if (!most) return most.error();
        known = seconds_of.emplace(key, *most).first;
      }
      const double each = known->second;
      block_seconds_.push_back(each);
      total_seconds_ += each * static_cast<double>(block.samples.size());
      for (const PlannedSample& sample : block.samples) {
        if (writer_.has(sample.key)) {
          done_seconds_ += each;
        } else {
          left += each;
          ++samples;
        }
      }
    }
    tell(format_integer(samples) + " samples to take, in at most " + format_seconds(left));
    return {};
  }

  Expected<std::int64_t> run_block(const PlannedBlock& block, double each) {
    std::vector<PlannedSample> missing;
    std::vector<SampleKey> keys;
    for (const PlannedSample& planned : block.samples) {
      if (writer_.has(planned.key)) continue;
      missing.push_back(planned);
      keys.push_back(planned.key);
    }
    if (missing.empty()) return 0;
    if (const auto ready = taker_.begin_block(block.key, keys); !ready) return ready.error();
    for (const PlannedSample& planned : missing) {
      const std::int64_t began = unix_ns();
      Expected<SessionSample> sample = taker_.take(planned.key);
      if (!sample) return sample.error();
      sample->key = planned.key;
      sample->order = planned.order;
      sample->began_unix_ns = began;
      if (const auto written = writer_.append(*sample); !written) return written.error();
      done_seconds_ += each;
      tell("");
    }
    return static_cast<std::int64_t>(missing.size());
  }

  void tell(std::string sentence) const {
    hear_({.fraction = total_seconds_ > 0 ? done_seconds_ / total_seconds_ : 0,
           .samples = static_cast<std::int64_t>(writer_.sessions()),
           .sentence = std::move(sentence)});
  }

  std::vector<PlannedBlock> blocks_;
  SampleTaker& taker_;
  CalibrationWriter& writer_;
  const std::function<void(const CalibrateNews&)>& hear_;
  std::vector<double> block_seconds_;  // of one sample of each
  double total_seconds_ = 0, done_seconds_ = 0;
};

}  // namespace

void Pace::hear(std::int64_t prefilled, double prefill_seconds, std::int64_t decoded,
                double decode_seconds) {
  prefilled_ += static_cast<double>(prefilled);
  prefill_seconds_ += prefill_seconds;
  decoded_ += static_cast<double>(decoded);
  decode_seconds_ += decode_seconds;
}

double Pace::seconds(double prefilled, double decoded) const {
  double seconds = 0;
  if (prefilled_ > 0) seconds += prefilled * prefill_seconds_ / prefilled_;
  if (decoded_ > 0) seconds += decoded * decode_seconds_ / decoded_;
  return seconds;
}

Expected<CalibrationReport> run_calibration(const CalibrationDesign& design, SampleTaker& taker,
                                            CalibrationWriter& writer,
                                            const std::function<void(const CalibrateNews&)>& hear) {
  return Run(design, taker, writer, hear).run();
}

}  // namespace scsim::exec
