#include "sim/store/fabric.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/sim/small_cluster.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using Catch::Contains;
using test::at_ms;
using test::for_ms;

struct Built {
  Expected<Cluster> cluster;
  Expected<std::unique_ptr<Fabric>> fabric;

  explicit Built(const std::string& yaml) : cluster(resolved(yaml)), fabric(made(cluster)) {}
  static Expected<Cluster> resolved(const std::string& yaml) {
    proto::ClusterConfig config;
    if (const auto read = read_yaml_text(yaml, "cluster.yaml", config); !read) return read.error();
    return resolve_cluster(config);
  }
  static Expected<std::unique_ptr<Fabric>> made(const Expected<Cluster>& cluster) {
    if (!cluster) return cluster.error();
    return Fabric::make(*cluster);
  }
  std::string error() const { return fabric ? "no error" : fabric.error().message; }
  const Topology& topology() const { return (*fabric)->topology(); }
  std::span<const Route* const> routes(const std::string& from, const std::string& to) const {
    return topology().routes(topology().find(from).value(), topology().find(to).value());
  }
  std::string way(const std::string& from, const std::string& to) const {
    std::string text = from;
    for (const LinkId link : routes(from, to)[0]->links)
      text += " " + topology().name(topology().links()[link].to);
    return text;
  }
};

const std::string kStore =
    "\nstore: {tiers: [{medium: remote, name: store, capacity: 1 TiB, read_bandwidth: 1 TB/s,"
    " write_bandwidth: 1 TB/s}]}\n";

// NVIDIA's data sheet: 900 GB/s of NVLink a GPU in both directions together, PCIe 5.0 x16, eight
// ConnectX-7 of 400 Gb/s for the GPUs.
TEST_CASE("in a dgx_h200 engines talk by NVLink, and to other nodes by NICs of their own",
          "[sim][fabric]") {
  const Built built("pools: [{gpus: 16, tensor_parallel: 2}]" + kStore +
                    "network: {node: dgx_h200}");
  REQUIRE(built.error() == "no error");
  CHECK(built.way("engine0", "engine1") == "engine0 node0.nvlink engine1");
  CHECK(built.routes("engine0", "engine1")[0]->bytes_per_second == 2 * 450e9);
  CHECK(built.way("engine0", "engine4") == "engine0 switch engine4");
  CHECK(built.routes("engine0", "engine4")[0]->bytes_per_second == 2 * 50e9);
  CHECK(built.way("engine0", "node0") == "engine0 node0");
  CHECK(built.routes("engine0", "node0")[0]->bytes_per_second == 2 * 64e9);
  CHECK(built.way("store", "node1") == "store switch node1");
  CHECK(built.routes("store", "node1")[0]->bytes_per_second == 2 * 50e9);
}

