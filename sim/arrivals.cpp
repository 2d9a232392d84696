#include "sim/arrivals.h"

#include <algorithm>
#include <utility>

namespace scsim::sim {

Expected<void> Arrivals::read(std::vector<Due>& due) {
  while (!all_read_) {
    Place place;
    if (unused_.empty()) {
      place = static_cast<Place>(incoming_.size());
      incoming_.emplace_back();
    } else {
      place = unused_.back();
      unused_.pop_back();
    }
    Incoming& incoming = incoming_[place];
    const Request& request = incoming.request;
    Expected<bool> any = trace_.next(incoming.request);
    if (!any) return any.error();
    if (!*any) {
      all_read_ = true;
      return {};
    }
    ends_.push_back(TimePoint::never());
    if (request.arrival) {
      due.push_back({place, request.id, *request.arrival});
      return {};
    }
    incoming.parents_left = 0;
    incoming.last_end = TimePoint{};
    for (const RequestId parent : request.parents) {
      const TimePoint end = ends_[parent.value()];
      if (end == TimePoint::never()) {
        ++incoming.parents_left;
        children_[parent.value()].push_back(place);
      } else {
        incoming.last_end = std::max(incoming.last_end, end);
      }
    }
    if (incoming.parents_left == 0) {
      due.push_back({place, request.id, incoming.arrival()});
    }
  }
  return {};
}

void Arrivals::ended(RequestId request, TimePoint end, std::vector<Due>& due) {
  SCSIM_CHECK(ends_[request.value()] == TimePoint::never());
  ends_[request.value()] = end;
  ++num_ended_;
  const auto found = children_.find(request.value());
  if (found == children_.end()) return;
  const std::vector<Place> children = std::move(found->second);
  children_.erase(found);
  for (const Place place : children) {
    Incoming& child = incoming_[place];
    child.last_end = std::max(child.last_end, end);
    if (--child.parents_left == 0) {
      due.push_back({place, child.request.id, child.arrival()});
    }
  }
}

}  // namespace scsim::sim
