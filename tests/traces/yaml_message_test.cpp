#include "traces/yaml_message.h"

#include <google/protobuf/util/message_differencer.h>

#include <catch2/catch.hpp>
#include <string>

#include "traces/proto/cluster.pb.h"
#include "traces/rng.h"

namespace scsim {
namespace {

using google::protobuf::util::MessageDifferencer;

const std::string kCluster = R"(# a comment
name: two pools
request_timeout: 2 min
seed: 18446744073709551615
pools:
  - name: big
    gpus: 8
    tensor_parallel: 2
    engine: {preset: vllm, step_overhead: 3 ms, watermark: 1 %, chunked_prefill: false}
    serves_every_model: true
  - gpus: 1
    weight_dtype: fp8
router:
  policy: prefix_aware
  staleness: 50 ms
  parameters: {beta: 2, alpha: 0.5}
slos:
  - {name: default, ttft: 2 s, tpot: 0.05}
)";

proto::ClusterConfig read(const std::string& text) {
  proto::ClusterConfig cluster;
  Expected<void> read = read_yaml_text(text, "c.yaml", cluster);
  INFO((read ? "" : read.error().message));
  CHECK(read.has_value());
  return cluster;
}

std::string error_of(const std::string& text) {
  proto::ClusterConfig cluster;
  Expected<void> read = read_yaml_text(text, "c.yaml", cluster);
  return read ? "no error" : read.error().message;
}

std::string error_of_key(const std::string& assignment, proto::ClusterConfig cluster) {
  Expected<void> set = set_yaml_key(assignment, cluster);
  return set ? "no error" : set.error().message;
}

}  // namespace

