// The runs of a tier by a key, the least in front; of equal keys the lower number. O(log n) a step.
#pragma once

#include <boost/heap/d_ary_heap.hpp>
#include <vector>

#include "sim/store/eviction.h"

namespace scsim::sim {

template <class Key>
class CopyHeap {
 public:
  bool empty() const { return heap_.empty(); }
  CopyId front() const { return heap_.empty() ? kNoCopy : heap_.top().copy; }
  bool contains(CopyId copy) const {
    return index(copy) < places_.size() && places_[index(copy)].in;
  }

  // REQUIRES: it is not in the heap.
  void push(CopyId copy, const Key& key) {
    if (index(copy) >= places_.size()) places_.resize(index(copy) + index(copy) / 2 + 1);
    SCSIM_CHECK(!places_[index(copy)].in);
    places_[index(copy)] = {heap_.push({key, copy}), true};
  }
  // REQUIRES, of both: it is in the heap.
  void update(CopyId copy, const Key& key) {
    heap_.update(places_[index(copy)].handle, Entry{key, copy});
  }
  void erase(CopyId copy) {
    SCSIM_CHECK(contains(copy));
    heap_.erase(places_[index(copy)].handle);
    places_[index(copy)].in = false;
  }

 private:
  struct Entry {
    Key key;
    CopyId copy;
    // The library puts the greatest in front.
    bool operator<(const Entry& other) const {
      if (key != other.key) return other.key < key;
      return other.copy < copy;
    }
  };
  using Heap = boost::heap::d_ary_heap<Entry, boost::heap::arity<4>, boost::heap::mutable_<true>>;
  struct Place {
    typename Heap::handle_type handle;
    bool in = false;
  };
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }

  Heap heap_;
  std::vector<Place> places_;
};

}  // namespace scsim::sim
