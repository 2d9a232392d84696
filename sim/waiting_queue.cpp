#include "sim/waiting_queue.h"

#include <algorithm>
#include <iterator>

namespace scsim::sim {

WaitingQueue::Link& WaitingQueue::link(JobId job) {
  if (static_cast<std::size_t>(job) >= links_.size())
    links_.resize(static_cast<std::size_t>(job) + 1);
  return links_[job];
}

WaitingQueue::JobId WaitingQueue::first() const {
  if (order_ == EngineKnobs::Order::kFirstCome) return list_.first;
  if (by_key()) return by_key_.empty() ? kNone : by_key_.begin()->second;
  return waiting_flows_.empty() ? kNone : flows_[waiting_flows_.begin()->second].list.first;
}

WaitingQueue::JobId WaitingQueue::next(JobId job) const {
  if (by_key()) {
    const auto place = std::next(by_key_.find({links_[job].key, job}));
    return place == by_key_.end() ? kNone : place->second;
  }
  if (links_[job].next != kNone || order_ == EngineKnobs::Order::kFirstCome)
    return links_[job].next;
  const std::uint32_t flow = links_[job].key.flow;
  const auto place = std::next(waiting_flows_.find({flows_[flow].served, flow}));
  return place == waiting_flows_.end() ? kNone : flows_[place->second].list.first;
}

// The flow has one more that waits, to be put in its list.
void WaitingQueue::come(const Key& key) {
  if (key.flow >= flows_.size()) flows_.resize(key.flow + std::size_t{1});
  Flow& flow = flows_[key.flow];
  if (flow.waiting++ > 0) return;
  const double least =
      waiting_flows_.empty() ? served(last_to_leave_) : waiting_flows_.begin()->first;
  flow.served = std::max(flow.served, least);
  waiting_flows_.emplace(flow.served, key.flow);
}

void WaitingQueue::serve(const Key& key, double tokens) {
  if (tokens == 0) return;
  Flow& flow = flows_[key.flow];
  if (flow.waiting > 0) waiting_flows_.erase({flow.served, key.flow});
  flow.served += tokens / key.weight;
  if (flow.waiting > 0) waiting_flows_.emplace(flow.served, key.flow);
}

void WaitingQueue::push_last(JobId job, const Key& key) {
  ++size_;
  Link& ours = link(job);
  ours.key = key;
  if (by_key()) {
    by_key_.emplace(key, job);
    return;
  }
  if (order_ == EngineKnobs::Order::kFair) come(key);
  List& all = list(key);
  ours.previous = all.last;
  ours.next = kNone;
  (all.last == kNone ? all.first : links_[all.last].next) = job;
  all.last = job;
}

void WaitingQueue::push_first(JobId job, const Key& key) {
  if (by_key()) return push_last(job, key);
  ++size_;
  Link& ours = link(job);
  ours.key = key;
  if (order_ == EngineKnobs::Order::kFair) come(key);
  List& all = list(key);
  ours.previous = kNone;
  ours.next = all.first;
  (all.first == kNone ? all.last : links_[all.first].previous) = job;
  all.first = job;
}

void WaitingQueue::remove(JobId job) {
  --size_;
  const Link& ours = links_[job];
  if (by_key()) {
    by_key_.erase({ours.key, job});
    return;
  }
  List& all = list(ours.key);
  (ours.previous == kNone ? all.first : links_[ours.previous].next) = ours.next;
  (ours.next == kNone ? all.last : links_[ours.next].previous) = ours.previous;
  if (order_ != EngineKnobs::Order::kFair) return;
  Flow& flow = flows_[ours.key.flow];
  if (--flow.waiting > 0) return;
  waiting_flows_.erase({flow.served, ours.key.flow});
  last_to_leave_ = ours.key.flow;
}

}  // namespace scsim::sim
