// When requests arrive: read from the trace just in time, closed-loop ones after their parents.
//
// The trace is ordered by the earliest possible arrival, so reading up to the next open-loop
// request is enough to know everything that may arrive before it. Only requests that have not
// arrived are held.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <vector>

#include "traces/trace.h"

namespace scsim::sim {

class Arrivals {
 public:
  using Place = std::uint32_t;  // of a request among those that have not arrived
  struct Due {
    Place place;
    RequestId request;
    TimePoint when;
  };

  explicit Arrivals(TraceReader& trace) : trace_(trace) {}

  // Reads on, to the next open-loop request or the end of the trace; appends what is now known to
  // arrive. Call at the start and whenever an open-loop request has arrived.
  Expected<void> read(std::vector<Due>& due);
  // The request ended (was refused, cancelled); appends the children for whom it was the last
  // parent.
  void ended(RequestId request, TimePoint end, std::vector<Due>& due);

  const Request& request(Place place) const { return incoming_[place].request; }
  // It has arrived and is no longer needed.
  void forget(Place place) { unused_.push_back(place); }

  bool all_read() const { return all_read_; }
  std::uint64_t requests() const { return ends_.size(); }  // read so far
  std::uint64_t num_ended() const { return num_ended_; }

 private:
  struct Incoming {
    Request request;
    std::size_t parents_left = 0;
    TimePoint last_end;  // of its parents so far
    TimePoint arrival() const { return std::max(last_end + request.think, request.earliest); }
  };

  TraceReader& trace_;
  bool all_read_ = false;
  std::vector<Incoming> incoming_;
  std::vector<Place> unused_;
  std::vector<TimePoint> ends_;  // by request; never() while it has not ended
  std::uint64_t num_ended_ = 0;
  boost::unordered_flat_map<std::uint64_t, std::vector<Place>> children_;
};

}  // namespace scsim::sim
