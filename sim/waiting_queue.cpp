#include "sim/waiting_queue.h"

#include <iterator>

namespace scsim::sim {

WaitingQueue::Link& WaitingQueue::link(JobId job) {
  if (static_cast<std::size_t>(job) >= links_.size())
    links_.resize(static_cast<std::size_t>(job) + 1);
  return links_[job];
}

WaitingQueue::JobId WaitingQueue::first() const {
  if (order_ == EngineKnobs::Order::kFirstCome) return first_;
  return by_priority_.empty() ? kNone : by_priority_.begin()->second;
}

WaitingQueue::JobId WaitingQueue::next(JobId job) const {
  if (order_ == EngineKnobs::Order::kFirstCome) return links_[job].next;
  const auto place = std::next(by_priority_.find({links_[job].key, job}));
  return place == by_priority_.end() ? kNone : place->second;
}

void WaitingQueue::push_last(JobId job, const Key& key) {
  ++size_;
  Link& ours = link(job);
  ours.key = key;
  if (order_ == EngineKnobs::Order::kPriority) {
    by_priority_.emplace(key, job);
    return;
  }
  ours.previous = last_;
  ours.next = kNone;
  (last_ == kNone ? first_ : links_[last_].next) = job;
  last_ = job;
}

void WaitingQueue::push_first(JobId job, const Key& key) {
  if (order_ == EngineKnobs::Order::kPriority) return push_last(job, key);
  ++size_;
  Link& ours = link(job);
  ours.key = key;
  ours.previous = kNone;
  ours.next = first_;
  (first_ == kNone ? last_ : links_[first_].previous) = job;
  first_ = job;
}

void WaitingQueue::remove(JobId job) {
  --size_;
  const Link& ours = links_[job];
  if (order_ == EngineKnobs::Order::kPriority) {
    by_priority_.erase({ours.key, job});
    return;
  }
  (ours.previous == kNone ? first_ : links_[ours.previous].next) = ours.next;
  (ours.next == kNone ? last_ : links_[ours.next].previous) = ours.previous;
}

}  // namespace scsim::sim
