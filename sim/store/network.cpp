#include "sim/store/network.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "traces/check.h"

namespace scsim::sim {
namespace {

constexpr std::size_t kTimelineBins = 512;
constexpr Duration kTimelineWidth{100'000'000};
constexpr double kInfinite = std::numeric_limits<double>::infinity();

}  // namespace

Network::Network(const Topology& topology) : topology_(topology) {
  for (std::size_t i = 0; i < topology.links().size(); ++i) {
    links_.push_back(LinkState{
        .classes = {}, .busy_since = {}, .carried = Timeline<1>(kTimelineBins, kTimelineWidth)});
  }
  link_seen_.resize(links_.size());
}

Network::ClassId Network::class_of(const Route& route) {
  const auto [place, fresh] =
      class_of_route_.try_emplace(&route, static_cast<ClassId>(classes_.size()));
  if (fresh) {
    classes_.push_back(Class{.route = &route, .clock_at = {}, .members = {}, .next = {}});
    class_seen_.push_back(0);
  }
  return place->second;
}

bool Network::limited(const Route& route) const {
  return std::ranges::any_of(route.links, [&](LinkId link) {
    return topology_.links()[link].bytes_per_second < kInfinite;
  });
}

void Network::start(const Route& route, std::int64_t bytes, Duration delay, std::uint64_t tag,
                    TimePoint now) {
  SCSIM_CHECK_GE(bytes, 0);
  ++in_flight_;
  pending_.push({now + route.latency + delay, order_++, tag, class_of(route), bytes});
}

std::optional<TimePoint> Network::next() const {
  std::optional<TimePoint> when;
  if (!pending_.empty()) when = pending_.top().when;
  if (!ends_.empty() && (!when || ends_.begin()->first < *when)) when = ends_.begin()->first;
  return when;
}

void Network::advance(TimePoint now, std::vector<Done>& done) {
  while (const auto when = next()) {
    if (*when > now) return;
    if (!ends_.empty() && ends_.begin()->first == *when) {
      finish_first(ends_.begin()->second, *when, done);
    } else {
      const Pending pending = pending_.top();
      pending_.pop();
      begin(pending, done);
    }
  }
}

void Network::begin(const Pending& pending, std::vector<Done>& done) {
  Class& cls = classes_[pending.to];
  if (pending.bytes == 0 || !limited(*cls.route)) {
    for (const LinkId link : cls.route->links) links_[link].bytes += pending.bytes;
    --in_flight_;
    done.push_back({pending.tag, pending.when});
    return;
  }
  tick(cls, pending.when);
  if (cls.members.empty()) cls.clock = 0;  // keeps its precision
  cls.members.push(
      {cls.clock + static_cast<double>(pending.bytes), pending.order, pending.tag, pending.bytes});
  for (const LinkId id : cls.route->links) {
    LinkState& link = links_[id];
    if (link.transfers++ == 0) link.busy_since = pending.when;
    if (cls.members.size() == 1) link.classes.push_back(pending.to);
  }
  share_again(pending.to, pending.when);
}

void Network::finish_first(ClassId id, TimePoint now, std::vector<Done>& done) {
  Class& cls = classes_[id];
  const Transfer transfer = cls.members.top();
  cls.members.pop();
  tick(cls, now);
  for (const LinkId link_id : cls.route->links) {
    LinkState& link = links_[link_id];
    link.bytes += transfer.bytes;
    if (--link.transfers == 0) link.busy_ns += (now - link.busy_since).ns();
    if (cls.members.empty()) std::erase(link.classes, id);
  }
  --in_flight_;
  done.push_back({transfer.tag, now});
  share_again(id, now);
}

void Network::tick(Class& cls, TimePoint now) {
  cls.clock += cls.rate * (now - cls.clock_at).seconds().value();
  cls.clock_at = now;
}

void Network::set_next(ClassId id, TimePoint now) {
  Class& cls = classes_[id];
  ends_.erase({cls.next, id});
  if (cls.members.empty()) {
    cls.rate = 0;
    return;
  }
  const double seconds = std::max(cls.members.top().finish - cls.clock, 0.0) / cls.rate;
  cls.next = now + Duration(static_cast<std::int64_t>(std::ceil(seconds * 1e9)));
  ends_.emplace(cls.next, id);
}

// The classes whose rates may change with that of `changed`, and their links, in order.
void Network::collect(ClassId changed) {
  component_.assign(1, changed);
  component_links_.clear();
  class_seen_[changed] = 1;
  for (std::size_t i = 0; i < component_.size(); ++i) {
    for (const LinkId link : classes_[component_[i]].route->links) {
      if (link_seen_[link]) continue;
      link_seen_[link] = 1;
      component_links_.push_back(link);
      if (topology_.links()[link].bytes_per_second == kInfinite) continue;
      for (const ClassId cls : links_[link].classes) {
        if (class_seen_[cls]) continue;
        class_seen_[cls] = 1;
        component_.push_back(cls);
      }
    }
  }
  for (const ClassId cls : component_) class_seen_[cls] = 0;
  for (const LinkId link : component_links_) link_seen_[link] = 0;
  std::ranges::sort(component_links_);
  std::ranges::sort(component_);
}

// Progressive filling: the link with the least share left for each of its transfers settles the
// rates of those, and so on with what is left.
void Network::share_again(ClassId changed, TimePoint now) {
  collect(changed);
  for (const LinkId id : component_links_) {
    LinkState& link = links_[id];
    link.carried.advance(now, {link.load});
    link.left = topology_.links()[id].bytes_per_second;
    link.unfrozen = 0;
  }
  std::size_t unfrozen = 0;
  for (const ClassId id : component_) {
    Class& cls = classes_[id];
    tick(cls, now);
    cls.rate = -1;
    if (cls.members.empty()) continue;
    ++unfrozen;
    for (const LinkId link : cls.route->links)
      links_[link].unfrozen += static_cast<double>(cls.members.size());
  }
  while (unfrozen > 0) {
    double least = kInfinite;
    LinkId tightest = 0;
    for (const LinkId id : component_links_) {
      const LinkState& link = links_[id];
      if (link.unfrozen == 0) continue;
      const double share = std::max(link.left, 0.0) / link.unfrozen;
      if (share < least) {
        least = share;
        tightest = id;
      }
    }
    SCSIM_CHECK(least < kInfinite);
    for (const ClassId id : links_[tightest].classes) {
      Class& cls = classes_[id];
      if (cls.rate >= 0) continue;
      cls.rate = least;
      --unfrozen;
      const double members = static_cast<double>(cls.members.size());
      for (const LinkId link : cls.route->links) {
        links_[link].left -= least * members;
        links_[link].unfrozen -= members;
      }
    }
  }
  for (const LinkId id : component_links_) {
    LinkState& link = links_[id];
    link.load = 0;
    for (const ClassId cls : link.classes)
      link.load += classes_[cls].rate * static_cast<double>(classes_[cls].members.size());
  }
  for (const ClassId id : component_) set_next(id, now);
}

double Network::expected_seconds(const Route& route, double bytes) const {
  double share = kInfinite;
  for (const LinkId id : route.links) {
    share = std::min(share, topology_.links()[id].bytes_per_second /
                                static_cast<double>(links_[id].transfers + 1));
  }
  return route.latency.seconds().value() + bytes / share;
}

double Network::rate(const Route& route) const {
  const auto found = class_of_route_.find(&route);
  return found == class_of_route_.end() ? 0 : classes_[found->second].rate;
}

Duration Network::timeline_width() const {
  Duration width = kTimelineWidth;
  for (const LinkState& link : links_) width = std::max(width, link.carried.width());
  return width;
}

std::vector<LinkResult> Network::end_of_run(TimePoint end, Duration width) {
  std::vector<LinkResult> results;
  for (LinkId id = 0; id < links_.size(); ++id) {
    LinkState& link = links_[id];
    link.carried.advance(end, {link.load});
    link.carried.widen(width);
    LinkResult& result = results.emplace_back();
    result.name = topology_.link_name(id);
    result.bytes_per_second = topology_.links()[id].bytes_per_second;
    result.bytes = link.bytes;
    result.busy_ns = link.busy_ns + (link.transfers > 0 ? (end - link.busy_since).ns() : 0);
    result.carried = link.carried.means(0, end);
  }
  return results;
}

}  // namespace scsim::sim
