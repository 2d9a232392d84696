#include "exec/engine/step_sweep.h"

#include <set>

#include "tests/exec/engine/served.h"

namespace scsim::exec {

TEST_CASE("a sweep measures steps of the shapes it names, with the pairs counted one by one",
          "[exec][engine]") {
  EngineKnobs knobs{.block_tokens = 8, .num_blocks = 100, .max_batched_tokens = 48};
  knobs.max_sequences = 5;
  test::Served served(knobs);
  served.model->memory().pool(KvMemory::kDevice).tensor().normal_(0, 1);
  StepDesign design{
      .chunks = {1, 5, 16, 48, 64}, .behind = {0, 40}, .batches = {1, 4}, .contexts = {20, 60}};
  design.repeats = 2;
  std::vector<OperatorSample> plan = plan_steps(design, *served.engine);
  const ModelConfig& config = served.model->config();
  std::set<std::string> keys;
  int mixed = 0, skewed = 0;
  for (OperatorSample& sample : plan) {
    const std::string key = operator_key(sample);
    INFO(key);
    CHECK(keys.insert(key).second);
    const Expected<void> measured = measure_step(sample, design, *served.engine);
    REQUIRE(measured);
    CHECK(operator_key(sample) == key);  // so that a resumed run knows it
    CHECK(sample.name == "engine_step");
    CHECK(sample.seconds.size() == 2);
    CHECK((sample.seconds[0] > 0 && sample.operations > 0));
    std::int64_t pairs = 0, keys_read = 0;
    for (std::size_t i = 0; i < sample.new_tokens.size(); ++i) {
      for (std::int64_t query = 0; query < sample.new_tokens[i]; ++query)
        pairs += sample.cached_tokens[i] + query + 1;
      keys_read += sample.cached_tokens[i] + sample.new_tokens[i];
    }
    CHECK(sample.attended_pairs == config.layers * config.attention.query_heads * pairs);
    CHECK(sample.bytes_read == config.layers * config.attention.kv_heads * 2 *
                                   config.attention.head_dim * 4 * keys_read);
    const std::int64_t decodes = sample.dimensions[0].second;
    CHECK(sample.dimensions[1] ==
          std::pair<std::string, std::int64_t>("sampled", std::ssize(sample.new_tokens)));
    mixed += decodes > 0 && decodes < std::ssize(sample.new_tokens) ? 1 : 0;
    skewed += decodes > 1 && sample.cached_tokens[0] != sample.cached_tokens[1] ? 1 : 0;
    CHECK(served.engine->pool().used_blocks() == 0);
  }
  CHECK(mixed > 2);
  CHECK(skewed >= 2);
}

}  // namespace scsim::exec
