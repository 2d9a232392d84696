// Transfers over the cluster's links, which they share max-min fairly.
//
//   Network network(topology);
//   network.start(*route, bytes, extra_latency, tag, now);
//   while (auto when = network.next()) network.advance(*when, done);
//   network.set_link(link, false, now);   // what was on it goes another way, or waits
//
// A transfer's first byte moves after its latency; from then on its rate is its max-min fair share:
// no rate can grow but at the cost of one that is no larger (Bertsekas and Gallager, Data Networks,
// 6.5.2). Rates change when transfers begin or end. Time inside is continuous: a share is passed on
// at the moment the last byte has moved, and only the end that is reported is rounded, up to a
// whole nanosecond, so that nothing is said before it has happened and no rounding adds up.
//
// Transfers over the same route form a class and have the same rate, so the class keeps one clock
// of bytes served to each of its members, and they end in the order of that clock. An event costs
// O(log transfers) for the order, and for the rates what may change: the classes that share full
// links with the changed one, directly or through others. A link that is not full ties nobody to
// anybody. Classes whose rate stays keep their end. tests/bench/network.cpp: 480,000 transfers a
// CPU second with 50 under way on 8 nodes of 8 engines (AMD EPYC, Zen 4, 2.6 GHz, one core).
#pragma once

#include <boost/heap/d_ary_heap.hpp>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "sim/store/topology.h"
#include "sim/timeline.h"
#include "traces/quantity.h"
#include "traces/result.h"
#include "traces/time.h"

namespace scsim::sim {

using FlowId = Id<struct FlowTag>;  // a transfer, by when it was started

class Network {
 public:
  struct Done {
    std::uint64_t tag;
    TimePoint when;
    FlowId flow{};
  };

  // The topology outlives the network and gets no further links.
  explicit Network(Topology& topology);
  Network(const Network&) = delete;

  // `delay` comes on top of the route's latency. Routes are the topology's own. On links with a
  // price the bytes are counted by `tenant`.
  static constexpr std::uint32_t kNobody = ~0U;
  FlowId start(const Route& route, std::int64_t bytes, Duration delay, std::uint64_t tag,
               TimePoint now, std::uint32_t tenant = kNobody);
  // When a transfer begins to move or ends next.
  std::optional<TimePoint> next() const;
  // All that happens up to `now`, by time and then by the order of starting.
  void advance(TimePoint now, std::vector<Done>& done);
  // The others have its share at once. Gives the bytes it has moved, rounded. REQUIRES: it has not
  // been reported as done, and advance() has done all that was due before `now`.
  std::int64_t cancel(FlowId flow, TimePoint now);

  // The link goes down or comes up again. Transfers that were on it, or about to be, leave at once
  // for the route of their flow that is best now, where they pay its latency and go on with the
  // bytes they have left; if there is none they wait for one. Those that went another way stay
  // there when the link is back. REQUIRES: advance() has done all that was due before `now`.
  void set_link(LinkId link, bool up, TimePoint now);
  std::int64_t rerouted() const { return rerouted_; }  // so far; each time one was
  std::size_t stranded() const { return stranded_.size(); }

  std::size_t in_flight() const { return slots_.size() - free_.size(); }
  // What a transfer starting now could expect, were nothing to begin or end before it has: an
  // estimate from below of its share, bandwidth / (transfers + 1) of the tightest link.
  double expected_seconds(const Route& route, double bytes) const;
  // The rate of each transfer that moves over the route; 0 if none does.
  double rate(const Route& route) const;

  Duration timeline_width() const;
  // Transfers that still move count with what they have moved. REQUIRES: as cancel().
  std::vector<LinkResult> end_of_run(TimePoint end, Duration width);

 private:
  using ClassId = std::uint32_t;
  static constexpr int kSlotBits = 24;  // of a FlowId; above them the number of its start
  static constexpr std::uint64_t kSlots = (std::uint64_t{1} << kSlotBits) - 1;

  // `before` nanoseconds, less than one, before the whole nanosecond at which it is reported.
  struct Instant {
    TimePoint reported;
    double before = 0;
    friend bool operator==(const Instant&, const Instant&) = default;
    friend bool operator<(const Instant& a, const Instant& b) {
      return a.reported != b.reported ? a.reported < b.reported : a.before > b.before;
    }
  };
  static double nanoseconds(Instant from, Instant to) {
    return static_cast<double>((to.reported - from.reported).ns()) - to.before + from.before;
  }
  static Instant after(Instant start, double nanoseconds);

