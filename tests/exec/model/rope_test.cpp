#include "exec/model/rope.h"

#include <ATen/ATen.h>

#include "exec/weights/checkpoint.h"
#include "tests/exec/weights/tiny_models.h"

namespace scsim::exec {

TEST_CASE("rotary frequencies are those of transformers for every scaling", "[exec][model]") {
  for (const std::string& name : test::tiny_models()) {
    INFO(name);
    const auto checkpoint = Checkpoint::open(test::kTinyModels + name);
    REQUIRE(checkpoint.has_value());
    const RopeConfig& config = checkpoint->config().rope;
    if (config.rotary_dim == 0) continue;  // has none
    const std::vector<double> frequencies = rope_frequencies(config);
    const std::vector<float> expected = test::expected(name, "frequencies");
    REQUIRE(frequencies.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(frequencies[i] == Approx(expected[i]).epsilon(1e-6));
    }
    CHECK(rope_attention_factor(config) ==
          Approx(test::expected(name, "attention_factor")[0]).epsilon(1e-6));
  }
}

TEST_CASE("rows of the rotary table are the same however they are asked for", "[exec][model]") {
  RopeConfig config;
  config.rotary_dim = 8;
  RopeTable table(config, at::kCPU, at::kFloat);
  const RopeTable::Rows few = table.range(1000, 50);
  const std::vector<std::int64_t> positions = {1049, 3, 5000};  // makes the table longer
  const RopeTable::Rows some = table.at(positions);
  CHECK(at::equal(some.cos[0], few.cos[49]));
  CHECK(at::equal(some.sin[1], table.range(3, 1).sin[0]));
  CHECK(some.cos[2][0].item<double>() == Approx(std::cos(5000.0)).margin(1e-5));
}

}  // namespace scsim::exec
