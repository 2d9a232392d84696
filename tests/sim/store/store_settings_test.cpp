#include "sim/store/store_settings.h"

#include <catch2/catch.hpp>

#include "sim/store/tiered_store.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using Catch::Contains;

Expected<Cluster> resolve(const std::string& yaml) {
  proto::ClusterConfig config;
  const Expected<void> read = read_yaml_text(yaml, "c.yaml", config);
  if (!read) return read.error();
  return resolve_cluster(config);
}

std::string error_of(const std::string& yaml) {
  const Expected<Cluster> cluster = resolve(yaml);
  return cluster ? "no error" : cluster.error().message;
}

// What building the cluster's graph says.
std::string graph_error(const std::string& yaml) {
  const Expected<Cluster> cluster = resolve(yaml);
  if (!cluster) return cluster.error().message;
  const auto fabric = Fabric::make(*cluster);
  return fabric ? "no error" : fabric.error().message;
}

TEST_CASE("what a store leaves open is filled, said, and read back the same", "[sim][store]") {
  const auto cluster = resolve(
      "store: {tiers: [{medium: dram, capacity: 1 TiB},"
      " {medium: remote, capacity: 4 TiB, read_bandwidth: 10 GB/s, write_bandwidth: 10 GB/s}]}");
  if (!cluster) FAIL(cluster.error().message);
  const StoreSettings& store = cluster->store;
  CHECK(store.block_tokens == 256);
  CHECK(store.answers);
  CHECK(store.nic_bytes_per_second == 50e9);
  REQUIRE(store.tiers.size() == 2);
  CHECK(store.tiers[0].name == "dram");
  CHECK(store.tiers[0].scope == TierSettings::Scope::kNode);
  CHECK(store.tiers[0].read_bytes_per_second > 1e11);
  CHECK(store.tiers[1].scope == TierSettings::Scope::kCluster);
  CHECK(store.tiers[1].eviction.entry->name == "lru");
  bool assumed = false;
  for (const std::string& line : cluster->honesty)
    assumed = assumed || line.find("assumed: bandwidth of tier dram") == 0;
  CHECK(assumed);
  const auto again = resolve(cluster->text);
  if (!again) FAIL(again.error().message);
  CHECK(again->text == cluster->text);
}

TEST_CASE("a store that cannot be is refused with its key and the nearest name", "[sim][store]") {
  const std::string dram = "store: {tiers: [{medium: dram, capacity: 8 GiB";
  CHECK_THAT(error_of(dram + ", eviction: lruu}]}"),
             Contains("store.tiers[0].eviction") && Contains("did you mean \"lru\""));
  CHECK_THAT(error_of(dram + ", eviction: belady}]}"), Contains("knows the future"));
  CHECK_THAT(error_of(dram + ", scope: cluster}]}"), Contains("medium: remote"));
  CHECK_THAT(error_of(dram + "}, {medium: dram, capacity: 1 GiB}]}"), Contains("called dram"));
  CHECK_THAT(error_of("store: {tiers: [{medium: remote, capacity: 1 GiB}]}"),
             Contains("read_bandwidth"));
  CHECK_THAT(error_of(dram + "}]}\ntenants: [{name: a, limits: [{tier: drm, quota: 1 GiB}]}]"),
             Contains("did you mean \"dram\""));
  CHECK_THAT(error_of(dram + "}]}\ntenants: [{name: a, limits: [{tier: dram, guarantee: 9 GiB}]}]"),
             Contains("more than its capacity"));
  CHECK_THAT(error_of(dram + "}]}\ntenants: [{name: a, limits: [{tier: hbm, quota: 1 GiB}]}]"),
             Contains("isolated"));
  CHECK_THAT(
      error_of("pools: [{engine: {num_blocks: 9, max_model_len: 99}}]\n"
               "tenants: [{name: a, isolated: true, limits: [{tier: hbm, guarantee: 16 MiB}]},"
               " {name: b, isolated: true, limits: [{tier: hbm, guarantee: 16 MiB}]}]"),
      Contains("guarantees in hbm"));
  CHECK_THAT(error_of("pools: [{model: mamba2-7b}]\n" + dram + "}]}"), Contains("recurrent state"));
}

TEST_CASE("a link to nowhere is refused; a rack between nodes and switch is not", "[sim][store]") {
  const std::string store =
      "pools: [{gpus: 16}]\nstore: {tiers: [{medium: remote, capacity: 1 TiB,"
      " read_bandwidth: 1 GB/s, write_bandwidth: 1 GB/s}]}\n";
  CHECK_THAT(graph_error(store + "network: {links: [{from: nod0, to: switch, bandwidth: 1 GB/s}]}"),
             Contains("did you mean \"node0\""));
  CHECK_THAT(graph_error(store + "network: {links: [{from: node0, to: node0, bandwidth: 1 GB/s}]}"),
             Contains("both node0"));
  CHECK(graph_error(store + "network: {links: [{from: node0, to: rack, bandwidth: 1 GB/s},"
                            " {from: node1, to: rack, bandwidth: 1 GB/s},"
                            " {from: rack, to: switch, bandwidth: 1 GB/s}]}") == "no error");
  CHECK_THAT(graph_error(store + "network: {links: [{from: node0, to: rack, bandwidth: 1 GB/s},"
                                 " {from: node1, to: rack, bandwidth: 1 GB/s}]}"),
             Contains("no way between"));
}

}  // namespace
}  // namespace scsim::sim