  struct Member {
    double finish;  // on the class's clock
    FlowId id;
    bool operator>(const Member& other) const {
      return finish != other.finish ? finish > other.finish : id > other.id;
    }
  };
  struct Pending {
    TimePoint when;
    FlowId id;
    auto operator<=>(const Pending&) const = default;
  };
  template <class Item>  // the least on top; items can be taken out
  using Heap = boost::heap::d_ary_heap<Item, boost::heap::arity<2>, boost::heap::mutable_<true>,
                                       boost::heap::compare<std::greater<>>>;
  struct Transfer {
    FlowId id;  // none: the slot is free
    std::uint64_t tag = 0;
    std::int64_t bytes = 0;   // that it has to move on this route
    std::int64_t before = 0;  // moved on others
    std::uint32_t tenant = kNobody;
    ClassId of = 0;
    enum class State : std::uint8_t { kPending, kMoving, kStranded } state = State::kPending;
    TimePoint begin;                     // it moves no earlier
    Heap<Pending>::handle_type pending;  // until it moves
    Heap<Member>::handle_type member;    // then
  };
  struct Class {
    const Route* route = nullptr;
    double rate = 0;    // of each member, bytes per second
    double filled = 0;  // likewise, while rates are made
    double loaded = 0;  // bytes per second of all, as its links count them
    double clock = 0;   // bytes served to each member
    Instant clock_at;
    Heap<Member> members;
    Instant next;  // end of its first member; as in `ends_`
    // Bytes of its transfers: those started = moved + given_up + present.
    std::int64_t started = 0, moved = 0, given_up = 0, present = 0;
    std::vector<std::int64_t> moved_by_tenant{};  // of `moved`; where a link has a price
    bool changed = false;
  };
  struct LinkState {
    std::vector<ClassId> classes;  // that use it and have members
    std::int64_t transfers = 0;
    double load = 0;  // sum of rates
    double busy = 0;  // nanoseconds
    Instant busy_since;
    Timeline<1> carried;
    std::int64_t rerouted = 0;  // transfers that left when it went down
    std::int64_t down = 0;      // nanoseconds
    TimePoint down_since;
    // While rates are made:
    double unfrozen = 0, left = 0;
    bool whole = false;       // all its classes are in the region
    std::size_t inside = 0;   // of those with members, so many are
    double outside_load = 0;  // of the others
  };
  static std::size_t slot(FlowId id) { return id.value() & kSlots; }
  ClassId class_of(const Route& route);
  const Transfer& find(FlowId id) const;
  void begin(FlowId id, Instant now, std::vector<Done>& done);
  void finish_first(ClassId id, Instant now, std::vector<Done>& done);
  void finish(FlowId id, Instant now, std::vector<Done>& done);
  std::int64_t take_out(FlowId id, Instant now);
  void go(FlowId id, TimePoint now);
  void forget(FlowId id, std::int64_t moved);
  void left(ClassId id, Instant now, std::int64_t transfers);
  void change(ClassId id);
  void share_again(Instant now);
  void join(ClassId id);
  void join_all(LinkId id);
  void close_region(std::size_t closed);
  bool full(LinkId id) const;
  std::optional<LinkId> fill();
  void tick(Class& cls, Instant now);
  void set_next(ClassId id, Instant now);
  static std::int64_t moved(const Class& cls, const Member& member, std::int64_t bytes);
  bool limited(const Route& route) const;

  void count(Class& cls, std::uint32_t tenant, std::int64_t moved) const;

  Topology& topology_;
  bool priced_ = false;  // a link has a price
  std::deque<Class> classes_;
  std::map<const Route*, ClassId> class_of_route_;
  std::vector<LinkState> links_;
  std::vector<Transfer> slots_;
  std::vector<std::uint32_t> free_;  // of the slots
  Heap<Pending> pending_;
  std::set<std::pair<Instant, ClassId>> ends_;  // of classes with members
  std::uint64_t starts_ = 0;
  std::vector<FlowId> stranded_;  // there is no way for them
  std::int64_t rerouted_ = 0;
  std::vector<ClassId> changed_;  // classes whose members have, since rates were made
  std::vector<ClassId> region_;   // whose rates are made
  std::vector<LinkId> region_links_;
  std::vector<std::pair<double, LinkId>> shares_;  // a heap, the least first; some are out of date
  std::vector<char> class_seen_, link_seen_;
};

}  // namespace scsim::sim
