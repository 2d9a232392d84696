// Runs that were evicted and are remembered, the oldest in front, with their bytes. A policy passes
// on the splits of what is in here.
#pragma once

#include "sim/store/copy_queue.h"

namespace scsim::sim {

class GhostQueue {
 public:
  explicit GhostQueue(Residents& residents) : residents_(residents) {}

  std::int64_t bytes() const { return bytes_; }
  void push_back(CopyId copy) {
    queue_.push_back(copy);
    bytes_ += residents_[copy].bytes();
  }
  void erase(CopyId copy) {
    queue_.erase(copy);
    bytes_ -= residents_[copy].bytes();
  }
  void split(CopyId upper, CopyId lower) { queue_.insert_after(upper, lower); }

  // Takes out, and gives, the oldest of what is beyond `limit` bytes; kNoCopy: nothing is. Cuts a
  // run of which some may stay: the deepest blocks left first, so they are the oldest.
  CopyId take_beyond(std::int64_t limit) {
    const CopyId oldest = queue_.front();
    if (bytes_ <= limit || oldest == kNoCopy) return kNoCopy;
    const std::int64_t size = residents_[oldest].block_bytes;
    const std::int64_t blocks = (bytes_ - limit + size - 1) / size;
    if (blocks < residents_[oldest].blocks) residents_.cut(oldest, blocks);
    erase(oldest);
    return oldest;
  }

 private:
  Residents& residents_;
  CopyQueue queue_;
  std::int64_t bytes_ = 0;
};

}  // namespace scsim::sim
