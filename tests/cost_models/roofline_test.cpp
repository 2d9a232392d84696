#include "cost_models/roofline.h"

#include <catch2/catch.hpp>

#include "cost_models/cost_model_table.h"
#include "tests/oracle/step_time_oracle.h"
#include "traces/rng.h"

namespace scsim::cost_models {
namespace {

using oracle::Sequence;

CostModelInputs inputs_of(const std::string& model, const std::string& gpu = "h200",
                          const Parallel& parallel = {}) {
  CostModelInputs inputs;
  inputs.gpu = *find_gpu(gpu);
  inputs.model = *find_model(model);
  inputs.parallel = parallel;
  inputs.precision = *make_precision(inputs.model.default_weight_dtype, "bf16");
  return inputs;
}

std::unique_ptr<StepCostModel> roofline(const CostModelInputs& inputs) {
  return *make_cost_model("roofline", inputs);
}

double seconds(const CostModelInputs& inputs, const std::vector<Sequence>& sequences) {
  return oracle::modelled_time(*roofline(inputs), sequences).total();
}

Sequence prefill(std::int64_t cached, std::int64_t fresh) {
  return {.cached = cached, .fresh = fresh, .sampled = true};
}
Sequence decode(std::int64_t context) {
  return {.cached = context - 1, .fresh = 1, .decode = true, .sampled = true};
}

std::vector<Sequence> random_batch(Rng& rng) {
  std::vector<Sequence> batch;
  const std::uint64_t prefills = rng.below(3), decodes = rng.below(5) + (prefills == 0 ? 1 : 0);
  for (std::uint64_t i = 0; i < prefills; ++i) {
    batch.push_back(prefill(static_cast<std::int64_t>(rng.below(2) * rng.below(3000)),
                            1 + static_cast<std::int64_t>(rng.below(600))));
    batch.back().sampled = rng.chance(0.5);
  }
  for (std::uint64_t i = 0; i < decodes; ++i) {
    batch.push_back(decode(1 + static_cast<std::int64_t>(rng.below(3000))));
  }
  return batch;
}

// Every model with every way of sharding it that we try and that it allows.
template <class Visit>
void for_all_configurations(Visit visit) {
  for (const ModelShape& model : model_table()) {
    for (const Parallel& parallel :
         {Parallel{}, Parallel{2, 1, 1}, Parallel{8, 1, 1}, Parallel{1, 3, 1}, Parallel{4, 2, 1},
          Parallel{4, 1, 4}, Parallel{2, 1, 16}, Parallel{1, 1, 8}}) {
      if (!check_parallel(model, parallel)) continue;
      CostModelInputs inputs = inputs_of(model.name, "h200", parallel);
      visit(inputs);
    }
  }
}

void require_same(const oracle::StepTime& modelled, const oracle::StepTime& expected) {
  for (std::size_t stage = 0; stage < kNumStages; ++stage) {
    INFO("stage " << kStageNames[stage]);
    REQUIRE(modelled.seconds[stage] == Approx(expected.seconds[stage]).epsilon(1e-9));
  }
  REQUIRE(modelled.hbm_bytes == Approx(expected.hbm_bytes).epsilon(1e-9));
  REQUIRE(modelled.flops == Approx(expected.flops).epsilon(1e-9));
  REQUIRE(modelled.link_bytes == Approx(expected.link_bytes).epsilon(1e-9));
}

}  // namespace

TEST_CASE("the roofline agrees with counting layer by layer and token by token",
          "[cost_models][roofline]") {
  Rng rng(1, "tests.roofline");
  for_all_configurations([&](CostModelInputs& inputs) {
    inputs.step_overhead = Seconds(1e-4), inputs.request_overhead = Seconds(3e-6);
    const auto model = roofline(inputs);
    for (int i = 0; i < 6; ++i) {
      std::vector<Sequence> batch = random_batch(rng);
      // The oracle counts experts by whole tokens, so a micro-batch must have a whole number.
      std::int64_t tokens = 0;
      for (const Sequence& sequence : batch) tokens += sequence.fresh;
      for (; tokens % inputs.parallel.pipeline != 0; ++tokens) batch.push_back(decode(77));
      INFO(inputs.model.name << " on " << inputs.parallel.tensor << "x" << inputs.parallel.pipeline
                             << " GPUs, experts on " << inputs.parallel.expert);
      require_same(oracle::modelled_time(*model, batch), oracle::step_time(inputs, batch));
    }
  });
}

TEST_CASE("more tokens, more context and more sequences never cost less (INV-MONOTONE)",
          "[cost_models][roofline]") {
  Rng rng(2, "tests.roofline");
  for_all_configurations([&](const CostModelInputs& inputs) {
    INFO(inputs.model.name);
    const auto model = roofline(inputs);
    for (int i = 0; i < 20; ++i) {
      const std::vector<Sequence> batch = random_batch(rng);
      const double before = oracle::modelled_time(*model, batch).total();
      std::vector<Sequence> more = batch;
      more.push_back(decode(1));
      REQUIRE(oracle::modelled_time(*model, more).total() >= before);
      more = batch;
      more.push_back(prefill(0, 1));
      REQUIRE(oracle::modelled_time(*model, more).total() >= before);
      more = batch;
      ++more.front().cached;
      REQUIRE(oracle::modelled_time(*model, more).total() >= before);
      if (more.front().decode) continue;
      more = batch;
      ++more.front().fresh;
      REQUIRE(oracle::modelled_time(*model, more).total() >= before);
    }
  });
}

TEST_CASE("more bandwidth, compute or faster links are never slower (INV-MONOTONE)",
          "[cost_models][roofline]") {
  Rng rng(3, "tests.roofline");
  for_all_configurations([&](const CostModelInputs& inputs) {
    for (int i = 0; i < 5; ++i) {
      const std::vector<Sequence> batch = random_batch(rng);
      const double before = seconds(inputs, batch);
      CostModelInputs better = inputs;
      better.gpu.memory_bandwidth = better.gpu.memory_bandwidth * 1.5;
      REQUIRE(seconds(better, batch) <= before);
      better = inputs;
      better.gpu.bf16 = better.gpu.bf16 * 1.5, better.gpu.fp8 = better.gpu.fp8 * 1.5;
      REQUIRE(seconds(better, batch) <= before);
      better = inputs;
      better.gpu.link_bandwidth = better.gpu.link_bandwidth * 1.5;
      better.gpu.link_latency = better.gpu.link_latency * 0.5;
      REQUIRE(seconds(better, batch) <= before);
    }
  });
}

TEST_CASE("the slopes do not depend on the batch, and read the cache of one token",
          "[cost_models][roofline]") {
  for (const ModelShape& shape : model_table()) {
    const CostModelInputs inputs = inputs_of(shape.name);
    const auto model = roofline(inputs);
    const StepCost one = model->step({.decode_sequences = 1, .sampled_sequences = 1});
    const StepCost many = model->step({.prefill_tokens = 512,
                                       .prefill_sequences = 2,
                                       .decode_sequences = 100,
                                       .prefill_pairs = 1e6,
                                       .sampled_sequences = 100});
    INFO(shape.name);
    CHECK(one.per_context_token == many.per_context_token);
    CHECK(one.per_windowed_token == many.per_windowed_token);
    CHECK(one.hbm_bytes_per_context_token == inputs.model.cache_per_token(16).value());
    for (std::size_t stage = 0; stage < kNumStages; ++stage) {
      if (stage != static_cast<std::size_t>(Stage::kLoading))
        CHECK(one.per_context_token[stage] == 0);
    }
  }
}

TEST_CASE("one decode of llama-3.1-8b is bound by reading its weights", "[cost_models][roofline]") {
  // Weights without the embedding table, which is looked up: 7.5 billion of 2 bytes.
  const CostModelInputs inputs = inputs_of("llama-3.1-8b", "h100");
  const double weights = inputs.model.active_parameters() * 2;
  const double bound = weights / (inputs.gpu.memory_bandwidth.value() * kMemoryFraction);
  const double time = seconds(inputs, {decode(1)});
  CHECK(time >= bound);
  CHECK(time <= 1.01 * bound);
  CHECK(time == Approx(4.98e-3).epsilon(0.01));  // 15.0 GB at 3.0 TB/s
}

TEST_CASE(
    "a prefill of 8 K tokens of llama-3.1-8b takes twice its parameters in operations a token",
    "[cost_models][roofline]") {
  const CostModelInputs inputs = inputs_of("llama-3.1-8b", "h100");
  const double layer_parameters = 6.98e9;  // neither embedding nor logits
  const double gemms = 2 * layer_parameters * 8192 / (inputs.gpu.bf16.value() * kBf16GemmFraction);
  // Causal attention: half of 8192^2 pairs, 4 operations per pair and channel of 32 heads of 128.
  const double attention =
      0.5 * 8192.0 * 8192 * 4 * 32 * 128 * 32 / (inputs.gpu.bf16.value() * kAttentionFraction);
  const double time = seconds(inputs, {prefill(0, 8192)});
  CHECK(time >= gemms + attention);
  CHECK(time <= 1.12 * (gemms + attention));  // norms, activations and other memory passes
}

TEST_CASE("one token reads the weights of k experts, many read all of them",
          "[cost_models][roofline]") {
  const CostModelInputs inputs = inputs_of("mixtral-8x7b");
  const auto model = roofline(inputs);
  const auto bytes = [&](std::int64_t decodes) {
    return model->step({.decode_sequences = decodes}).hbm_bytes;  // without logits
  };
  const double expert = 32 * 3.0 * 4096 * 14336 * 2;  // one expert in each layer
  // Between 1 and 2 tokens: 8 (1 - (6/8)^n) experts, 2 and then 3.5, and a token's activations.
  CHECK(bytes(2) - bytes(1) == Approx(1.5 * expert).epsilon(0.002));
  CHECK(bytes(100'000) - bytes(99'999) < 0.002 * expert);
  const double tables = 2.0 * 32000 * 4096 * 2;
  CHECK(bytes(1) == Approx(inputs.model.active_parameters() * 2 - tables / 2).epsilon(0.002));
}

TEST_CASE("tensor parallelism divides the work, and links add to it", "[cost_models][roofline]") {
  const std::vector<Sequence> batch = {prefill(0, 4096), decode(5000), decode(9000)};
  const CostModelInputs single = inputs_of("llama-3.1-70b");
  const auto whole = oracle::modelled_time(*roofline(single), batch);
  CHECK(whole.link_bytes == 0);
  double previous = whole.total();
  for (const int tensor : {2, 4, 8}) {
    CostModelInputs inputs = inputs_of("llama-3.1-70b", "h200", {tensor, 1, 1});
    const auto real = oracle::modelled_time(*roofline(inputs), batch);
    CHECK(real.flops == Approx(whole.flops));  // all matrices are divided, none repeated
    // 161 all-reduces (one per mixer and mlp, one for the embedding), in all 2 (t-1) x the
    // activations; and the logits of three sequences, gathered everywhere.
    const double vectors = 161 * 2.0 * (tensor - 1) * 4098 * 8192 * 2;
    CHECK(real.link_bytes == Approx(vectors + 3.0 * 128256 * 2 * (tensor - 1)));
    CHECK(real.total() < previous);
    previous = real.total();
    inputs.gpu.link_bandwidth = BytesPerSecond(1e30), inputs.gpu.link_latency = Seconds(0);
    const double divided = seconds(inputs, batch);
    CHECK(divided >= whole.total() / tensor);
    CHECK(divided <= 1.35 * whole.total() / tensor);  // norms are on every GPU
    CHECK(real.total() > divided);
  }
}

TEST_CASE("pipeline parallelism steps a batch as fast as one GPU steps its p-th part",
          "[cost_models][roofline]") {
  for (const std::string name : {"llama-3.1-8b", "gpt-oss-20b", "mamba2-7b"}) {
    CostModelInputs inputs = inputs_of(name, "h200", {1, 4, 1});
    inputs.gpu.link_bandwidth = BytesPerSecond(1e30), inputs.gpu.link_latency = Seconds(0);
    const std::vector<Sequence> part = {decode(100), decode(300), prefill(0, 50)};
    std::vector<Sequence> batch;
    for (int i = 0; i < 4; ++i) batch.insert(batch.end(), part.begin(), part.end());
    const auto whole = oracle::modelled_time(*roofline(inputs), batch);
    const auto single = oracle::modelled_time(*roofline(inputs_of(name)), part);
    INFO(name);
    CHECK(whole.total() == Approx(single.total()));
    CHECK(whole.flops == Approx(4 * single.flops));
    CHECK(whole.hbm_bytes == Approx(4 * single.hbm_bytes));
  }
}

TEST_CASE("fp8 weights halve the bytes, and the operations where the GPU has the rate",
          "[cost_models][roofline]") {
  for (const std::string gpu : {"h200", "a100"}) {
    const CostModelInputs wide = inputs_of("llama-3.1-8b", gpu);
    CostModelInputs narrow = wide;
    narrow.precision = *make_precision("fp8", "bf16");
    INFO(gpu);
    const double decodes = seconds(narrow, {decode(1)}) / seconds(wide, {decode(1)});
    CHECK(decodes == Approx(0.54).epsilon(0.03));  // embeddings and logits keep 16 bits
    const double prefills = seconds(narrow, {prefill(0, 4096)}) / seconds(wide, {prefill(0, 4096)});
    CHECK(prefills <= 1.0);
    CHECK((prefills < 0.75) == (gpu == "h200"));
  }
}

TEST_CASE("experts on GPUs of several engines are read less often", "[cost_models][roofline]") {
  const std::vector<Sequence> batch(64, decode(1000));
  const double alone = seconds(inputs_of("deepseek-v3", "h200", {1, 1, 1}), batch);
  CostModelInputs inputs = inputs_of("deepseek-v3", "h200", {1, 1, 32});
  CHECK(seconds(inputs, batch) < alone);
  inputs.gpu.link_bandwidth = inputs.gpu.link_bandwidth * 0.1;
  CHECK(seconds(inputs, batch) > seconds(inputs_of("deepseek-v3", "h200", {1, 1, 32}), batch));
}

TEST_CASE("host time is counted per step and per request, as other", "[cost_models][roofline]") {
  CostModelInputs inputs = inputs_of("llama-3.1-8b");
  const double without = seconds(inputs, {decode(10), decode(10), prefill(0, 10)});
  inputs.step_overhead = Seconds(1e-3), inputs.request_overhead = Seconds(1e-5);
  const auto with =
      oracle::modelled_time(*roofline(inputs), {decode(10), decode(10), prefill(0, 10)});
  CHECK(with.seconds[static_cast<std::size_t>(Stage::kOther)] == Approx(1.03e-3));
  CHECK(with.total() == Approx(without + 1.03e-3));
}

TEST_CASE("causal pairs are what a loop counts", "[cost_models]") {
  for (std::int64_t cached = 0; cached < 12; ++cached) {
    for (std::int64_t fresh = 0; fresh < 12; ++fresh) {
      for (const std::int64_t window : {0, 1, 2, 5, 11, 30}) {
        std::int64_t pairs = 0;
        for (std::int64_t i = 1; i <= fresh; ++i) {
          pairs += window > 0 ? std::min(cached + i, window) : cached + i;
        }
        INFO(cached << " cached, " << fresh << " fresh, window " << window);
        REQUIRE(causal_pairs(cached, fresh, window) == static_cast<double>(pairs));
      }
    }
  }
}

TEST_CASE("the roofline says that it is uncalibrated, and of what it is made",
          "[cost_models][roofline]") {
  CHECK(roofline(inputs_of("llama-3.1-8b"))->honesty() ==
        std::vector<std::string>{"uncalibrated: step costs derive from the published shapes of "
                                 "h200 and llama-3.1-8b (roofline)"});
  CHECK(roofline(inputs_of("gpt-oss-20b"))->windows() == std::vector<std::int64_t>{128});
  CHECK(roofline(inputs_of("llama-3.1-8b"))->windows().empty());
}

TEST_CASE("what cannot be costed is refused by name", "[cost_models]") {
  CHECK(make_cost_model("rofline", inputs_of("llama-3.1-8b")).error().message ==
        "unknown cost model \"rofline\"; did you mean \"roofline\"? known: roofline, profile");
  CHECK(
      make_cost_model("roofline", inputs_of("smollm2-135m", "h100", {2, 1, 1})).error().message ==
      "tensor_parallel 2 does not divide the 9 attention heads of smollm2-135m; possible: 1, 3, 9");
  CHECK(make_cost_model("roofline", inputs_of("llama-3.1-8b", "h100", {1, 1, 2})).error().message ==
        "expert_parallel 2: llama-3.1-8b has no experts");
  CHECK(make_cost_model("roofline", inputs_of("mixtral-8x7b", "h100", {4, 1, 2})).error().message ==
        "expert_parallel 2 is no multiple of tensor_parallel 4");
  CHECK(
      make_cost_model("roofline", inputs_of("mixtral-8x7b", "h100", {1, 1, 16})).error().message ==
      "expert_parallel 16 does not divide the 8 experts of mixtral-8x7b; possible: 1, 2, 4, 8");
  CHECK(
      make_cost_model("roofline", inputs_of("smollm2-135m", "h100", {1, 40, 1})).error().message ==
      "pipeline_parallel 40 is more than the 30 layers of smollm2-135m");
  CostModelInputs inputs = inputs_of("gpt-oss-20b");
  for (const std::int64_t window : {256, 512}) {
    inputs.model.layers.push_back(inputs.model.layers.front());
    inputs.model.layers.back().window = window;
  }
  CHECK(make_cost_model("roofline", inputs).error().message ==
        "gpt-oss-20b has sliding windows of 3 sizes; at most 2 are supported");
}

}  // namespace scsim::cost_models
