// Transfers over the cluster's links, which they share max-min fairly.
//
//   Network network(topology);
//   network.start(*route, bytes, extra_latency, tag, now);
//   while (auto when = network.next()) network.advance(*when, done);
//
// A transfer's first byte moves after its latency; from then on its rate is its max-min fair share:
// no rate can grow but at the cost of one that is no larger (Bertsekas and Gallager, Data Networks,
// 6.5.2). Rates change when transfers begin or end; in between time is fluid, and a transfer ends
// at the whole nanosecond in which its last byte has moved.
//
// Transfers over the same route form a class and have the same rate, so the class keeps one clock
// of bytes served to each of its members, and they end in the order of that clock. An event costs
// O(classes and links that share links with the changed one, directly or through others) for the
// rates and O(log transfers) for the order; other classes are not touched.
#pragma once

#include <map>
#include <optional>
#include <queue>
#include <set>
#include <vector>

#include "sim/store/topology.h"
#include "sim/timeline.h"
#include "traces/result.h"
#include "traces/time.h"

namespace scsim::sim {

class Network {
 public:
  struct Done {
    std::uint64_t tag;
    TimePoint when;
  };

  // The topology outlives the network and does not change.
  explicit Network(const Topology& topology);
  Network(const Network&) = delete;

  // `delay` comes on top of the route's latency. Routes are the topology's own.
  void start(const Route& route, std::int64_t bytes, Duration delay, std::uint64_t tag,
             TimePoint now);
  // When a transfer begins to move or ends next.
  std::optional<TimePoint> next() const;
  // All that happens up to `now`, by time and then by the order of starting.
  void advance(TimePoint now, std::vector<Done>& done);

  std::size_t in_flight() const { return in_flight_; }
  // What a transfer starting now could expect, were nothing to begin or end before it has: an
  // estimate from below of its share, bandwidth / (transfers + 1) of the tightest link.
  double expected_seconds(const Route& route, double bytes) const;
  // The rate of each transfer that moves over the route; 0 if none does.
  double rate(const Route& route) const;

  Duration timeline_width() const;
  std::vector<LinkResult> end_of_run(TimePoint end, Duration width);

 private:
  using ClassId = std::uint32_t;
  struct Transfer {
    double finish;  // on the class's clock
    std::uint64_t order, tag;
    std::int64_t bytes;
    bool operator>(const Transfer& other) const {
      return finish != other.finish ? finish > other.finish : order > other.order;
    }
  };
  struct Class {
    const Route* route;
    double rate = 0;   // of each member, bytes per second
    double clock = 0;  // bytes served to each member
    TimePoint clock_at;
    std::priority_queue<Transfer, std::vector<Transfer>, std::greater<>> members;
    TimePoint next;  // end of its first member; as in `ends_`
  };
  struct LinkState {
    std::vector<ClassId> classes;  // that use it and have members
    std::int64_t transfers = 0;
    std::int64_t bytes = 0;
    double load = 0;  // sum of rates
    std::int64_t busy_ns = 0;
    TimePoint busy_since;
    Timeline<1> carried;
    double unfrozen = 0, left = 0;  // while rates are made
  };
  struct Pending {
    TimePoint when;
    std::uint64_t order, tag;
    ClassId to;
    std::int64_t bytes;
    bool operator>(const Pending& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };

  ClassId class_of(const Route& route);
  void begin(const Pending& pending, std::vector<Done>& done);
  void finish_first(ClassId id, TimePoint now, std::vector<Done>& done);
  void share_again(ClassId changed, TimePoint now);
  void collect(ClassId changed);
  void tick(Class& cls, TimePoint now);
  void set_next(ClassId id, TimePoint now);
  bool limited(const Route& route) const;

  const Topology& topology_;
  std::vector<Class> classes_;
  std::map<const Route*, ClassId> class_of_route_;
  std::vector<LinkState> links_;
  std::priority_queue<Pending, std::vector<Pending>, std::greater<>> pending_;
  std::set<std::pair<TimePoint, ClassId>> ends_;  // of classes with members
  std::uint64_t order_ = 0;
  std::size_t in_flight_ = 0;
  std::vector<ClassId> component_;
  std::vector<LinkId> component_links_;
  std::vector<char> class_seen_, link_seen_;
};

}  // namespace scsim::sim
