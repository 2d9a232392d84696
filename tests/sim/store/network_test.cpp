#include "sim/store/network.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "tests/oracle/max_min_oracle.h"
#include "tests/support/aborts.h"
#include "traces/rng.h"

namespace scsim::sim {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// A row of places, each joined to the next.
struct Row {
  Topology topology;
  std::vector<VertexId> places;

  explicit Row(const std::vector<double>& bytes_per_second, Duration latency = {}) {
    places.push_back(topology.vertex("0"));
    for (const double width : bytes_per_second) {
      places.push_back(topology.vertex(std::to_string(places.size())));
      topology.add_link(places[places.size() - 2], places.back(), width, latency);
    }
  }
  const Route& route(std::size_t from, std::size_t to) const {
    return *topology.route(places[from], places[to]);
  }
};

std::vector<Network::Done> run(Network& network) {
  std::vector<Network::Done> done;
  while (const auto next = network.next()) network.advance(*next, done);
  return done;
}

TEST_CASE("a transfer alone takes its latency and its bytes at the narrowest link",
          "[sim][network]") {
  Row row({5e9, 2e9, 3e9}, Duration(700));
  Network network(row.topology);
  network.start(row.route(0, 3), 4'000'000'000, Duration(50), 7, TimePoint(1'000));
  CHECK(network.in_flight() == 1);
  const auto done = run(network);
  REQUIRE(done.size() == 1);
  CHECK(done[0].tag == 7);
  CHECK(done[0].when == TimePoint(1'000 + 50 + 3 * 700 + 2'000'000'000));
  CHECK(network.in_flight() == 0);
}

TEST_CASE("n equal transfers over one link take n times as long", "[sim][network]") {
  Row row({1e9});
  for (int n = 1; n <= 50; ++n) {
    Network network(row.topology);
    for (int i = 0; i < n; ++i)
      network.start(row.route(0, 1), 1'000'000, {}, static_cast<std::uint64_t>(i), {});
    const auto done = run(network);
    REQUIRE(done.size() == static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < done.size(); ++i) {
      CHECK(done[i].tag == i);  // in the order of their starts
      CHECK(done[i].when == TimePoint(1'000'000 * n));
    }
  }
}

// Four transfers that begin together on one link of 1 GB/s, of 1, 2, 3 and 4 MB: while k are left
// each has a k-th. 1 MB each takes 4 ms, the next MB of three 3 ms, of two 2 ms, the last 1 ms.
TEST_CASE("those that are left share what those that ended had", "[sim][network]") {
  Row row({1e9});
  Network network(row.topology);
  for (std::int64_t i = 4; i >= 1; --i)
    network.start(row.route(0, 1), i * 1'000'000, {}, static_cast<std::uint64_t>(i), {});
  const auto done = run(network);
  REQUIRE(done.size() == 4);
  const std::int64_t ends[] = {4'000'000, 7'000'000, 9'000'000, 10'000'000};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(done[i].tag == i + 1);
    CHECK(std::abs(done[i].when.ns() - ends[i]) <= 1);
  }
}

TEST_CASE("nothing to move, nowhere to go or no limit: it takes the latency", "[sim][network]") {
  Row row({1e9, kInfinite, kInfinite}, Duration(300));
  Network network(row.topology);
  network.start(row.route(0, 1), 0, {}, 0, {});
  network.start(row.route(2, 2), 1'000'000, {}, 1, {});
  network.start(row.route(1, 3), 1'000'000, {}, 2, {});
  network.start(row.route(2, 3), 500, {}, 3, {});
  CHECK(network.next() == TimePoint(0));
  std::vector<Network::Done> done;
  network.advance(TimePoint(599), done);
  REQUIRE(done.size() == 3);
  CHECK((done[0].tag == 1 && done[0].when == TimePoint(0)));
  CHECK((done[1].tag == 0 && done[1].when == TimePoint(300)));
  CHECK((done[2].tag == 3 && done[2].when == TimePoint(300)));
  network.advance(TimePoint(600), done);
  REQUIRE(done.size() == 4);
  CHECK((done[3].tag == 2 && done[3].when == TimePoint(600)));
  const auto links = network.end_of_run(TimePoint(600), network.timeline_width());
  CHECK(links[0].bytes == 0);
  CHECK(links[1].bytes == 1'000'000);
  CHECK(links[2].bytes == 1'000'500);
}