// 10 nodes of 50 GB/s in racks of 4, 4 and 2.
TEST_CASE("racks meet at spines, of which a transfer takes one", "[sim][fabric]") {
  const Built built("pools: [{gpus: 80}]" + kStore +
                    "network: {fabric: rack(4), spines: 2, oversubscription: 2}");
  REQUIRE(built.error() == "no error");
  CHECK(built.routes("node0", "node3").size() == 1);
  CHECK(built.way("node0", "node3") == "node0 rack0 node3");
  REQUIRE(built.routes("node0", "node4").size() == 2);
  CHECK(built.way("node0", "node4") == "node0 rack0 spine0 rack1 node4");
  CHECK(built.routes("node0", "node4")[0]->bytes_per_second == 50e9);
  // 4 * 50 GB/s at two to one over two links up; the last rack has half of that.
  CHECK(built.routes("rack0", "rack1")[0]->bytes_per_second == 50e9);
  CHECK(built.routes("rack0", "rack2")[0]->bytes_per_second == 25e9);
  CHECK(built.routes("rack0", "rack1")[0]->latency == Duration(2'000));
  CHECK(built.routes("store", "engine79").size() == 2);
}

// Al-Fares et al., figure 3: k = 4 has 16 hosts, 4 pods of 2 and 2 switches, 4 on top, and (k/2)^2
// ways between hosts of different pods.
TEST_CASE("a fat tree has the switches and ways of the paper's figure", "[sim][fabric]") {
  const Built built("pools: [{gpus: 16, gpus_per_node: 1}]" + kStore +
                    "network: {fabric: fat_tree(4)}");
  REQUIRE(built.error() == "no error");
  CHECK(built.routes("node0", "node1").size() == 1);
  CHECK(built.routes("node0", "node2").size() == 2);
  CHECK(built.routes("node0", "node4").size() == 4);
  CHECK(built.routes("node0", "node15").size() == 4);
  CHECK(built.way("node0", "node15") ==
        "node0 pod0.edge0 pod0.upper0 core0 pod3.upper0 pod3.edge1 node15");
  for (const Topology::Link& link : built.topology().links()) {
    if (built.topology().name(link.from).find("pod") == 0) CHECK(link.bytes_per_second == 50e9);
  }
  // Each switch has its four ports: twenty of them, and those to the hub, which is no switch.
  std::map<std::string, int> ports;
  for (const Topology::Link& link : built.topology().links()) {
    const std::string& name = built.topology().name(link.from);
    if (built.topology().name(link.to) != "switch" && (name[0] == 'p' || name[0] == 'c'))
      ++ports[name];
  }
  CHECK(ports.size() == 20);
  for (const auto& [name, count] : ports) CHECK(count == 4);
  CHECK_THAT(
      Built("pools: [{gpus: 17, gpus_per_node: 1}]" + kStore + "network: {fabric: fat_tree(4)}")
          .error(),
      Contains("room for 16 nodes") && Contains("fat_tree(6) has enough"));
}

TEST_CASE("a pool can begin in the node where the pool before ends", "[sim][fabric]") {
  const std::string pools =
      "pools: [{gpus: 12, tensor_parallel: 4}, {name: b, gpus: 8, tensor_parallel: 2, ";
  const Built apart(pools + "model: llama-3.1-8b}]" + kStore);
  const Built shared(pools + "share_nodes: true}]" + kStore);
  REQUIRE(shared.error() == "no error");
  const auto nodes = [](const Built& built) {
    std::vector<std::uint32_t> of;
    for (const Fabric::EngineAt& engine : (*built.fabric)->engines()) of.push_back(engine.node);
    return of;
  };
  CHECK((nodes(apart) == std::vector<std::uint32_t>{0, 0, 1, 2, 2, 2, 2}));
  CHECK((nodes(shared) == std::vector<std::uint32_t>{0, 0, 1, 1, 1, 2, 2}));
}

TEST_CASE("what is wrong with a fabric is said with its key", "[sim][fabric]") {
  const auto error = [](const std::string& network) {
    return Built("pools: [{gpus: 16}]" + kStore + "network: {" + network + "}").error();
  };
  CHECK_THAT(error("fabric: rak(4)"), Contains("network.fabric") && Contains("mean \"rack\""));
  CHECK_THAT(error("fabric: rack(0)"), Contains("rack(n)"));
  CHECK_THAT(error("fabric: rack(4"), Contains("rack(n)"));
  CHECK_THAT(error("fabric: fat_tree(5)"), Contains("even number"));
  CHECK_THAT(error("node: dgx"), Contains("dgx_h200"));
  CHECK_THAT(error("failures: [{from: node7, to: switch, at: 1 s}]"),
             Contains("network.failures[0].from"));
  CHECK_THAT(error("failures: [{from: node0, to: node1, at: 1 s}]"),
             Contains("no link joins") && Contains("engine0"));
  CHECK(error("failures: [{from: node0, to: switch, at: 1 s}]") == "no error");
}

// Two nodes of one engine and a store. The second request, at the other engine, fetches 1,000
// tokens of a byte and 1,000 bytes per second from the store from 10 s on; a link on the way is
// down from 10.2 s to 13.2 s.
TEST_CASE("a fetch over a link that goes down waits until it is back", "[sim][fabric]") {
  test::SmallTrace trace;
  const ContentId document = trace.content(1'001);
  trace.ask(at_ms(0), std::vector{Span{document, Tokens(0), Tokens(1'001)}}, 1);
  trace.ask(at_ms(10'000), std::vector{Span{document, Tokens(0), Tokens(1'001)}}, 1);
  EngineKnobs knobs;
  knobs.block_tokens = 10;
  Cluster cluster = test::small_cluster({.step = 1e-3, .prefill_token = 1e-3}, knobs, 10'000, 2);
  Pool& pool = cluster.pools[0];
  pool.gpus_per_node = 1;
  pool.model.layers = {{.count = 1, .kv_heads = 1, .head_dim = 4}};
  const double bytes = pool.model.cache_per_token(pool.precision.cache_bits).value();
  TierSettings store;
  store.name = "store";
  store.medium = "remote";
  store.scope = TierSettings::Scope::kCluster;
  store.capacity = static_cast<std::int64_t>(bytes * 1e6);
  store.read_bytes_per_second = store.write_bytes_per_second = bytes * 1'000;
  store.eviction = *find_eviction("lru", {});
  cluster.store.block_tokens = 10;
  cluster.store.fetch = StoreSettings::Fetch::kAlways;
  cluster.store.tiers = {store};
  cluster.store.pcie_bytes_per_second = bytes * 1e9;
  const Result quiet = run(trace, cluster);
  REQUIRE(quiet.fetches[1].tokens[0] == 1'000);
  cluster.store.link_failures = {{"node1", "switch", for_ms(10'200), for_ms(3'000)}};
  const Result result = run(trace, cluster);
  CHECK((result.requests[1].first_token - quiet.requests[1].first_token).ns() ==
        for_ms(3'000).ns());
  CHECK(result.fetches[1].wait_ns == quiet.fetches[1].wait_ns + for_ms(3'000).ns());
  std::int64_t down = 0, rerouted = 0;
  for (const LinkResult& link : result.links) {
    down += link.down_ns;
    rerouted += link.rerouted;
  }
  CHECK(down == 2 * for_ms(3'000).ns());
  CHECK(rerouted == 1);
  // It is down when the fetch would begin: computed instead, 1,001 tokens and a step.
  cluster.store.link_failures = {{"node1", "switch", for_ms(9'000), for_ms(3'000)}};
  const Result computed = run(trace, cluster);
  CHECK(computed.fetches[1].tokens[0] == 0);
  CHECK(computed.requests[1].first_token == at_ms(11'002));
}

}  // namespace
}  // namespace scsim::sim
