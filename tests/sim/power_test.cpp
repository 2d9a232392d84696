// What a cluster tells of power, and what its links carried for whom. What is made of it:
// tests/analysis/costs_test.cpp.
#include "sim/power.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::test {
namespace {

using Catch::Contains;
using sim::Cluster;

Expected<Cluster> resolve(const std::string& yaml) {
  proto::ClusterConfig config;
  const Expected<void> read = read_yaml_text(yaml, "c.yaml", config);
  if (!read) FAIL(read.error().message);
  return sim::resolve_cluster(config);
}

std::string error_of(const std::string& yaml) {
  const Expected<Cluster> cluster = resolve(yaml);
  return cluster ? "no error" : cluster.error().message;
}

bool is_assumed(const Cluster& cluster) {
  return std::ranges::any_of(
      cluster.honesty, [](const std::string& line) { return line.starts_with("assumed: power"); });
}

TEST_CASE("power is by published figures unless given, and then a run says so", "[sim][power]") {
  const auto cluster = resolve("{energy: {}, pools: [{gpus: 4, tensor_parallel: 2}]}");
  if (!cluster) FAIL(cluster.error().message);
  const Watts& watts = cluster->pools[0].watts;
  CHECK(watts.gpu_active == 2 * 700);  // an engine of two H200, a quarter of a node
  CHECK(watts.gpu_idle == 2 * 78);
  CHECK(watts.host_active == Approx((10200 - 8 * 700) / 4.0));
  CHECK(watts.host_idle == Approx(watts.host_active / 3));
  CHECK(cluster->pue == 1);
  CHECK(is_assumed(*cluster));
  const auto again = resolve(cluster->text);
  REQUIRE(again);
  CHECK(again->text == cluster->text);

  const auto given = resolve(
      "{energy: {pue: 1.2, grams_co2_per_kwh: 380}, pools: [{gpus: 4, gpus_per_node: 4, power: "
      "{gpu_idle_watts: 60, gpu_active_watts: 500, host_idle_watts: 400, host_active_watts: "
      "800}}]}");
  if (!given) FAIL(given.error().message);
  CHECK(given->pools[0].watts.gpu_active == 500);
  CHECK(given->pools[0].watts.host_active == 200);
  CHECK(!is_assumed(*given));
}

TEST_CASE("a cluster says nothing of energy unless it is asked to", "[sim][power]") {
  const auto cluster = resolve("{}");
  REQUIRE(cluster);
  CHECK(cluster->pue == 0);
  CHECK(cluster->pools[0].watts.gpu_active == 0);
  CHECK_THAT(error_of("{pools: [{power: {gpu_idle_watts: 50}}]}"),
             Contains("pools[0].power: of no use without energy"));
  CHECK_THAT(error_of("{energy: {}, pools: [{power: {gpu_idle_watts: 900}}]}"),
             Contains("pools[0].power.gpu_idle_watts: 900 W are more than the 700 W"));
  CHECK_THAT(error_of("{store: {tiers: [{medium: dram, capacity: 1 GiB, price_per_gib_hour: 1, "
                      "price_per_gb_month: 2}]}}"),
             Contains("price_per_gb_month: price_per_gib_hour says it already"));
}

TEST_CASE("a month's price of a GB is an hour's of a GiB", "[sim][power]") {
  const auto cluster =
      resolve("{store: {tiers: [{medium: dram, capacity: 1 GiB, price_per_gb_month: 0.73}]}}");
  REQUIRE(cluster);
  CHECK(cluster->store.tiers[0].price_per_gib_hour == Approx(0.001 * 1.073741824));
}

TEST_CASE("what a link with a price carried is told by tenant", "[sim][power][law]") {
  std::int64_t carried = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    Rng rng(seed, "test.link_price");
    Cluster cluster = random_cluster(rng);
    bool back = false;  // an engine does not remember whose the blocks are that it evicts
    for (const sim::TierSettings& tier : cluster.store.tiers) back = back || tier.write_back;
    if (cluster.store.tiers.empty() || back) continue;
    const Result free = run(random_trace(rng, {}), cluster);
    Rng again(seed, "test.link_price");
    cluster = random_cluster(again);
    cluster.store.nic_price_per_gb = 0.02;
    const Result result = run(random_trace(again, {}), cluster);
    REQUIRE(result.links.size() == free.links.size());
    for (std::size_t i = 0; i < result.links.size(); ++i) {
      const LinkResult& link = result.links[i];
      REQUIRE(link.bytes == free.links[i].bytes);  // a price changes nothing
      REQUIRE(free.links[i].bytes_by_tenant.empty());
      const bool priced = link.name.find("switch") != std::string::npos &&
                          link.name.find("node") != std::string::npos &&
                          link.name.find('.') == std::string::npos;
      REQUIRE((link.price_per_gb > 0) == priced);
      const auto& by = link.bytes_by_tenant;
      if (priced) REQUIRE(std::accumulate(by.begin(), by.end(), std::int64_t{0}) == link.bytes);
      if (priced) carried += link.bytes;
    }
  }
  CHECK(carried > 0);
}

}  // namespace
}  // namespace scsim::test
