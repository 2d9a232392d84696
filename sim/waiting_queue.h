// Requests that wait for admission, in the order in which an engine takes them.
//
// kFair is the virtual token counter of Sheng et al., "Fairness in Serving Large Language Models"
// (OSDI 2024): each tenant (flow) has a counter of the service it got, divided by its weight, and
// the first request of the waiting flow with the least is taken. A flow that comes back after it
// had nothing waiting is lifted to the least of those that wait (or to the last that did), so that
// nobody saves up. Service is tokens: those computed of a prompt once, those generated
// kGeneratedWeight times. As long as two flows of equal weight have requests waiting, what they got
// differs by at most 2 max(prompt, kGeneratedWeight * tokens that run at once): their theorem 4.4.
#pragma once

#include <compare>
#include <cstdint>
#include <set>
#include <tuple>
#include <vector>

#include "sim/engine_preset.h"

namespace scsim::sim {

class WaitingQueue {
 public:
  using JobId = std::int32_t;  // small dense numbers of the caller's
  static constexpr JobId kNone = -1;
  static constexpr double kGeneratedWeight = 2;  // as in the paper

  // Under kPriority and kDeadline the smallest of the first three goes first; first come first
  // served needs no key; kFair goes by flows.
  struct Key {
    std::int32_t priority = 0;
    std::int64_t arrival = 0;
    std::uint64_t tie = 0;
    std::uint32_t flow = 0;
    double weight = 1;  // of the flow
    friend auto operator<=>(const Key& a, const Key& b) {
      return std::tie(a.priority, a.arrival, a.tie) <=> std::tie(b.priority, b.arrival, b.tie);
    }
    friend bool operator==(const Key& a, const Key& b) { return (a <=> b) == 0; }
  };

  explicit WaitingQueue(EngineKnobs::Order order) : order_(order) {}

  std::int64_t size() const { return size_; }
  JobId first() const;          // kNone when empty
  JobId next(JobId job) const;  // kNone behind the last
  void push_last(JobId job, const Key& key);
  // Preempted requests go before all others (kFair: of their flow), first come first served; by
  // key they take their place.
  void push_first(JobId job, const Key& key);
  void remove(JobId job);

  bool by_key() const {
    return order_ == EngineKnobs::Order::kPriority || order_ == EngineKnobs::Order::kDeadline;
  }
  // kFair: the key's flow got this much service.
  void serve(const Key& key, double tokens);
  double served(std::uint32_t flow) const { return flow < flows_.size() ? flows_[flow].served : 0; }

 private:
  struct Link {
    JobId next = kNone, previous = kNone;
    Key key;
  };
  struct List {
    JobId first = kNone, last = kNone;
  };
  struct Flow {
    List list;
    std::int64_t waiting = 0;
    double served = 0;  // for its weight, lifts included
  };
  Link& link(JobId job);
  List& list(const Key& key) {
    return order_ == EngineKnobs::Order::kFair ? flows_[key.flow].list : list_;
  }
  void come(const Key& key);

  EngineKnobs::Order order_;
  std::int64_t size_ = 0;
  std::vector<Link> links_;  // by job
  List list_;                // first come first served
  std::set<std::pair<Key, JobId>> by_key_;
  std::vector<Flow> flows_;
  std::set<std::pair<double, std::uint32_t>> waiting_flows_;  // by what they got
  std::uint32_t last_to_leave_ = 0;
};

}  // namespace scsim::sim
