#include "exec/api/cpu_timeline.h"

#include <time.h>

#include <cstdint>
#include <vector>

#include "traces/check.h"

namespace scsim::exec {
namespace {

class CpuTimeline final : public Timeline {
 public:
  explicit CpuTimeline(int threads) : threads_(threads) {}
  std::size_t mark() override {
    timespec now{};
    SCSIM_CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    moments_.push_back(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
    return moments_.size() - 1;
  }
  double seconds(std::size_t from, std::size_t to) override {
    return static_cast<double>(moments_[to] - moments_[from]) * 1e-9 / threads_;
  }
  void clear() override { moments_.clear(); }

 private:
  int threads_;
  std::vector<std::int64_t> moments_;  // nanoseconds
};

}  // namespace

std::unique_ptr<Timeline> cpu_timeline(int threads) {
  return std::make_unique<CpuTimeline>(threads);
}

std::string cpu_clock_description(int threads) {
  return "process CPU time of " + std::to_string(threads) +
         (threads == 1 ? " thread" : " threads, divided by their number");
}

}  // namespace scsim::exec