TEST_CASE("a transfer has no share before its latency is over", "[sim][network]") {
  Row row({1e9});
  Network network(row.topology);
  network.start(row.route(0, 1), 1'000'000, {}, 0, {});
  network.start(row.route(0, 1), 1'000'000, Duration(1'000'000), 1, {});
  const auto done = run(network);
  REQUIRE(done.size() == 2);
  CHECK(done[0].when == TimePoint(1'000'000));
  CHECK(done[1].when == TimePoint(2'000'000));
}

TEST_CASE("a cancelled transfer frees its share at once and says what it moved", "[sim][network]") {
  Row row({1e9});
  Network network(row.topology);
  std::vector<Network::Done> done;
  const FlowId first = network.start(row.route(0, 1), 9'000'000, {}, 0, {});
  network.start(row.route(0, 1), 3'000'000, {}, 1, {});
  const FlowId late = network.start(row.route(0, 1), 5, Duration(5'000'000), 2, {});
  network.advance(TimePoint(2'000'000), done);
  CHECK(network.rate(row.route(0, 1)) == Approx(0.5e9));
  CHECK(network.cancel(first, TimePoint(2'000'000)) == 1'000'000);
  CHECK(network.rate(row.route(0, 1)) == Approx(1e9));
  CHECK(network.cancel(late, TimePoint(2'000'000)) == 0);
  CHECK(network.in_flight() == 1);
  const auto rest = run(network);
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].when == TimePoint(4'000'000));
  const auto links = network.end_of_run(TimePoint(5'000'000), network.timeline_width());
  CHECK(links[0].bytes == 4'000'000);
  CHECK(links[0].busy_ns == 4'000'000);
  REQUIRE_FALSE(links[0].carried.empty());
  CHECK(links[0].carried[0] == Approx(4e6 / 5e-3));
  CHECK(test::aborts([&] { network.cancel(first, TimePoint(5'000'000)); }));
}

