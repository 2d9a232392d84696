// Clusters at measured costs: which pools have them, and how much of a run no sample stands behind.
#include <catch2/catch.hpp>
#include <memory>

#include "cost_models/fit/fit_profile.h"
#include "sim/cluster.h"
#include "tests/sim/small_cluster.h"
#include "tests/support/some_steps.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using Catch::Contains;
using Catch::StartsWith;

std::shared_ptr<const cost_models::MeasuredCosts> measured() {
  auto costs = std::make_shared<cost_models::MeasuredCosts>();
  costs->path = "p.pb";
  costs->profile = *cost_models::fit_profile({{"cal.pb", test::step_calibration(240, 0)}});
  return costs;
}

Expected<Cluster> resolve(const std::string& yaml) {
  proto::ClusterConfig config;
  const Expected<void> read = read_yaml_text(yaml, "c.yaml", config);
  if (!read) FAIL(read.error().message);
  return resolve_cluster(config, measured());
}

std::string error_of(const std::string& yaml) {
  const Expected<Cluster> cluster = resolve(yaml);
  return cluster ? "no error" : cluster.error().message;
}

TEST_CASE("with a profile a cluster is one engine of its model on its device",
          "[sim][cluster][profile]") {
  const auto cluster = resolve("pools: [{engine: {num_blocks: 101}}]");
  if (!cluster) FAIL(cluster.error().message);
  REQUIRE(cluster->pools.size() == 1);
  const Pool& pool = cluster->pools[0];
  CHECK(pool.engines == 1);
  CHECK(pool.model.name == "tiny");
  CHECK(pool.gpu.name == "some processor");
  CHECK(pool.num_blocks == 100);
  CHECK(pool.max_model_len == 1600);
  // K and V of 2 layers of 2 heads of 16 floats.
  CHECK(pool.model.cache_per_token(pool.precision.cache_bits).value() == 2.0 * 2 * 2 * 16 * 4);
  CHECK_THAT(cluster->honesty.at(0), StartsWith("calibrated: step costs are those of tiny"));
  for (const std::string& line : cluster->honesty) CHECK_THAT(line, !StartsWith("uncalibrated"));
}

TEST_CASE("a pool of another model or device than the profile's is refused, naming both",
          "[sim][cluster][profile]") {
  CHECK(
      error_of("pools: [{model: llama-3.1-8b}]") ==
      "pools[0].model: \"llama-3.1-8b\" is not the model that p.pb is of, \"tiny\"; leave the key "
      "out, or give the pool another cost_model");
  CHECK(
      error_of("pools: [{gpu: h200}]") ==
      "pools[0].gpu: \"h200\" is not the device that p.pb is of, \"some processor\"; leave the key "
      "out, or give the pool another cost_model");
  CHECK_THAT(error_of("{}"), Contains("engine.num_blocks") && Contains("does not follow from the"));
  CHECK_THAT(error_of("pools: [{cache_dtype: fp8, engine: {num_blocks: 9}}]"),
             Contains("pools[0].cache_dtype") && Contains("leave the key out"));
  CHECK_THAT(error_of("pools: [{engine: {num_blocks: 9, preemption: swap}}]"),
             Contains("engine.preemption: swap"));
  CHECK_THAT(error_of("{pools: [{engine: {num_blocks: 9}}], store: {tiers: [{medium: dram,"
                      " capacity: 1 MiB}]}}"),
             Contains("network.pcie_bandwidth"));
  // With a cost model of its own a pool has nothing of the profile.
  const auto both =
      resolve("pools: [{cost_model: roofline}, {engine: {num_blocks: 9}, model: Tiny}]");
  if (!both) FAIL(both.error().message);
  CHECK(both->pools[0].model.name == "llama-3.1-8b");
  CHECK(both->pools[1].model.name == "tiny");
}

// Contexts were sampled up to 32 * 4,097 tokens in sum, decodes up to 32, prefills up to some 1,000
// tokens: steps of one request are within that. 40 decodes at once are not.
TEST_CASE("a run says which share of its steps was not sampled", "[sim][profile]") {
  auto cluster = resolve("pools: [{engine: {num_blocks: 10000}}]");
  if (!cluster) FAIL(cluster.error().message);
  const auto extrapolated = [](const Result& result) {
    for (const std::string& line : result.honesty)
      if (line.starts_with("extrapolated")) return line;
    return std::string();
  };
  test::SmallTrace one;
  one.ask(test::at_ms(0), 400, 50);
  const Result inside = test::run(one, *cluster);
  CHECK(extrapolated(inside).empty());
  CHECK(inside.engines[0].steps == 50);
  // Prefill of 400 tokens, then 49 decodes behind 400 and more, as the law has it.
  const test::StepLaw law;
  double seconds = law.seconds({400}, {0}, 1);
  for (std::int64_t i = 0; i < 49; ++i) seconds += law.seconds({1}, {400 + i}, 1);
  CHECK(inside.end.ns() == Approx(seconds * 1e9).epsilon(1e-6));

  // Forty requests of one token are prefilled together, and decode together in 9 of 10 steps.
  test::SmallTrace forty;
  for (int i = 0; i < 40; ++i) forty.ask(test::at_ms(0), 2, 10);
  CHECK_THAT(extrapolated(test::run(forty, *cluster)),
             StartsWith("extrapolated: 100.0 % of engine steps and 100.0 % of their time"));

  // One request whose context grows beyond what was sampled: the last 4,000 of 4,100 + k.
  auto narrow = std::make_shared<cost_models::MeasuredCosts>(*measured());
  for (ProfileFit& fit : narrow->profile.fits)
    for (ProfileCoefficient& coefficient : fit.coefficients)
      if (coefficient.driver == "decode_context") coefficient.most = 500 / 1.02;
  proto::ClusterConfig config;
  config.add_pools()->mutable_engine()->set_num_blocks(1000);
  const auto small = resolve_cluster(config, narrow);
  REQUIRE(small);
  test::SmallTrace grows;
  grows.ask(test::at_ms(0), 400, 201);  // decodes read 401 to 600 tokens: the last 100 are outside
  CHECK_THAT(extrapolated(test::run(grows, *small)), StartsWith("extrapolated: 49.8 % of engine"));
}

}  // namespace
}  // namespace scsim::sim
