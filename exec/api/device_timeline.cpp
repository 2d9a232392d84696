#include "exec/api/device_timeline.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <vector>

namespace scsim::exec {
namespace {

// Events of cleared marks are recorded again, since making one costs more than recording it.
class EventTimeline : public Timeline {
 public:
  explicit EventTimeline(at::Device device) : device_(device), guard_(device.type()) {}

  std::size_t mark() override {
    if (used_ == events_.size()) {
      events_.emplace_back(device_.type(), c10::EventFlag::BACKEND_DEFAULT);  // with timing
    }
    events_[used_].record(guard_.getStream(device_));
    return used_++;
  }
  double seconds(std::size_t from, std::size_t to) override {
    events_[to].synchronize();
    return events_[from].elapsedTime(events_[to]) * 1e-3;
  }
  void clear() override { used_ = 0; }

 private:
  at::Device device_;
  c10::impl::VirtualGuardImpl guard_;
  std::vector<c10::Event> events_;
  std::size_t used_ = 0;
};

}  // namespace

std::unique_ptr<Timeline> timeline_for(at::Device device) {
  if (device.is_cpu()) return wall_timeline();
  return std::make_unique<EventTimeline>(device);
}

}  // namespace scsim::exec
