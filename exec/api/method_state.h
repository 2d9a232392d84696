// What a long-context method must remember about a sequence (an index, bounds of pages, a window of
// queries). It lives in the KvCache, is forked with it, and its bytes count.
#pragma once

#include <cstdint>
#include <memory>

namespace scsim::exec {

class MethodState {
 public:
  virtual ~MethodState() = default;
  virtual std::unique_ptr<MethodState> clone() const = 0;  // for a fork that is about to write
  virtual std::int64_t bytes() const = 0;
};

}  // namespace scsim::exec