TEST_CASE("a run that ends early counts what has been moved", "[sim][network]") {
  Row row({1e9});
  Network network(row.topology);
  std::vector<Network::Done> done;
  network.start(row.route(0, 1), 10'000'000'000, {}, 0, {});
  network.advance(TimePoint(0), done);
  const auto links = network.end_of_run(TimePoint(250'000'000), network.timeline_width());
  CHECK(links[0].bytes == 250'000'000);
  CHECK(links[0].busy_ns == 250'000'000);
}

TEST_CASE("what a new transfer could expect is the least equal share", "[sim][network]") {
  Row row({4e9, 1e9, 8e9}, Duration(1'000));
  Network network(row.topology);
  std::vector<Network::Done> done;
  CHECK(network.expected_seconds(row.route(0, 3), 1e9) == Approx(1.000003));
  for (std::uint64_t i = 0; i < 7; ++i) network.start(row.route(0, 1), 1'000'000'000, {}, i, {});
  network.start(row.route(1, 2), 1'000'000'000, {}, 7, {});
  network.advance(TimePoint(1'000), done);
  CHECK(network.expected_seconds(row.route(0, 1), 1e9) == Approx(2.000001));
  CHECK(network.expected_seconds(row.route(0, 3), 1e9) == Approx(2.000003));
  CHECK(network.expected_seconds(row.route(2, 3), 8e9) == Approx(1.000001));
}

// Bertsekas and Gallager's figure: short transfers on links of their own leave the long one the
// least of the links' shares, and have what it leaves.
TEST_CASE("one that is limited elsewhere leaves its share to the others", "[sim][network]") {
  Row row({3e9, 1e9});
  Network network(row.topology);
  std::vector<Network::Done> done;
  network.start(row.route(0, 2), 1'000'000'000, {}, 0, {});
  network.start(row.route(1, 2), 1'000'000'000, {}, 1, {});
  network.start(row.route(0, 1), 1'000'000'000, {}, 2, {});
  network.advance(TimePoint(0), done);
  CHECK(network.rate(row.route(0, 2)) == Approx(0.5e9));
  CHECK(network.rate(row.route(1, 2)) == Approx(0.5e9));
  CHECK(network.rate(row.route(0, 1)) == Approx(2.5e9));
}

// ---- against the oracle, flow by flow ----

struct RandomNetwork {
  Topology topology;
  std::vector<double> capacities;
  std::vector<const Route*> routes;

  explicit RandomNetwork(Rng& rng) {
    const auto places = static_cast<VertexId>(3 + rng.below(6));
    for (VertexId v = 0; v < places; ++v) topology.vertex("v" + std::to_string(v));
    const std::uint64_t links = 2 + rng.below(14);
    for (std::uint64_t i = 0; i < links; ++i) {
      const auto from = static_cast<VertexId>(rng.below(places));
      const auto to = static_cast<VertexId>((from + 1 + rng.below(places - 1)) % places);
      // A few sizes, so that links are often full together.
      const double width = rng.chance(0.1)   ? kInfinite
                           : rng.chance(0.5) ? 1e9 * static_cast<double>(1 + rng.below(4))
                                             : rng.uniform(0.1e9, 50e9);
      topology.add_link(from, to, width, Duration(static_cast<std::int64_t>(rng.below(3) * 500)));
      capacities.push_back(width);
    }
    for (VertexId from = 0; from < places; ++from) {
      for (VertexId to = 0; to < places; ++to) {
        const Route* route = topology.route(from, to);
        if (route != nullptr && (from != to || rng.chance(0.1))) routes.push_back(route);
      }
    }
  }
};

struct Plan {
  const Route* route;
  std::int64_t bytes, start, delay;
  std::optional<std::int64_t> cancel;
};

std::vector<Plan> random_plan(Rng& rng, const RandomNetwork& network) {
  std::vector<Plan> plan;
  const std::uint64_t flows = 1 + rng.below(40);
  std::int64_t now = 0;
  for (std::uint64_t i = 0; i < flows; ++i) {
    if (rng.chance(0.6)) now += static_cast<std::int64_t>(rng.below(400'000));
    Plan one{network.routes[rng.below(network.routes.size())], 0, now, 0, std::nullopt};
    one.bytes = rng.chance(0.05)  ? 0
                : rng.chance(0.3) ? 1'000'000
                                  : static_cast<std::int64_t>(rng.below(4'000'000));
    if (rng.chance(0.3)) one.delay = static_cast<std::int64_t>(rng.below(300'000));
    if (rng.chance(0.2)) one.cancel = now + static_cast<std::int64_t>(rng.below(1'000'000));
    plan.push_back(one);
  }
  return plan;
}

struct Outcome {
  std::vector<std::optional<std::int64_t>> ends, moved;  // end or bytes at cancellation
  std::vector<std::uint64_t> order;                      // of ending
  std::vector<LinkResult> links;
  std::int64_t end = 0;
};

// As a simulation would: what is due first, then what it does at that instant.
Outcome play(Topology& topology, const std::vector<Plan>& plan,
             const std::vector<double>& capacities) {
  Network network(topology);
  Outcome out;
  out.ends.resize(plan.size());
  out.moved.resize(plan.size());
  std::vector<FlowId> ids(plan.size());
  std::map<std::int64_t, std::vector<std::pair<bool, std::size_t>>> doings;  // cancels, then starts
  for (std::size_t i = 0; i < plan.size(); ++i) {
    doings[plan[i].start].emplace_back(false, i);
    if (plan[i].cancel) doings[*plan[i].cancel].emplace_back(true, i);
  }
  std::vector<Network::Done> done;
  while (true) {
    const auto next = network.next();
    if (doings.empty() && !next) break;
    const bool network_first = next && (doings.empty() || next->ns() <= doings.begin()->first);
    const TimePoint now = network_first ? *next : TimePoint(doings.begin()->first);
    out.end = now.ns();
    done.clear();
    network.advance(now, done);
    for (const Network::Done& one : done) {
      CHECK(one.when == now);
      CHECK(one.flow == ids[one.tag]);
      out.ends[one.tag] = one.when.ns();
      out.order.push_back(one.tag);
    }
    // The rates of this moment are fair by the definition.
    std::vector<oracle::Links> links;
    std::vector<double> rates;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const std::int64_t begin = plan[i].start + plan[i].delay + plan[i].route->latency.ns();
      if (!ids[i].valid() || begin > now.ns() || out.ends[i] || out.moved[i]) continue;
      links.push_back(plan[i].route->links);
      rates.push_back(network.rate(*plan[i].route));
    }
    CHECK(oracle::max_min_fault(capacities, links, rates, 1e-9).empty());
    if (network_first) continue;
    const auto now_doing = doings.begin()->second;
    doings.erase(doings.begin());
    for (const auto& [cancels, i] : now_doing) {
      if (!cancels) {
        ids[i] = network.start(*plan[i].route, plan[i].bytes, Duration(plan[i].delay), i, now);
      } else if (!out.ends[i]) {
        out.moved[i] = network.cancel(ids[i], now);
      }
    }
  }
  CHECK(network.in_flight() == 0);
  out.links = network.end_of_run(TimePoint(out.end), network.timeline_width());
  return out;
}

// An end is reported at the whole nanosecond it is in; a little more for the rounding of doubles.
constexpr long double kNanoseconds = 1.01;

TEST_CASE("transfers end when flow by flow they would, and no byte is lost", "[sim][network]") {
  std::size_t ended = 0, cancelled = 0, cancelled_moving = 0;
  long double worst = 0;
  for (std::uint64_t trial = 0; trial < 1500; ++trial) {
    Rng rng(trial, "test.network");
    RandomNetwork network(rng);
    if (network.routes.empty()) continue;
    const std::vector<Plan> plan = random_plan(rng, network);
    CAPTURE(trial);
    const Outcome out = play(network.topology, plan, network.capacities);

    std::vector<oracle::PlannedFlow> planned;
    for (const Plan& one : plan) {
      planned.push_back({one.route->links, one.bytes,
                         one.start + one.delay + one.route->latency.ns(), one.cancel});
    }
    const auto played = oracle::play_flows(network.capacities, planned);
    std::vector<std::int64_t> bytes(network.capacities.size(), 0);
    for (std::size_t i = 0; i < plan.size(); ++i) {
      CAPTURE(i);
      if (out.ends[i]) {
        ++ended;
        const long double late = static_cast<long double>(*out.ends[i]) - played[i].end_ns;
        worst = std::max(worst, std::abs(late));
        CHECK(std::abs(late) < kNanoseconds);
        for (const LinkId link : plan[i].route->links) bytes[link] += plan[i].bytes;
      } else {
        ++cancelled;
        REQUIRE(out.moved[i]);
        if (*out.moved[i] > 0) ++cancelled_moving;
        // In so many nanoseconds it moves so many bytes.
        const double slack =
            plan[i].route->links.empty() || plan[i].route->bytes_per_second == kInfinite
                ? 0
                : plan[i].route->bytes_per_second * 1e-9 * kNanoseconds;
        CHECK(std::abs(static_cast<double>(*out.moved[i]) - static_cast<double>(played[i].moved)) <=
              1 + slack);
        for (const LinkId link : plan[i].route->links) bytes[link] += *out.moved[i];
      }
    }
    for (std::size_t link = 0; link < bytes.size(); ++link) {
      const LinkResult& result = out.links[link];
      CHECK(result.bytes == bytes[link]);
      CHECK(result.busy_ns <= out.end);
      CHECK(result.bytes_per_second == network.capacities[link]);
      // Nothing is carried faster than the link is, and the time line holds all of it.
      if (network.capacities[link] == kInfinite) continue;
      // But for half a byte of each that was cancelled.
      CHECK(static_cast<double>(result.bytes) <=
            network.capacities[link] * 1e-9 * static_cast<double>(result.busy_ns + 1) + 20);
      double carried = 0;
      const double width = static_cast<double>(Duration(100'000'000).ns()) * 1e-9;
      for (std::size_t bin = 0; bin < result.carried.size(); ++bin) {
        const double begin = static_cast<double>(bin) * width;
        carried += static_cast<double>(result.carried[bin]) *
                   std::min(width, static_cast<double>(out.end) * 1e-9 - begin);
      }
      CHECK(std::abs(carried - static_cast<double>(result.bytes)) <=
            1e-6 * static_cast<double>(result.bytes) + network.capacities[link] * 60e-9 + 40);
    }
  }
  CHECK(ended > 10'000);
  CHECK(cancelled > 1'000);
  CHECK(cancelled_moving > 200);
  CAPTURE(worst);
  CHECK(worst < kNanoseconds);
}

TEST_CASE("the same transfers end at the same times in the same order", "[sim][network]") {
  for (std::uint64_t trial = 0; trial < 50; ++trial) {
    Rng rng(trial, "test.network");
    RandomNetwork network(rng);
    if (network.routes.empty()) continue;
    const std::vector<Plan> plan = random_plan(rng, network);
    const Outcome a = play(network.topology, plan, network.capacities);
    const Outcome b = play(network.topology, plan, network.capacities);
    CHECK(a.ends == b.ends);
    CHECK(a.moved == b.moved);
    CHECK(a.order == b.order);
  }
}

TEST_CASE("where one link matters, a wider one delays nobody", "[sim][network]") {
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    Rng rng(trial, "test.network.wider");
    const double narrow = rng.uniform(1e9, 5e9);
    Row before({narrow}), after({narrow * rng.uniform(1.0, 3.0)});
    std::vector<std::int64_t> ends[2];
    for (int which = 0; which < 2; ++which) {
      Row& row = which == 0 ? before : after;
      Rng draws(trial, "test.network.transfers");
      std::vector<Plan> plan;
      for (int i = 0; i < 30; ++i) {
        plan.push_back({&row.route(0, 1), static_cast<std::int64_t>(draws.below(3'000'000)),
                        static_cast<std::int64_t>(draws.below(10'000'000)), 0, std::nullopt});
      }
      std::ranges::sort(plan, {}, &Plan::start);
      const Outcome out = play(row.topology, plan, {row.topology.links()[0].bytes_per_second});
      for (const auto& end : out.ends) ends[which].push_back(end.value());
    }
    for (std::size_t i = 0; i < ends[0].size(); ++i) CHECK(ends[1][i] <= ends[0][i]);
  }
}

// Of many ends each is reported rounded. Transfers that share a link end when it has moved them
// all, however many changes of the shares there were.
TEST_CASE("rounding does not add up on a link that is never idle", "[sim][network]") {
  Row row({7e9, 70e9, 9e9});
  Network network(row.topology);
  Rng rng(1, "test.network.busy");
  std::int64_t all = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto bytes = static_cast<std::int64_t>(1 + rng.below(1'000'000));
    all += bytes;
    network.start(row.route(0, 1 + i % 3), bytes, {}, i, {});
  }
  const auto done = run(network);
  const double expected = static_cast<double>(all) / 7.0;
  CHECK(std::abs(static_cast<double>(done.back().when.ns()) - expected) < kNanoseconds);
}

// ---- links that go down ----

// Two ways of 1 GB/s, one of them 1 us longer. 4 MB, after 1 ms 3 MB are left; they begin anew at
// 1 ms + 2 us on the second way and need 3 ms more. Then that goes down as well, with 1 MB left,
// and comes back 5 ms later; the first stays down.
TEST_CASE("what was on a link that goes down takes another way, or waits", "[sim][network]") {
  Topology topology;
  const VertexId a = topology.vertex("a"), b = topology.vertex("b");
  const LinkId first = topology.add_link(a, b, 1e9, Duration(1'000));
  const LinkId second = topology.add_link(a, b, 1e9, Duration(2'000));
  Network network(topology);
  std::vector<Network::Done> done;
  const FlowId flow = network.start(*topology.route(a, b), 4'000'000, {}, 0, {});
  const FlowId later =
      network.start(*topology.route(a, b), 500'000, Duration(20'000'000), 1, TimePoint(1'000));
  network.advance(TimePoint(1'000), done);
  network.set_link(first, false, TimePoint(1'001'000));
  CHECK(network.rerouted() == 2);
  CHECK(network.next() == TimePoint(1'003'000));
  network.advance(TimePoint(1'003'000), done);
  CHECK(network.rate(*topology.route(a, b)) == 1e9);
  network.set_link(second, false, TimePoint(3'003'000));
  CHECK(network.stranded() == 2);
  CHECK_FALSE(network.next());
  CHECK(network.in_flight() == 2);
  network.set_link(second, true, TimePoint(8'003'000));
  CHECK(network.stranded() == 0);
  while (const auto next = network.next()) network.advance(*next, done);
  REQUIRE(done.size() == 2);
  CHECK(done[0].flow == flow);
  CHECK(done[0].when == TimePoint(8'005'000 + 1'000'000));
  CHECK(done[1].flow == later);
  CHECK(done[1].when == TimePoint(20'002'000 + 500'000));
  const auto links = network.end_of_run(done[1].when, network.timeline_width());
  CHECK(links[0].bytes == 1'000'000);
  CHECK(links[1].bytes == 3'500'000);
  CHECK(links[0].rerouted == 2);
  CHECK(links[1].rerouted == 2);
  CHECK(links[0].down_ns == done[1].when.ns() - 1'001'000);
  CHECK(links[1].down_ns == 5'000'000);
}

TEST_CASE("a transfer that waits for a way can be cancelled, with what it moved before",
          "[sim][network]") {
  Row row({1e9});
  Network network(row.topology);
  std::vector<Network::Done> done;
  const FlowId flow = network.start(row.route(0, 1), 9'000'000, {}, 0, {});
  const Route& gone = row.route(0, 1);
  network.advance({}, done);
  network.set_link(0, false, TimePoint(2'000'000));
  CHECK(row.topology.route(row.places[0], row.places[1]) == nullptr);
  const FlowId late = network.start(gone, 5, {}, 1, TimePoint(2'000'000));
  CHECK(network.stranded() == 2);
  CHECK(network.cancel(flow, TimePoint(3'000'000)) == 2'000'000);
  network.set_link(0, true, TimePoint(4'000'000));
  const auto rest = run(network);
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].flow == late);
  CHECK(rest[0].when == TimePoint(4'000'005));
}

// Each flow's way follows from the rule alone: the oracle plays flows along those.
TEST_CASE("with links that come and go, transfers end when flow by flow they would",
          "[sim][network]") {
  std::size_t ended = 0, rerouted = 0, stranded = 0;
  for (std::uint64_t trial = 0; trial < 800; ++trial) {
    Rng rng(trial, "test.network"), again(trial, "test.network");
    RandomNetwork real(rng), rule(again);
    if (real.routes.empty()) continue;
    std::vector<Plan> plan = random_plan(rng, real);
    for (Plan& one : plan) one.cancel.reset();
    struct Switch {
      std::int64_t at;
      LinkId link;
      bool up;
    };
    std::vector<Switch> switches;
    const auto num_links = static_cast<LinkId>(real.capacities.size());
    for (int i = 0; i < 6; ++i) {
      const auto at = static_cast<std::int64_t>(rng.below(6'000'000));
      const auto link = static_cast<LinkId>(rng.below(num_links));
      switches.push_back({at, link, false});
      switches.push_back({at + 1 + static_cast<std::int64_t>(rng.below(3'000'000)), link, true});
    }
    for (LinkId link = 0; link < num_links; ++link) switches.push_back({10'000'000, link, true});
    std::ranges::sort(switches, {}, [](const Switch& s) { return std::pair(s.at, s.link); });

    Network network(real.topology);
    std::vector<FlowId> ids;
    std::vector<std::optional<std::int64_t>> ends(plan.size());
    std::vector<Network::Done> done;
    std::size_t starts = 0, turned = 0;
    while (true) {
      const auto next = network.next();
      constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
      const std::int64_t start = starts < plan.size() ? plan[starts].start : kNever;
      const std::int64_t turn = turned < switches.size() ? switches[turned].at : kNever;
      const std::int64_t now = std::min({next ? next->ns() : kNever, start, turn});
      if (now == kNever) break;
      done.clear();
      network.advance(TimePoint(now), done);
      for (const Network::Done& one : done) ends[one.tag] = one.when.ns();
      if (next && next->ns() == now) continue;
      if (start == now) {  // starts first, then switches
        ids.push_back(network.start(*plan[starts].route, plan[starts].bytes,
                                    Duration(plan[starts].delay), starts, TimePoint(now)));
        ++starts;
      } else {
        network.set_link(switches[turned].link, switches[turned].up, TimePoint(now));
        stranded += network.stranded();
        ++turned;
      }
    }
    rerouted += static_cast<std::size_t>(network.rerouted());
    CHECK(network.in_flight() == 0);
    const auto results = network.end_of_run(TimePoint(100'000'000), network.timeline_width());

    // The ways: a switch moves the flows that are on the link, and those without a way.
    std::vector<oracle::PlannedFlow> planned;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const Plan& one = plan[i];
      planned.push_back(
          {one.route->links, one.bytes, one.start + one.delay + one.route->latency.ns(), {}, {}});
    }
    constexpr std::int64_t kLate = std::numeric_limits<std::int64_t>::max() / 4;
    std::vector<std::int64_t> begin(plan.size());
    std::vector<oracle::Links> on(plan.size());
    const auto move = [&](std::size_t i, std::int64_t at) {
      const std::vector<LinkId>& old = plan[i].route->links;
      const Route* way = rule.topology.route(rule.topology.links()[old.front()].from,
                                             rule.topology.links()[old.back()].to, ids[i].value());
      if (way != nullptr) {
        begin[i] = std::max(begin[i], at + way->latency.ns());
        on[i] = way->links;
      } else {
        on[i].clear();
      }
      planned[i].moves.push_back(
          {at, on[i].empty() ? oracle::Links{0} : on[i], on[i].empty() ? kLate : begin[i]});
    };
    std::size_t at_switch = 0;
    for (std::size_t i = 0; i < plan.size() || at_switch < switches.size();) {
      if (i < plan.size() &&
          (at_switch == switches.size() || plan[i].start <= switches[at_switch].at)) {
        begin[i] = planned[i].begin_ns;
        on[i] = plan[i].route->links;
        if (!on[i].empty() &&
            std::ranges::any_of(on[i], [&](LinkId l) { return !rule.topology.up(l); }))
          move(i, plan[i].start);
        ++i;
        continue;
      }
      const Switch& s = switches[at_switch++];
      if (rule.topology.up(s.link) == s.up) continue;
      rule.topology.set_up(s.link, s.up);
      for (std::size_t f = 0; f < i; ++f) {
        if (plan[f].route->links.empty()) continue;
        const bool on_it = std::ranges::count(on[f], s.link) > 0 && *ends[f] > s.at;
        if (s.up ? on[f].empty() : on_it) move(f, s.at);
      }
    }
    const auto played = oracle::play_flows(real.capacities, planned);
    CAPTURE(trial);
    for (std::size_t i = 0; i < plan.size(); ++i) {
      CAPTURE(i);
      REQUIRE(ends[i]);
      ++ended;
      // Where a flow was moved, half a byte of it was rounded, some 0.1 us at the least of the
      // rates here.
      CHECK(std::abs(static_cast<long double>(*ends[i]) - played[i].end_ns) < 500);
    }
    // Every byte of every flow has been over one link at the least.
    std::int64_t moved = 0, bytes = 0;
    for (const LinkResult& link : results) moved += link.bytes;
    for (const Plan& one : plan) bytes += one.route->links.empty() ? 0 : one.bytes;
    CHECK(moved >= bytes);
  }
  CHECK(ended > 10'000);
  CHECK(rerouted > 1'000);
  CHECK(stranded > 1'000);
}

}  // namespace
}  // namespace scsim::sim
