// The heart of the simulator: events in order of (time, phase, sequence).
//
//   EventQueue<Event> queue;
//   queue.schedule_in(step_time, Phase::kCompletion, StepDone{.engine = id, .plan = 7});
//   while (!queue.empty()) { auto [when, event] = queue.pop(); std::visit(handler, event); }
//
// The queue knows nothing of serving: the model is a set of handlers around it. Within an instant
// the phases run in their order, and events of one phase in the order they were scheduled, so a run
// depends on nothing but its inputs. There is no way to take an event back; an event that may have
// become void carries a number that its handler compares (see StepDone).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "traces/check.h"
#include "traces/time.h"

namespace scsim::sim {

// Order within one instant: what ends at t is over before what arrives at t, all arrivals of an
// instant are known before an engine decides its next step, and observers look last.
enum class Phase : std::uint8_t { kCompletion, kArrival, kDispatch, kObservation };

template <class Event>
class EventQueue {
 public:
  struct Entry {
    TimePoint when;
    Event event;
  };

  TimePoint now() const { return now_; }
  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  // Events popped so far.
  std::uint64_t popped() const { return popped_; }
  // Time of the next event. REQUIRES: !empty().
  TimePoint next_time() const { return heap_.front().when; }

  // INV-CAUSAL: nothing is scheduled before now, nor into a phase of this instant that is over.
  void schedule_at(TimePoint when, Phase phase, Event event) {
    schedule_ordered(when, phase, sequence_++, std::move(event));
  }
  // The same with a place of the caller's within the phase of the instant; such events have a phase
  // of their own, or mix with others in an order that only `rank` decides. REQUIRES: rank < 2^60.
  void schedule_ordered(TimePoint when, Phase phase, std::uint64_t rank, Event event) {
    SCSIM_CHECK_GE(when, now_);
    if (when == now_) SCSIM_CHECK_GE(static_cast<int>(phase), static_cast<int>(phase_));
    heap_.push_back({when, order(phase, rank), std::move(event)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  void schedule_in(Duration delay, Phase phase, Event event) {
    schedule_at(now_ + delay, phase, std::move(event));
  }

  // Removes the next event and advances the clock to it. REQUIRES: !empty().
  Entry pop() {
    SCSIM_CHECK(!heap_.empty());
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Item item = std::move(heap_.back());
    heap_.pop_back();
    now_ = item.when;
    phase_ = static_cast<Phase>(item.order >> kSequenceBits);
    ++popped_;
    return {item.when, std::move(item.event)};
  }

 private:
  static constexpr int kSequenceBits = 60;
  struct Item {
    TimePoint when;
    std::uint64_t order;  // phase above sequence
    Event event;
  };
  static std::uint64_t order(Phase phase, std::uint64_t sequence) {
    return (static_cast<std::uint64_t>(phase) << kSequenceBits) | sequence;
  }
  static bool later(const Item& a, const Item& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  std::vector<Item> heap_;
  TimePoint now_{};
  Phase phase_ = Phase::kCompletion;
  std::uint64_t sequence_ = 0;
  std::uint64_t popped_ = 0;
};

}  // namespace scsim::sim
