#include "exec/engine/knobs.h"

#include <catch2/catch.hpp>

#include "traces/proto/cluster.pb.h"
#include "traces/yaml_message.h"

using namespace scsim;
using namespace scsim::exec;

TEST_CASE("knobs are read under the names of a cluster file and written back the same",
          "[exec][engine]") {
  proto::EngineConfig config;
  REQUIRE(
      read_yaml_text("block_tokens: 32\nnum_blocks: 77\nmax_batched_tokens: 256\n"
                     "max_sequences: 9\nwatermark: 0.25\nblock_visible: computed\n"
                     "prefix_caching: false\nlong_prefill_threshold: 64\norder: priority\n",
                     "engine.yaml", config));
  const auto knobs = engine_knobs(config);
  REQUIRE(knobs);
  CHECK(knobs->num_blocks == 77);
  CHECK(knobs->watermark == 0.25);
  CHECK(knobs->visible == EngineKnobs::Visible::kComputed);
  const auto again = engine_knobs(knobs_as_config(*knobs));
  REQUIRE(again);
  CHECK(write_yaml(knobs_as_config(*again)) == write_yaml(knobs_as_config(*knobs)));
  CHECK(again->long_prefill_threshold == 64);
  CHECK(!again->prefix_caching);
}

TEST_CASE("a knob that asks for what this engine does not do is refused by name",
          "[exec][engine]") {
  for (const std::string text :
       {"preset: sglang", "batching: prefill_first", "preemption: swap", "block_visible: finished",
        "loads: overlapped", "reserve_output: 0.5", "share_duplicates: true", "step_overhead: 2 ms",
        "max_sequences: 600"}) {
    INFO(text);
    proto::EngineConfig config;
    REQUIRE(read_yaml_text(text, "engine.yaml", config));
    const auto knobs = engine_knobs(config);
    REQUIRE(!knobs);
    const std::string key =
        text.starts_with("max") ? "max_batched_tokens" : text.substr(0, text.find(':'));
    CHECK_THAT(knobs.error().message, Catch::Contains("engine.") && Catch::Contains(key));
  }
}