TEST_CASE("a message is read from YAML with units", "[traces][yaml]") {
  const proto::ClusterConfig cluster = read(kCluster);
  CHECK(cluster.name() == "two pools");
  CHECK(cluster.request_timeout_ns() == 120'000'000'000);
  CHECK(cluster.seed() == 18446744073709551615u);
  REQUIRE(cluster.pools_size() == 2);
  CHECK(cluster.pools(0).gpus() == 8);
  CHECK(cluster.pools(0).engine().preset() == "vllm");
  CHECK(cluster.pools(0).engine().step_overhead_s() == 0.003);
  CHECK(cluster.pools(0).engine().watermark() == 0.01);
  CHECK(cluster.pools(0).engine().has_chunked_prefill());
  CHECK_FALSE(cluster.pools(0).engine().chunked_prefill());
  CHECK_FALSE(cluster.pools(0).engine().has_block_tokens());
  CHECK(cluster.pools(0).serves_every_model());
  CHECK(cluster.pools(1).weight_dtype() == "fp8");
  CHECK(cluster.router().staleness_ns() == 50'000'000);
  CHECK(cluster.router().parameters().at("alpha") == 0.5);
  CHECK(cluster.slos(0).ttft_ns() == 2'000'000'000);
  CHECK(cluster.slos(0).tpot_ns() == 50'000'000);  // a bare number is in seconds
  CHECK(MessageDifferencer::Equals(read(""), proto::ClusterConfig()));
}

TEST_CASE("what is wrong in YAML is named with its line and key", "[traces][yaml]") {
  CHECK(error_of("name: x\npols:\n  - {}\n") ==
        "c.yaml:2: pols: unknown key; did you mean \"pools\"?");
  CHECK(error_of("pools:\n  - name: a\n  - name: b\n    gpsu: 4\n") ==
        "c.yaml:4: pools[1].gpsu: unknown key; did you mean \"gpus\"?");
  CHECK(error_of("slos:\n - name: a\n   ttft_ns: 5\n") ==
        "c.yaml:3: slos[0].ttft_ns: unknown key; did you mean \"ttft\"?");
  CHECK(error_of("colour: red\n") ==
        "c.yaml:1: colour: unknown key; known: name, pools, router, slos, request_timeout, seed, "
        "store, network, tenants, failures, admission, energy, disaggregation");
  CHECK(error_of("pools: [{gpus: many}]") ==
        "c.yaml:1: pools[0].gpus: expected a whole number, 0 or more, such as 42, found \"many\"");
  CHECK(error_of("pools: [{gpus: 0}]") ==
        "c.yaml:1: pools[0].gpus: must be at least 1, found \"0\"");
  CHECK(error_of("pools: [{gpus: -3}]") ==
        "c.yaml:1: pools[0].gpus: must be at least 1, found \"-3\"");
  CHECK(error_of("seed: -3") == "c.yaml:1: seed: must be at least 0, found \"-3\"");
  CHECK(error_of("pools: [{gpus: 5000000000}]") ==
        "c.yaml:1: pools[0].gpus: \"5000000000\" is not within 32 bits");
  CHECK(error_of("pools:\n- engine:\n    watermark: 150 %\n") ==
        "c.yaml:3: pools[0].engine.watermark: must be between 0 and 1, found \"150 %\"");
  CHECK(error_of("pools: [{weight_dtype: fp9}]") ==
        "c.yaml:1: pools[0].weight_dtype: unknown value \"fp9\"; did you mean \"fp8\"? known: "
        "bf16, fp16, fp8, int8, int4, mxfp4");
  CHECK(error_of("router: {staleness: 5 m}") ==
        "c.yaml:1: router.staleness: unknown unit in \"5 m\"; known: ns, us, µs, ms, s, min, h, d");
  CHECK(error_of("router: {staleness: -1 s}") ==
        "c.yaml:1: router.staleness: must be at least 0, found \"-1 s\"");
  CHECK(error_of("router: {staleness: 400000 d}") ==
        "c.yaml:1: router.staleness: \"400000 d\" is too much");
  CHECK(error_of("pools: [{serves_every_model: yes}]") ==
        "c.yaml:1: pools[0].serves_every_model: expected true or false, found \"yes\"");
  CHECK(error_of("router: {parameters: {alpha: high}}") ==
        "c.yaml:1: router.parameters.alpha: expected a number such as 0.5, found \"high\"");
}

TEST_CASE("the wrong kind of YAML is named with what was expected", "[traces][yaml]") {
  CHECK(error_of("pools:\n  gpus: 4\n") == "c.yaml:2: pools: expected a list, found keys");
  CHECK(error_of("name: [a, b]") == "c.yaml:1: name: expected text, found a list");
  CHECK(error_of("name:\n") == "c.yaml:1: name: expected text, found nothing");
  CHECK(error_of("router: fast") ==
        "c.yaml:1: router: expected keys such as \"policy:\", found \"fast\"");
  CHECK(error_of("- a\n- b\n") == "c.yaml:1: expected keys such as \"name:\", found a list");
  CHECK(error_of("slos:\n  - ttft: 1 s\n") == "c.yaml:2: slos[0].name: this key is required");
  CHECK(error_of("name: a\nseed: 1\nname: b\n") == "c.yaml:3: name: this key is there twice");
  CHECK(error_of("name: a\n---\nname: b\n") == "c.yaml:3: a second document begins; expected one");
  CHECK(error_of("name: 'a\nseed: 1\n") ==
        "c.yaml:4: this is not YAML: a quote before here is not closed");
  CHECK(error_of("name: \"a\nseed: 1") ==
        "c.yaml:3: this is not YAML: a quote before here is not closed");
  CHECK(error_of("a: b: c\n").starts_with("c.yaml:1: this is not YAML: "));
  CHECK(error_of(std::string(100000, '[')).find("this is not YAML") != std::string::npos);
  proto::ClusterConfig cluster;
  CHECK(read_yaml_file("/nonexistent/c.yaml", cluster).error().message ==
        "/nonexistent/c.yaml: cannot open: No such file or directory");
}

TEST_CASE("one key is set from a command line", "[traces][yaml]") {
  proto::ClusterConfig cluster = read(kCluster);
  CHECK(set_yaml_key("pools[1].engine.max_sequences=64", cluster).has_value());
  CHECK(cluster.pools(1).engine().max_sequences() == 64);
  CHECK(set_yaml_key("router.staleness = 7 ms", cluster).has_value());
  CHECK(cluster.router().staleness_ns() == 7'000'000);
  CHECK(set_yaml_key("router.parameters.alpha=0.75", cluster).has_value());
  CHECK(cluster.router().parameters().at("alpha") == 0.75);
  CHECK(cluster.router().parameters().at("beta") == 2);
  CHECK(set_yaml_key("router={policy: random}", cluster).has_value());
  CHECK(cluster.router().policy() == "random");
  CHECK(cluster.router().staleness_ns() == 7'000'000);  // other keys stay
  CHECK(set_yaml_key("slos=[{name: gold, ttft: 1 s}]", cluster).has_value());
  CHECK(cluster.slos_size() == 1);

  CHECK(error_of_key("pools[0].engine.max_sequencse=1", cluster) ==
        "pools[0].engine.max_sequencse: unknown key; did you mean \"max_sequences\"?");
  CHECK(error_of_key("pools[7].gpus=1", cluster) ==
        "pools[7]: there is no such entry; the list has 2, counted from 0");
  CHECK(error_of_key("pools.gpus=1", cluster) ==
        "pools: is a list: say which entry, such as \"pools[0].\"; it has 2");
  CHECK(error_of_key("router[0].policy=a", cluster) == "router: is not a list");
  CHECK(error_of_key("name.first=a", cluster) == "name: has no keys below it");
  CHECK(error_of_key("name", cluster) == "expected key=value, found \"name\"");
  CHECK(error_of_key("seed=x", cluster) ==
        "seed: expected a whole number, 0 or more, such as 42, found \"x\"");
  CHECK(error_of_key("name=[", cluster).starts_with("name: this is not YAML: "));
}

TEST_CASE("a message is written as people would write it", "[traces][yaml]") {
  CHECK(write_yaml(read(kCluster)) == R"(name: "two pools"
pools:
  - name: big
    gpus: 8
    tensor_parallel: 2
    engine:
      preset: vllm
      chunked_prefill: false
      watermark: 0.01
      step_overhead: 3 ms
    serves_every_model: true
  - gpus: 1
    weight_dtype: fp8
router:
  policy: prefix_aware
  staleness: 50 ms
  parameters:
    alpha: 0.5
    beta: 2
slos:
  - name: default
    ttft: 2 s
    tpot: 50 ms
request_timeout: 2 min
seed: 18446744073709551615
)");
  CHECK(write_yaml(proto::ClusterConfig()).empty());
  proto::ClusterConfig empties;
  empties.add_pools();
  empties.add_slos();
  empties.mutable_router();
  CHECK(write_yaml(empties) == "pools:\n  - {}\nrouter: {}\nslos:\n  - name: \"\"\n");
}

TEST_CASE("what is written reads back as the same message", "[traces][yaml]") {
  Rng rng(1, "tests.yaml");
  const std::vector<std::string> texts = {
      "",       "null", "~",           "true",  "a: b",     "# no", "1e5",  "x", "é\n\"",
      "- dash", " pad", "/a/b-c.json", "[1,2]", "\x01\x7F", "on",   "0x10", "*a"};
  for (int i = 0; i < 300; ++i) {
    proto::ClusterConfig cluster;
    cluster.set_name(texts[rng.below(texts.size())]);
    cluster.set_request_timeout_ns(rng.next() >> (1 + rng.below(63)));
    for (std::uint64_t pool = rng.below(3); pool > 0; --pool) {
      proto::PoolConfig& config = *cluster.add_pools();
      config.set_model(texts[rng.below(texts.size())]);
      if (rng.chance(0.5)) config.mutable_engine()->set_step_overhead_s(rng.exponential(0.01));
      if (rng.chance(0.5)) config.mutable_engine()->set_request_overhead_s(0);
      if (rng.chance(0.5)) config.mutable_engine()->set_watermark(rng.uniform());
      if (rng.chance(0.5)) config.mutable_engine()->set_prefix_caching(rng.chance(0.5));
    }
    for (const std::string& text : texts) {
      if (rng.chance(0.2)) {
        (*cluster.mutable_router()->mutable_parameters())[text] = rng.normal() * 1e9;
      }
    }
    if (rng.chance(0.5)) cluster.add_slos()->set_e2e_ns(rng.below(1'000'000'000'000));
    const std::string text = write_yaml(cluster);
    INFO(text);
    CHECK(MessageDifferencer::Equals(read(text), cluster));
    CHECK(write_yaml(read(text)) == text);
  }
}

TEST_CASE("every key of a message is described with its type and sentence", "[traces][yaml]") {
  const std::string text = describe_yaml_keys(*proto::ClusterConfig::descriptor());
  INFO(text);
  CHECK(text.find("pools: a list, each keys\n") != std::string::npos);
  CHECK(text.find("gpus: a whole number, at least 1\n") != std::string::npos);
  CHECK(text.find("ttft: a time such as \"50 ms\"\n") != std::string::npos);
  CHECK(text.find("parameters: names, each with a number\n") != std::string::npos);
  CHECK(text.find("name: text (required)\n") != std::string::npos);
  for (const std::string& line : {std::string("the service class"), std::string("of the policy")}) {
    CHECK(text.find(line) != std::string::npos);
  }
}

}  // namespace scsim
