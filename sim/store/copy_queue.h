// A queue of a tier's runs, in O(1) a step: most eviction policies keep one or two.
#pragma once

#include <vector>

#include "sim/store/eviction.h"

namespace scsim::sim {

class CopyQueue {
 public:
  CopyId front() const { return front_; }
  CopyId back() const { return back_; }
  CopyId next(CopyId copy) const { return links_[index(copy)].next; }
  CopyId previous(CopyId copy) const { return links_[index(copy)].previous; }

  void push_back(CopyId copy) {
    if (index(copy) >= links_.size()) links_.resize(index(copy) + index(copy) / 2 + 1);
    links_[index(copy)] = {back_, kNoCopy};
    (back_ == kNoCopy ? front_ : links_[index(back_)].next) = copy;
    back_ = copy;
  }
  // REQUIRES: `place` is in the queue.
  void insert_after(CopyId copy, CopyId place) {
    const CopyId next = links_[index(place)].next;
    if (next == kNoCopy) return push_back(copy);
    if (index(copy) >= links_.size()) links_.resize(index(copy) + index(copy) / 2 + 1);
    links_[index(copy)] = {place, next};
    links_[index(place)].next = copy;
    links_[index(next)].previous = copy;
  }
  void erase(CopyId copy) {
    const Link link = links_[index(copy)];
    (link.previous == kNoCopy ? front_ : links_[index(link.previous)].next) = link.next;
    (link.next == kNoCopy ? back_ : links_[index(link.next)].previous) = link.previous;
  }
  void move_to_back(CopyId copy) {
    if (copy == back_) return;
    erase(copy);
    push_back(copy);
  }

 private:
  struct Link {
    CopyId previous = kNoCopy, next = kNoCopy;
  };
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }

  CopyId front_ = kNoCopy, back_ = kNoCopy;
  std::vector<Link> links_;
};

}  // namespace scsim::sim
