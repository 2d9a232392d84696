#include "exec/engine/engine_clock.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "exec/api/cpu_timeline.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

using std::chrono::steady_clock;

class WallClock final : public EngineClock {
 public:
  std::string description() const override { return "steady clock"; }
  Timeline& timeline() override { return *timeline_; }
  TimePoint now() override {
    if (!began_) began_ = steady_clock::now();
    const std::chrono::nanoseconds since = steady_clock::now() - *began_;
    return TimePoint(since.count());
  }
  void wait_until(TimePoint then) override {
    constexpr std::int64_t kMost = 50'000'000;
    const std::int64_t left = std::min((then - now()).ns(), kMost);
    if (left > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left));
  }
  void stepped(Duration) override {}
  void waited(double) override {}  // the wall saw it

 private:
  std::optional<steady_clock::time_point> began_;
  std::unique_ptr<Timeline> timeline_ = wall_timeline();
};

// CPU time, and the seconds in which nothing was computed for want of bytes.
class CpuAndWaits final : public Timeline {
 public:
  explicit CpuAndWaits(int threads) : cpu_(cpu_timeline(threads)) {}
  std::size_t mark() override {
    waited_.push_back(so_far_);
    return cpu_->mark();
  }
  double seconds(std::size_t from, std::size_t to) override {
    return cpu_->seconds(from, to) + waited_[to] - waited_[from];
  }
  void clear() override {
    cpu_->clear();
    waited_.clear();
  }
  void wait(double seconds) { so_far_ += seconds; }

 private:
  std::unique_ptr<Timeline> cpu_;
  double so_far_ = 0;
  std::vector<double> waited_;  // at each mark
};

class CpuClock final : public EngineClock {
 public:
  explicit CpuClock(int threads) : threads_(threads), timeline_(threads) {}
  std::string description() const override { return cpu_clock_description(threads_); }
  Timeline& timeline() override { return timeline_; }
  TimePoint now() override { return now_; }
  void wait_until(TimePoint then) override { now_ = std::max(now_, then); }
  void stepped(Duration took) override { now_ = now_ + took; }
  void waited(double seconds) override { timeline_.wait(seconds); }

 private:
  int threads_;
  CpuAndWaits timeline_;
  TimePoint now_;
};

}  // namespace

Expected<std::unique_ptr<EngineClock>> make_engine_clock(const std::string& name, int threads) {
  if (name == "wall") return std::unique_ptr<EngineClock>(std::make_unique<WallClock>());
  if (name == "cpu") return std::unique_ptr<EngineClock>(std::make_unique<CpuClock>(threads));
  return Error{"--clock: " +
               unknown_name("clock", name, std::array<std::string, 2>{"wall", "cpu"})};
}

}  // namespace scsim::exec
