#include "sim/cluster.h"

#include <catch2/catch.hpp>

#include "sim/method_model.h"
#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

namespace scsim::sim {
namespace {

using Catch::Contains;

Expected<Cluster> resolve(const std::string& yaml) {
  proto::ClusterConfig config;
  const Expected<void> read = read_yaml_text(yaml, "c.yaml", config);
  if (!read) FAIL(read.error().message);
  return resolve_cluster(config);
}

std::string error_of(const std::string& yaml) {
  const Expected<Cluster> cluster = resolve(yaml);
  return cluster ? "no error" : cluster.error().message;
}

TEST_CASE("the built-in cluster is eight engines of one H200 each, and serves every model",
          "[sim][cluster]") {
  const auto cluster = resolve_cluster(default_cluster_config());
  REQUIRE(cluster);
  REQUIRE(cluster->pools.size() == 1);
  const Pool& pool = cluster->pools[0];
  CHECK(pool.engines == 8);
  CHECK(pool.gpus_per_engine == 1);
  CHECK(pool.gpu.name == "h200");
  CHECK(pool.model.name == "llama-3.1-8b");
  CHECK(pool.serves_every_model);
  CHECK(pool.num_blocks > 10'000);
  CHECK(pool.cost_model != nullptr);
  CHECK(cluster->router == "prefix_aware");
  REQUIRE(cluster->slos.size() == 1);
  CHECK(cluster->slos[0].name == "default");
}

TEST_CASE("an empty configuration is the built-in cluster", "[sim][cluster]") {
  const auto empty = resolve_cluster({}), built_in = resolve_cluster(default_cluster_config());
  REQUIRE(empty);
  REQUIRE(built_in);
  CHECK(empty->text == built_in->text);
}

TEST_CASE("a service class may have a method, which goes before its tenant's and the pool's",
          "[sim][cluster]") {
  const auto cluster = resolve(
      "{pools: [{method: 'a_shape:local=500'}], tenants: [{name: a, method: 'a_shape:local=70'}],"
      " slos: [{name: batch, ttft: 9 s, method: 'a_shape:local=64'}, {name: careful, method: "
      "full}]}");
  if (!cluster) FAIL(cluster.error().message);
  const Pool& pool = cluster->pools[0];
  CHECK(pool.method_for("batch", "a")->text == "a_shape:local=64");
  CHECK(pool.method_for("careful", "a") == nullptr);
  CHECK(pool.method_for("other", "a")->text == "a_shape:local=70");
  CHECK(pool.method_for("other", "b")->text == "a_shape:local=500");
  CHECK_THAT(error_of("slos: [{name: batch, method: snapvk}]"),
             Contains("slos: batch: method:") && Contains("snapkv"));
}

TEST_CASE("the text of a cluster, read back, resolves to the same text", "[sim][cluster]") {
  for (const std::string yaml :
       {"{}", "pools: [{gpus: 4, tensor_parallel: 2}]",
        "{name: two, pools: [{name: a, model: qwen2.5-7b}, {name: b, gpu: a100}], seed: 3,"
        " router: {policy: least_loaded, staleness: 20 ms, parameters: {waiting_weight: 2}},"
        " slos: [{name: fast, ttft: 1 s}], request_timeout: 60 s}"}) {
    const auto cluster = resolve(yaml);
    if (!cluster) FAIL(cluster.error().message);
    const auto again = resolve(cluster->text);
    if (!again) FAIL(again.error().message);
    CHECK(again->text == cluster->text);
  }
}

TEST_CASE("an engine has tensor times pipeline GPUs, and a pool as many engines as that allows",
          "[sim][cluster]") {
  const auto cluster = resolve("pools: [{gpus: 8, tensor_parallel: 2, pipeline_parallel: 2}]");
  REQUIRE(cluster);
  CHECK(cluster->pools[0].gpus_per_engine == 4);
  CHECK(cluster->pools[0].engines == 2);
}

TEST_CASE("pools of a list that are not named get names of their own", "[sim][cluster]") {
  const auto cluster = resolve("pools: [{}, {model: qwen2.5-7b}]");
  REQUIRE(cluster);
  CHECK(cluster->pools[0].name != cluster->pools[1].name);
  CHECK_FALSE(cluster->pools[0].serves_every_model);
}

TEST_CASE("an unknown name is answered with its key and the nearest known one", "[sim][cluster]") {
  CHECK_THAT(error_of("pools: [{model: llama-3.1-8}]"),
             Contains("pools[0].model") && Contains("did you mean \"llama-3.1-8b\"?"));
  CHECK_THAT(error_of("pools: [{}, {gpu: h20}]"),
             Contains("pools[1].gpu") && Contains("did you mean"));
  CHECK_THAT(error_of("pools: [{engine: {preset: vlm}}]"),
             Contains("pools[0].engine.preset") && Contains("did you mean \"vllm\"?"));
  CHECK_THAT(error_of("pools: [{cost_model: rofline}]"),
             Contains("pools[0].cost_model") && Contains("did you mean \"roofline\"?"));
  CHECK_THAT(error_of("router: {policy: round-robin}"),
             Contains("router.policy") && Contains("did you mean \"round_robin\"?"));
  CHECK_THAT(error_of("router: {policy: least_loaded, parameters: {waiting_wieght: 1}}"),
             Contains("router.parameters") && Contains("did you mean \"waiting_weight\"?"));
}

TEST_CASE("a precision no table knows is answered with its key", "[sim][cluster]") {
  proto::ClusterConfig config;
  config.add_pools()->set_weight_dtype("bf61");
  auto cluster = resolve_cluster(config);
  REQUIRE_FALSE(cluster);
  CHECK_THAT(cluster.error().message, Contains("pools[0].weight_dtype") && Contains("bf61"));
  config.mutable_pools(0)->set_weight_dtype("bf16");
  config.mutable_pools(0)->set_cache_dtype("fp7");
  cluster = resolve_cluster(config);
  REQUIRE_FALSE(cluster);
  CHECK_THAT(cluster.error().message, Contains("pools[0].cache_dtype") && Contains("fp7"));
}

TEST_CASE("GPUs that do not divide into engines are refused", "[sim][cluster]") {
  CHECK_THAT(error_of("pools: [{gpus: 8, tensor_parallel: 3}]"),
             Contains("pools[0].") && Contains("tensor_parallel"));
  CHECK_THAT(error_of("pools: [{gpus: 6, tensor_parallel: 4}]"),
             Contains("pools[0].gpus") && Contains("not a multiple"));
  CHECK_THAT(error_of("pools: [{model: mixtral-8x7b, gpus: 4, tensor_parallel: 2,"
                      " expert_parallel: 3}]"),
             Contains("pools[0].expert_parallel"));
  CHECK_THAT(error_of("pools: [{model: mixtral-8x7b, gpus: 4, tensor_parallel: 2,"
                      " expert_parallel: 8}]"),
             Contains("pools[0].expert_parallel"));
}

TEST_CASE("a model that does not fit its GPUs is refused with the key to change",
          "[sim][cluster]") {
  CHECK_THAT(error_of("pools: [{model: llama-3.1-70b, gpu: rtx-4090, gpus: 1}]"),
             Contains("pools[0].gpu"));
}

TEST_CASE("a parameter of the router out of its range is refused", "[sim][cluster]") {
  CHECK_THAT(error_of("router: {policy: prefix_aware, parameters: {load_weight: -1}}"),
             Contains("router.parameters.load_weight") && Contains("out of range"));
}

TEST_CASE("blocks given for an engine are one more than requests can use", "[sim][cluster]") {
  const auto cluster = resolve("pools: [{engine: {num_blocks: 1000}}]");
  REQUIRE(cluster);
  CHECK(cluster->pools[0].num_blocks == 999);  // vLLM keeps one for itself
}

TEST_CASE("a preset that no recorded run backs makes the cluster say unverified",
          "[sim][cluster]") {  // INV-HONEST
  const auto says = [](const std::string& yaml, const std::string& word) {
    const auto cluster = resolve(yaml);
    if (!cluster) FAIL(cluster.error().message);
    return std::ranges::any_of(cluster->honesty, [&](const std::string& line) {
      return line.find(word) != std::string::npos;
    });
  };
  CHECK_FALSE(says("{}", "unverified"));
  CHECK(says("pools: [{engine: {preset: sglang}}]", "unverified"));
  CHECK(says("{}", "uncalibrated"));
}

TEST_CASE("recurrent layers switch prefix caching off and the cluster says so", "[sim][cluster]") {
  const auto cluster = resolve("pools: [{model: mamba2-7b, engine: {max_sequences: 256}}]");
  if (!cluster) FAIL(cluster.error().message);
  CHECK_FALSE(cluster->pools[0].knobs.prefix_caching);
  CHECK_THAT(cluster->honesty.front() + cluster->honesty.back(), Contains("prefix caching is off"));
}

}  // namespace
}  // namespace scsim::sim
