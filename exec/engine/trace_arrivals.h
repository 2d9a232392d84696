// When the requests of a trace arrive: open-loop ones at their times, closed-loop ones when they
// have thought long enough behind their last parent's end. Those of one instant come in file order.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "exec/engine/content_tokens.h"
#include "traces/trace.h"

namespace scsim::exec {

// Makes tokens of a content's text.
using Encode = std::function<std::vector<std::int32_t>(std::string_view text)>;

class TraceArrivals {
 public:
  // Reads all of the trace, and what its contents say into `contents`.
  static Expected<TraceArrivals> read(const std::string& path, const Encode& encode,
                                      ContentTokens& contents);

  const TraceHeader& header() const { return header_; }
  const TraceTables& tables() const { return tables_; }
  std::size_t requests() const { return requests_.size(); }
  bool any_text() const { return any_text_; }

  std::optional<TimePoint> next() const;  // of those whose time is known, the first
  // Takes it. REQUIRES: next().
  std::pair<const Request*, TimePoint> take();
  void ended(RequestId request, TimePoint end);

 private:
  using Due = std::pair<TimePoint, std::uint64_t>;
  struct Waiting {
    std::size_t parents_left = 0;
    TimePoint last_end;
  };
  TraceHeader header_;
  TraceTables tables_;
  bool any_text_ = false;
  std::vector<Request> requests_;
  std::vector<Waiting> waiting_;                      // by request
  std::vector<std::vector<std::uint64_t>> children_;  // by request
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace scsim::exec
