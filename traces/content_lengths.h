// Lengths of the most recent contents of a trace: enough to check nearly every span, in memory that
// does not grow with the trace.
#pragma once

#include <cstdint>
#include <vector>

namespace scsim {

class ContentLengths {
 public:
  static constexpr std::uint64_t kRemembered = std::uint64_t{1} << 20;

  void add(std::uint32_t tokens) {
    if (size_ < kRemembered) {
      lengths_.push_back(tokens);
    } else {
      lengths_[size_ % kRemembered] = tokens;
    }
    ++size_;
  }

  // Contents added so far; their ids are smaller.
  std::uint64_t size() const { return size_; }

  // Whether [first, first + count) may lie within `content`. REQUIRES: content < size().
  bool allows(std::uint64_t content, std::uint64_t first, std::uint64_t count) const {
    if (size_ - content > kRemembered) return true;
    const std::uint64_t length = lengths_[content % kRemembered];
    return count <= length && first <= length - count;
  }

 private:
  std::vector<std::uint32_t> lengths_;
  std::uint64_t size_ = 0;
};

}  // namespace scsim
