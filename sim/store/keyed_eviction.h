// What policies have in common that give every block a key and evict the evictable one with the
// least: a policy sets the key when it hears of a run, and the heap holds only what may go, so no
// run is ever passed over. O(log n) for each run heard of.
//
// A key is changed at uses of the run alone, so its blocks share it. Runs of one request lie behind
// each other and never may both go: a key that ends with the request's number has no ties.
#pragma once

#include <vector>

#include "sim/store/copy_heap.h"

namespace scsim::sim {

template <class Key>
class KeyedEviction : public EvictionPolicy {
 public:
  void used(CopyId) override {}
  void refreshed(CopyId) override {}
  void split(CopyId upper, CopyId lower) override {
    const Key key = keys_[index(lower)];
    make_place(upper);
    keys_[index(upper)] = key;
  }
  void evictable(CopyId copy, bool may_go) override {
    if (may_go) {
      heap_.push(copy, keys_[index(copy)]);
    } else {
      heap_.erase(copy);
    }
  }
  void removed(CopyId copy, bool) override {
    if (heap_.contains(copy)) heap_.erase(copy);
  }
  CopyId victim() override { return heap_.front(); }

 protected:
  explicit KeyedEviction(Residents& residents) : residents_(residents) {}
  void set_key(CopyId copy, const Key& key) {
    make_place(copy);
    keys_[index(copy)] = key;
    if (heap_.contains(copy)) heap_.update(copy, key);
  }
  const Key& key(CopyId copy) const { return keys_[index(copy)]; }

  Residents& residents_;

 private:
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }
  void make_place(CopyId copy) {
    if (index(copy) >= keys_.size()) keys_.resize(index(copy) + index(copy) / 2 + 1);
  }

  std::vector<Key> keys_;
  CopyHeap<Key> heap_;
};

}  // namespace scsim::sim
