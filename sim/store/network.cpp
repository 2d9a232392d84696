#include "sim/store/network.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "traces/check.h"

namespace scsim::sim {
namespace {

constexpr std::size_t kMostBins = 512, kLeastBins = 16, kBinsOfAll = std::size_t{1} << 20;
constexpr Duration kTimelineWidth{100'000'000};
constexpr double kNotFilled = -1;
constexpr double kNearly = 1e-6;   // of a link's bandwidth, for which it counts as full
constexpr double kForever = 4e18;  // nanoseconds
// An end this little after a whole nanosecond is at it: it may be so late by rounding.
constexpr double kSlack = 1.0 / 1024;
constexpr double kInfinite = std::numeric_limits<double>::infinity();

}  // namespace

Network::Network(Topology& topology) : topology_(topology) {
  const std::size_t links = topology.links().size();
  const std::size_t bins =
      std::clamp(kBinsOfAll / std::max<std::size_t>(links, 1), kLeastBins, kMostBins) &
      ~std::size_t{1};
  links_.reserve(links);
  for (std::size_t i = 0; i < links; ++i) {
    links_.push_back(LinkState{.classes = {},
                               .busy_since = {},
                               .carried = Timeline<1>(bins, kTimelineWidth),
                               .down_since = {}});
  }
  for (const Topology::Link& link : topology.links()) priced_ = priced_ || link.price_per_gb > 0;
  link_seen_.resize(links_.size());
}

Network::Instant Network::after(Instant start, double nanoseconds) {
  SCSIM_CHECK_LT(nanoseconds, kForever);
  const double since_reported = nanoseconds - start.before;
  const double whole = std::max(std::ceil(since_reported - kSlack), 0.0);
  return {start.reported + Duration(static_cast<std::int64_t>(whole)),
          std::max(whole - since_reported, 0.0)};
}

Network::ClassId Network::class_of(const Route& route) {
  const auto [place, fresh] =
      class_of_route_.try_emplace(&route, static_cast<ClassId>(classes_.size()));
  if (fresh) {
    classes_.emplace_back().route = &route;
    class_seen_.push_back(0);
  }
  return place->second;
}

bool Network::limited(const Route& route) const {
  return std::ranges::any_of(route.links, [&](LinkId link) {
    return topology_.links()[link].bytes_per_second < kInfinite;
  });
}

FlowId Network::start(const Route& route, std::int64_t bytes, Duration delay, std::uint64_t tag,
                      TimePoint now, std::uint32_t tenant) {
  SCSIM_CHECK_GE(bytes, 0);
  if (free_.empty()) {
    SCSIM_CHECK_LT(slots_.size(), kSlots);
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const FlowId id(starts_++ << kSlotBits | free_.back());
  free_.pop_back();
  const ClassId of = class_of(route);
  slots_[slot(id)] = {.id = id,
                      .tag = tag,
                      .bytes = bytes,
                      .tenant = tenant,
                      .of = of,
                      .begin = now + route.latency + delay,
                      .pending = {},
                      .member = {}};
  classes_[of].started += bytes;
  classes_[of].present += bytes;
  const bool whole = std::ranges::all_of(route.links, [&](LinkId l) { return topology_.up(l); });
  if (whole) {
    slots_[slot(id)].pending = pending_.push({slots_[slot(id)].begin, id});
  } else {  // it was the best way once
    go(id, now);
  }
  return id;
}

std::optional<TimePoint> Network::next() const {
  std::optional<TimePoint> when;
  if (!pending_.empty()) when = pending_.top().when;
  if (!ends_.empty() && (!when || ends_.begin()->first.reported < *when))
    when = ends_.begin()->first.reported;
  return when;
}

void Network::advance(TimePoint now, std::vector<Done>& done) {
  const auto before = static_cast<std::ptrdiff_t>(done.size());
  for (auto when = next(); when && *when <= now; when = next()) {
    Instant at{*when};
    if (!ends_.empty()) at = std::min(at, ends_.begin()->first);
    while (!ends_.empty() && ends_.begin()->first == at)
      finish_first(ends_.begin()->second, at, done);
    while (!pending_.empty() && Instant{pending_.top().when} == at) {
      const FlowId id = pending_.top().id;
      pending_.pop();
      begin(id, at, done);
    }
    share_again(at);
  }
  std::ranges::sort(done.begin() + before, done.end(), {},
                    [](const Done& one) { return std::pair(one.when, one.flow); });
}

void Network::begin(FlowId id, Instant now, std::vector<Done>& done) {
  Transfer& transfer = slots_[slot(id)];
  Class& cls = classes_[transfer.of];
  if (transfer.bytes == 0 || !limited(*cls.route)) {
    finish(id, now, done);
    return;
  }
  tick(cls, now);
  if (cls.members.empty()) cls.clock = 0;  // keeps its precision
  transfer.state = Transfer::State::kMoving;
  transfer.member = cls.members.push({cls.clock + static_cast<double>(transfer.bytes), id});
  for (const LinkId link_id : cls.route->links) {
    LinkState& link = links_[link_id];
    if (link.transfers++ == 0) link.busy_since = now;
    if (cls.members.size() == 1) link.classes.push_back(transfer.of);
  }
  change(transfer.of);
}

void Network::finish_first(ClassId id, Instant now, std::vector<Done>& done) {
  Class& cls = classes_[id];
  tick(cls, now);
  // All that was to move has been moved, and no more, but for rounding.
  const double first = cls.members.top().finish;
  SCSIM_CHECK_LE(std::abs(cls.clock - first), cls.rate * 2 * kSlack * 1e-9 + 1e-12 * first);
  cls.clock = std::max(cls.clock, first);
  std::int64_t finished = 0;
  for (; !cls.members.empty() && cls.members.top().finish <= cls.clock; ++finished) {
    const FlowId transfer = cls.members.top().id;
    cls.members.pop();
    finish(transfer, now, done);
  }
  ends_.erase({cls.next, id});
  left(id, now, finished);
}

void Network::finish(FlowId id, Instant now, std::vector<Done>& done) {
  done.push_back({slots_[slot(id)].tag, now.reported, id});
  forget(id, slots_[slot(id)].bytes);
}

void Network::count(Class& cls, std::uint32_t tenant, std::int64_t moved) const {
  if (!priced_ || tenant == kNobody) return;
  if (tenant >= cls.moved_by_tenant.size()) cls.moved_by_tenant.resize(tenant + std::size_t{1});
  cls.moved_by_tenant[tenant] += moved;
}

void Network::forget(FlowId id, std::int64_t moved) {
  Transfer& transfer = slots_[slot(id)];
  Class& cls = classes_[transfer.of];
  count(cls, transfer.tenant, moved);
  cls.moved += moved;
  cls.given_up += transfer.bytes - moved;
  cls.present -= transfer.bytes;
  transfer = {};
  free_.push_back(static_cast<std::uint32_t>(slot(id)));
}

// So many of its members have.
void Network::left(ClassId id, Instant now, std::int64_t transfers) {
  const Class& cls = classes_[id];
  for (const LinkId link_id : cls.route->links) {
    LinkState& link = links_[link_id];
    link.transfers -= transfers;
    if (link.transfers == 0) link.busy += nanoseconds(link.busy_since, now);
    if (cls.members.empty()) std::erase(link.classes, id);
  }
  change(id);
}

std::int64_t Network::cancel(FlowId id, TimePoint now) {
  SCSIM_CHECK(!next() || *next() >= now);
  const std::int64_t before = find(id).before, moved = take_out(id, {now});
  forget(id, moved);
  share_again({now});
  return before + moved;
}

// From where it waits or moves; it stays in its class's books. Gives the bytes it has moved there.
std::int64_t Network::take_out(FlowId id, Instant now) {
  const Transfer& transfer = find(id);
  if (transfer.state == Transfer::State::kPending) pending_.erase(transfer.pending);
  if (transfer.state == Transfer::State::kStranded) std::erase(stranded_, id);
  if (transfer.state != Transfer::State::kMoving) return 0;
  Class& cls = classes_[transfer.of];
  tick(cls, now);
  const std::int64_t bytes = moved(cls, *transfer.member, transfer.bytes);
  cls.members.erase(transfer.member);
  left(transfer.of, now, 1);
  return bytes;
}

// On the best route there is for it now. REQUIRES: it has been taken out.
void Network::go(FlowId id, TimePoint now) {
  Transfer& transfer = slots_[slot(id)];
  const std::vector<LinkId>& old = classes_[transfer.of].route->links;
  const Route* route = topology_.route(topology_.links()[old.front()].from,
                                       topology_.links()[old.back()].to, id.value());
  if (route == nullptr) {
    transfer.state = Transfer::State::kStranded;
    stranded_.push_back(id);
    return;
  }
  Class& from = classes_[transfer.of];
  from.started -= transfer.bytes;
  from.present -= transfer.bytes;
  transfer.of = class_of(*route);
  Class& to = classes_[transfer.of];
  to.started += transfer.bytes;
  to.present += transfer.bytes;
  transfer.state = Transfer::State::kPending;
  transfer.begin = std::max(transfer.begin, now + route->latency);
  transfer.pending = pending_.push({transfer.begin, id});
}

void Network::set_link(LinkId link, bool up, TimePoint now) {
  SCSIM_CHECK(!next() || *next() >= now);
  if (topology_.up(link) == up) return;
  topology_.set_up(link, up);
  LinkState& state = links_[link];
  if (up) state.down += (now - state.down_since).ns();
  state.down_since = now;
  std::vector<FlowId> leaving = stranded_;
  if (!up) {
    leaving.clear();
    for (const Transfer& transfer : slots_) {
      if (!transfer.id.valid() || transfer.state == Transfer::State::kStranded) continue;
      const std::vector<LinkId>& links = classes_[transfer.of].route->links;
      if (std::ranges::count(links, link) > 0) leaving.push_back(transfer.id);
    }
    state.rerouted += static_cast<std::int64_t>(leaving.size());
    rerouted_ += static_cast<std::int64_t>(leaving.size());
  }
  std::ranges::sort(leaving);
  for (const FlowId id : leaving) {
    Transfer& transfer = slots_[slot(id)];
    const std::int64_t moved = take_out(id, {now});
    Class& cls = classes_[transfer.of];
    count(cls, transfer.tenant, moved);
    cls.moved += moved;
    cls.present -= moved;
    transfer.before += moved;
    transfer.bytes -= moved;
    go(id, now);
  }
  share_again({now});
}

const Network::Transfer& Network::find(FlowId id) const {
  SCSIM_CHECK(id.valid());
  SCSIM_CHECK_LT(slot(id), slots_.size());
  SCSIM_CHECK(slots_[slot(id)].id == id);
  return slots_[slot(id)];
}

// Of a member's bytes. REQUIRES: the class has been ticked.
std::int64_t Network::moved(const Class& cls, const Member& member, std::int64_t bytes) {
  const double left = std::max(member.finish - cls.clock, 0.0);
  return std::max(bytes - static_cast<std::int64_t>(left + 0.5), std::int64_t{0});
}

void Network::change(ClassId id) {
  if (!classes_[id].changed) changed_.push_back(id);
  classes_[id].changed = true;
}

void Network::tick(Class& cls, Instant now) {
  cls.clock += cls.rate * (nanoseconds(cls.clock_at, now) * 1e-9);
  cls.clock_at = now;
}

void Network::set_next(ClassId id, Instant now) {
  Class& cls = classes_[id];
  ends_.erase({cls.next, id});
  if (cls.members.empty()) {
    cls.rate = 0;
    return;
  }
  const double left = std::max(cls.members.top().finish - cls.clock, 0.0);
  cls.next = after(now, left / cls.rate * 1e9);
  ends_.emplace(cls.next, id);
}

// ---- rates ----

// Only a link that is full ties those that use it to each other. So the region is made of the
// changed classes and, of each full link that one of them uses, all classes, and so on. The others
// keep what they have; if what they leave on a link is not enough for the region, they join it.
void Network::join(ClassId id) {
  if (class_seen_[id]) return;
  class_seen_[id] = 1;
  region_.push_back(id);
}

void Network::join_all(LinkId id) {
  links_[id].whole = true;
  for (const ClassId cls : links_[id].classes) join(cls);
}

bool Network::full(LinkId id) const {
  return links_[id].load >= topology_.links()[id].bytes_per_second * (1 - kNearly);
}

// `closed` classes have been looked at before.
void Network::close_region(std::size_t closed) {
  for (std::size_t i = closed; i < region_.size(); ++i) {
    for (const LinkId id : classes_[region_[i]].route->links) {
      LinkState& link = links_[id];
      if (!link_seen_[id]) {
        link_seen_[id] = 1;
        region_links_.push_back(id);
        link.whole = false;
        link.inside = 0;
        link.outside_load = link.load;
        if (full(id)) join_all(id);
      }
      link.outside_load -= classes_[region_[i]].loaded;
      if (!classes_[region_[i]].members.empty()) ++link.inside;
    }
  }
}

// Progressive filling: the link with the least share left for each of its transfers settles the
// rates of those, and so on with what is left. Gives a link for whose other classes there would not
// be enough left, if there is one.
std::optional<LinkId> Network::fill() {
  const auto share = [](const LinkState& link) { return std::max(link.left, 0.0) / link.unfrozen; };
  for (const LinkId id : region_links_) {
    LinkState& link = links_[id];
    if (link.inside == link.classes.size()) link.whole = true;
    link.left = topology_.links()[id].bytes_per_second;
    if (!link.whole) link.left -= std::max(link.outside_load, 0.0);
    link.unfrozen = 0;
  }
  std::size_t unfrozen = 0;
  for (const ClassId id : region_) {
    Class& cls = classes_[id];
    cls.filled = kNotFilled;
    if (cls.members.empty()) continue;
    ++unfrozen;
    for (const LinkId link : cls.route->links)
      links_[link].unfrozen += static_cast<double>(cls.members.size());
  }
  shares_.clear();
  const auto offer = [&](LinkId id) {
    if (links_[id].unfrozen == 0 || topology_.links()[id].bytes_per_second == kInfinite) return;
    shares_.emplace_back(share(links_[id]), id);
    std::ranges::push_heap(shares_, std::greater<>());
  };
  for (const LinkId id : region_links_) offer(id);
  while (unfrozen > 0) {
    SCSIM_CHECK(!shares_.empty());
    const auto [least, tightest] = shares_.front();
    std::ranges::pop_heap(shares_, std::greater<>());
    shares_.pop_back();
    if (links_[tightest].unfrozen == 0 || share(links_[tightest]) != least) continue;  // not now
    if (!links_[tightest].whole) return tightest;
    for (const ClassId id : links_[tightest].classes) {
      Class& cls = classes_[id];
      if (cls.filled != kNotFilled) continue;
      cls.filled = least;
      --unfrozen;
      const double members = static_cast<double>(cls.members.size());
      for (const LinkId link : cls.route->links) {
        links_[link].left -= least * members;
        links_[link].unfrozen -= members;
        if (link != tightest) offer(link);
      }
    }
  }
  for (const LinkId id : region_links_) {
    const double bandwidth = topology_.links()[id].bytes_per_second;
    if (!links_[id].whole && bandwidth < kInfinite && links_[id].left <= bandwidth * kNearly)
      return id;
  }
  return std::nullopt;
}

void Network::share_again(Instant now) {
  if (changed_.empty()) return;
  region_.clear();
  region_links_.clear();
  for (const ClassId id : changed_) join(id);
  changed_.clear();
  close_region(0);
  while (const auto link = fill()) {
    const std::size_t closed = region_.size();
    join_all(*link);
    close_region(closed);
  }
  for (const LinkId id : region_links_) {
    LinkState& link = links_[id];
    link_seen_[id] = 0;
    link.carried.advance(now.reported, {link.load});
    link.load = link.whole ? 0 : std::max(link.outside_load, 0.0);
    if (!link.whole) continue;
    for (const ClassId cls : link.classes)
      link.load += classes_[cls].filled * static_cast<double>(classes_[cls].members.size());
  }
  for (const ClassId id : region_) {
    Class& cls = classes_[id];
    class_seen_[id] = 0;
    cls.loaded =
        cls.filled == kNotFilled ? 0 : cls.filled * static_cast<double>(cls.members.size());
    for (const LinkId link : cls.route->links) {
      if (!links_[link].whole) links_[link].load += cls.loaded;
    }
    if (cls.filled == cls.rate && !cls.changed) continue;
    cls.changed = false;
    tick(cls, now);
    cls.rate = cls.filled;
    set_next(id, now);
  }
  for (const LinkId id : region_links_)
    SCSIM_CHECK_LE(links_[id].load, topology_.links()[id].bytes_per_second * (1 + 1e-9));
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
  SCSIM_CHECK(!next() || *next() >= end);
  std::vector<std::int64_t> bytes(links_.size(), 0);
  for (Class& cls : classes_) {
    SCSIM_CHECK_EQ(cls.started, cls.moved + cls.given_up + cls.present);
    if (!cls.members.empty()) tick(cls, {end});
    std::int64_t all = cls.moved;
    for (const Member& member : cls.members) {
      const Transfer& transfer = slots_[slot(member.id)];
      const std::int64_t so_far = moved(cls, member, transfer.bytes);
      count(cls, transfer.tenant, so_far);
      all += so_far;
    }
    for (const LinkId link : cls.route->links) bytes[link] += all;
  }
  std::vector<LinkResult> results;
  for (LinkId id = 0; id < links_.size(); ++id) {
    LinkState& link = links_[id];
    link.carried.advance(end, {link.load});
    link.carried.widen(width);
    LinkResult& result = results.emplace_back();
    result.name = topology_.link_name(id);
    result.bytes_per_second = topology_.links()[id].bytes_per_second;
    result.bytes = bytes[id];
    const double still = link.transfers > 0 ? nanoseconds(link.busy_since, {end}) : 0;
    result.busy_ns = static_cast<std::int64_t>(link.busy + still + 0.5);
    result.carried = link.carried.means(0, end);
    result.rerouted = link.rerouted;
    result.down_ns = link.down + (topology_.up(id) ? 0 : (end - link.down_since).ns());
    result.price_per_gb = topology_.links()[id].price_per_gb;
  }
  for (const Class& cls : classes_) {
    for (const LinkId id : cls.route->links) {
      std::vector<std::int64_t>& of_link = results[id].bytes_by_tenant;
      if (results[id].price_per_gb <= 0) continue;
      of_link.resize(std::max(of_link.size(), cls.moved_by_tenant.size()));
      for (std::size_t t = 0; t < cls.moved_by_tenant.size(); ++t)
        of_link[t] += cls.moved_by_tenant[t];
    }
  }
  return results;
}

}  // namespace scsim::sim
