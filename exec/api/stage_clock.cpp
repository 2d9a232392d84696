#include "exec/api/stage_clock.h"

#include <chrono>

#include "traces/check.h"

namespace scsim::exec {
namespace {

class WallTimeline : public Timeline {
 public:
  std::size_t mark() override {
    moments_.push_back(std::chrono::steady_clock::now());
    return moments_.size() - 1;
  }
  double seconds(std::size_t from, std::size_t to) override {
    return std::chrono::duration<double>(moments_[to] - moments_[from]).count();
  }
  void clear() override { moments_.clear(); }

 private:
  std::vector<std::chrono::steady_clock::time_point> moments_;
};

}  // namespace

std::unique_ptr<Timeline> wall_timeline() { return std::make_unique<WallTimeline>(); }

void StageClock::start() {
  SCSIM_CHECK(!running_);
  timeline_.clear();
  marks_.clear();
  entries_ = {};
  running_ = true;
  marks_.push_back({timeline_.mark(), Stage::kOther});
}

StageTimes StageClock::stop() {
  SCSIM_CHECK(running_);
  SCSIM_CHECK(nested_.empty());
  marks_.push_back({timeline_.mark(), Stage::kOther});
  running_ = false;
  StageTimes times;
  times.entries = entries_;
  for (std::size_t i = 0; i + 1 < marks_.size(); ++i) {
    times.seconds[static_cast<std::size_t>(marks_[i].stage)] +=
        timeline_.seconds(marks_[i].moment, marks_[i + 1].moment);
  }
  for (const double seconds : times.seconds) times.total += seconds;
  return times;
}

void StageClock::enter(Stage stage) {
  SCSIM_CHECK(running_);
  nested_.push_back(stage);
  ++entries_[static_cast<std::size_t>(stage)];
  marks_.push_back({timeline_.mark(), stage});
}

void StageClock::leave() {
  SCSIM_CHECK(running_);
  nested_.pop_back();
  marks_.push_back({timeline_.mark(), nested_.empty() ? Stage::kOther : nested_.back()});
}

}  // namespace scsim::exec
