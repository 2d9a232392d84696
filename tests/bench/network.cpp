// How fast transfers share links. The answer is checked first: when the last of them ends, to the
// nanosecond, and what the shared store's link carried.
//
//   bench_network [case...]            cases: nodes, sequential
//
// nodes: 8 nodes of 8 engines, host memory and NVMe in each node, one store behind everybody's
// network; 100,000 transfers of 1 MB to 1 GB, 50 under way at any time, half of them from host
// memory, a fifth from NVMe, a fifth from the store, a tenth to it. sequential: the same one at a
// time. A CSV line per case: CPU seconds over five runs after a warm-up, and transfers per second
// of the median.
#include "sim/store/network.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "traces/rng.h"

namespace scsim::sim {
namespace {

constexpr std::size_t kTransfers = 100'000;

struct Answer {
  std::int64_t end_ns = 0, store_bytes = 0;
  friend bool operator==(const Answer&, const Answer&) = default;
};

struct Case {
  std::string name;
  std::size_t at_a_time;
  Answer expected;
};

struct Nodes {
  Topology topology;
  std::vector<VertexId> engines, hosts, disks;
  VertexId store = topology.vertex("store"), hub = topology.vertex("switch");
  LinkId from_store = 0;

  Nodes() {
    for (int n = 0; n < 8; ++n) {
      const std::string node = "node" + std::to_string(n);
      hosts.push_back(topology.vertex(node + ".host"));
      disks.push_back(topology.vertex(node + ".nvme"));
      const VertexId memory = topology.vertex(node);
      both_ways(hosts.back(), memory, 300e9, Duration(500));
      both_ways(disks.back(), memory, 12e9, Duration(80'000));
      both_ways(memory, hub, 50e9, Duration(3'000));
      for (int e = 0; e < 8; ++e) {
        engines.push_back(topology.vertex(node + ".engine" + std::to_string(e)));
        both_ways(memory, engines.back(), 55e9, Duration(1'500));
      }
    }
    from_store = topology.add_link(store, hub, 100e9, Duration(200'000));
    topology.add_link(hub, store, 60e9, Duration(200'000));
  }
  void both_ways(VertexId a, VertexId b, double bytes_per_second, Duration latency) {
    topology.add_link(a, b, bytes_per_second, latency);
    topology.add_link(b, a, bytes_per_second, latency);
  }
};

struct Transfer {
  const Route* route;
  std::int64_t bytes;
};

std::vector<Transfer> draw(const Nodes& nodes) {
  Rng rng(1, "bench.network");
  std::vector<Transfer> all;
  for (std::size_t i = 0; i < kTransfers; ++i) {
    const std::size_t engine = rng.below(64);
    const VertexId at = nodes.engines[engine];
    const double kind = rng.uniform();
    const Route* route = kind < 0.5   ? nodes.topology.route(nodes.hosts[engine / 8], at)
                         : kind < 0.7 ? nodes.topology.route(nodes.disks[engine / 8], at)
                         : kind < 0.9 ? nodes.topology.route(nodes.store, at)
                                      : nodes.topology.route(at, nodes.store);
    all.push_back({route, static_cast<std::int64_t>(rng.uniform(1e6, 1e9))});
  }
  return all;
}

Answer run_once(Nodes& nodes, const std::vector<Transfer>& transfers, std::size_t at_a_time) {
  Network network(nodes.topology);
  std::vector<Network::Done> done;
  std::size_t started = 0, ended = 0;
  TimePoint now;
  const auto start = [&] {
    const Transfer& next = transfers[started];
    network.start(*next.route, next.bytes, Duration(), started++, now);
  };
  while (started < at_a_time) start();
  while (const auto next = network.next()) {
    now = *next;
    done.clear();
    network.advance(now, done);
    ended += done.size();
    for (std::size_t i = 0; i < done.size() && started < transfers.size(); ++i) start();
  }
  SCSIM_CHECK_EQ(ended, transfers.size());
  const auto links = network.end_of_run(now, network.timeline_width());
  return {now.ns(), links[nodes.from_store].bytes};
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

bool run(const Case& which) {
  Nodes nodes;
  const std::vector<Transfer> transfers = draw(nodes);
  const Answer answer = run_once(nodes, transfers, which.at_a_time);
  if (answer != which.expected) {
    std::printf("%s,WRONG: end at %" PRId64 " ns, %" PRId64 " bytes from the store\n",
                which.name.c_str(), answer.end_ns, answer.store_bytes);
    return false;
  }
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) {
    const double start = cpu_seconds();
    run_once(nodes, transfers, which.at_a_time);
    seconds.push_back(cpu_seconds() - start);
  }
  std::ranges::sort(seconds);
  std::printf("%s,%zu,%.3f,%.3f,%.3f,%.0f\n", which.name.c_str(), transfers.size(), seconds.front(),
              seconds[2], seconds.back(), static_cast<double>(transfers.size()) / seconds[2]);
  return true;
}

}  // namespace
}  // namespace scsim::sim

int main(int argc, char** argv) {
  using namespace scsim::sim;
  const std::vector<Case> cases = {{"nodes", 50, {123859210977, 10013580347554}},
                                   {"sequential", 1, {1602971187600, 10013580347554}}};
  std::printf("case,transfers,cpu_s_min,cpu_s_median,cpu_s_max,transfers_per_cpu_s\n");
  bool right = true;
  for (const Case& which : cases) {
    const std::vector<std::string> wanted(argv + 1, argv + argc);
    if (!wanted.empty() && std::ranges::find(wanted, which.name) == wanted.end()) continue;
    right = run(which) && right;
  }
  return right ? 0 : 1;
}
