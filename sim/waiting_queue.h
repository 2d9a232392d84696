// Requests that wait for admission, in the order in which an engine takes them.
#pragma once

#include <compare>
#include <cstdint>
#include <set>
#include <vector>

#include "sim/engine_preset.h"

namespace scsim::sim {

class WaitingQueue {
 public:
  using JobId = std::int32_t;  // small dense numbers of the caller's
  static constexpr JobId kNone = -1;

  // Under kPriority the smallest key goes first; first come first served needs no key.
  struct Key {
    std::int32_t priority = 0;
    std::int64_t arrival = 0;
    std::uint64_t tie = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  explicit WaitingQueue(EngineKnobs::Order order) : order_(order) {}

  std::int64_t size() const { return size_; }
  JobId first() const;          // kNone when empty
  JobId next(JobId job) const;  // kNone behind the last
  void push_last(JobId job, const Key& key);
  // Preempted requests go before all others, first come first served; by priority they take their
  // place.
  void push_first(JobId job, const Key& key);
  void remove(JobId job);

 private:
  struct Link {
    JobId next = kNone, previous = kNone;
    Key key;
  };
  Link& link(JobId job);

  EngineKnobs::Order order_;
  std::int64_t size_ = 0;
  std::vector<Link> links_;  // by job
  JobId first_ = kNone, last_ = kNone;
  std::set<std::pair<Key, JobId>> by_priority_;
};

}  // namespace scsim::sim
