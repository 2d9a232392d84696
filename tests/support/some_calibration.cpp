#include "tests/support/some_calibration.h"

#include <catch2/catch.hpp>

#include "traces/rng.h"

namespace scsim::test {
namespace {

SampleCost some_cost(Rng& rng, std::int64_t tokens) {
  SampleCost cost;
  for (const Stage stage : {Stage::kGeneration, Stage::kDecode, Stage::kOther}) {
    StageCost& to = cost.stages[static_cast<std::size_t>(stage)];
    to = {.seconds = rng.uniform(0.01, 0.2),
          .entries = 1,
          .tokens = tokens,
          .attended_pairs = tokens * tokens,
          .operations = 1e6 * static_cast<double>(tokens),
          .bytes_read = 4096 * tokens,
          .bytes_allocated = 512 * tokens,
          .bytes_freed = 0,
          .bytes_moved = 16};
    cost.total_seconds += to.seconds;
  }
  cost.kv_bytes = 512 * tokens;
  cost.peak_kv_bytes = 600 * tokens;
  if (rng.chance(0.5)) cost.peak_memory_bytes = 1 << 30;
  if (rng.chance(0.5)) cost.energy_joules = {{"rapl package-0", rng.uniform(1, 2)}};
  if (rng.chance(0.5)) cost.covariates = {{"density", rng.uniform()}};
  return cost;
}

}  // namespace

CalibrationDesign some_design() {
  CalibrationDesign design;
  design.model = {.name = "tiny",
                  .family = "llama",
                  .parameters = 1000,
                  .weights_format = "safetensors F32",
                  .weights_hash = "sha256:00ff",
                  .tokenizer = "tiny bpe",
                  .compute_type = "float32",
                  .kv_type = "float32",
                  .layers = 2,
                  .hidden = 64,
                  .query_heads = 4,
                  .kv_heads = 2,
                  .head_dim = 16,
                  .vocabulary = 300,
                  .random_weights = false};
  design.device = {.name = "some processor",
                   .kind = "cpu",
                   .driver = "",
                   .library = "libtorch 2",
                   .threads = 2,
                   .memory_bytes = std::int64_t{8} << 30};
  design.tool_version = "0.1.0";
  design.commit = "abc";
  design.clock = "steady clock";
  design.seed = 7;
  design.methods = {{"full", "", {}, false},
                    {"snapkv", "released", {{"window", "32"}, {"capacity", "1024"}}, false}};
  design.tasks = {{"kv", "generated", {}}, {"vt", "generated", {"two chains"}}};
  design.modes = {SessionMode::kMultiTurn, SessionMode::kMultiRequest};
  design.lengths = {512, 1024};
  design.turns = 3;
  design.sessions = 3;
  design.repeats = 2;
  design.prompt_style = "plain";
  design.full_method = "full";
  return design;
}

std::vector<SampleKey> all_keys(const CalibrationDesign& design) {
  std::vector<SampleKey> keys;
  const auto size = [](const auto& table) { return static_cast<std::int32_t>(table.size()); };
  for (std::int32_t session = 0; session < design.sessions; ++session)
    for (std::int32_t repeat = 0; repeat < design.repeats; ++repeat)
      for (std::int32_t method = 0; method < size(design.methods); ++method)
        for (std::int32_t task = 0; task < size(design.tasks); ++task)
          for (std::int32_t mode = 0; mode < size(design.modes); ++mode)
            for (std::int32_t length = 0; length < size(design.lengths); ++length)
              keys.push_back({session, repeat, method, task, mode, length, false});
  Rng rng(design.seed, "tests.some_calibration.order");
  for (std::size_t i = keys.size(); i > 1; --i) std::swap(keys[i - 1], keys[rng.below(i)]);
  return keys;
}

SessionSample some_session(const CalibrationDesign& design, const SampleKey& key,
                           std::int64_t order) {
  Rng rng(design.seed, "tests.some_calibration.session", static_cast<std::uint64_t>(order));
  SessionSample sample;
  sample.key = key;
  sample.order = order;
  sample.began_unix_ns = 1'700'000'000'000'000'000 + order;
  sample.context_tokens = design.lengths[static_cast<std::size_t>(key.length)];
  sample.truncated_tokens = static_cast<std::int64_t>(rng.below(3));
  for (int t = 0; t < design.turns; ++t) {
    TurnSample& turn = sample.turns.emplace_back();
    turn.turn = t;
    if (rng.chance(0.2)) turn.sub_task = "scbench_kv";
    turn.new_tokens = 20 + static_cast<std::int64_t>(rng.below(20));
    turn.cached_tokens = t == 0 ? 0 : sample.context_tokens;
    turn.output_tokens = 1 + static_cast<std::int64_t>(rng.below(30));
    turn.max_new_tokens = 30;
    turn.hit_limit = turn.output_tokens == 30;
    keep_prediction("the answer is " + std::to_string(rng.below(1000)) + " …", 18, turn);
    turn.golden = {"17", "siebzehn"};
    if (rng.chance(0.9)) turn.score_compat = rng.chance(0.5) ? 1 : 0;
    if (rng.chance(0.9)) turn.score_strict = rng.uniform();
    if (rng.chance(0.9)) turn.likelihood = {rng.uniform(0, 20), 5};
    if (rng.chance(0.9)) {
      turn.agreement = {10, static_cast<std::int64_t>(rng.below(11)), 0.25};
      if (rng.chance(0.5)) turn.agreement->kl_quarters = {0.125, 0, 0.0625, 0.0625};
    }
    if (rng.chance(0.9)) turn.answer_survived = rng.chance(0.5);
    if (rng.chance(0.9)) turn.ttft_seconds = rng.uniform();
    turn.decode_seconds = rng.uniform();
    turn.cost = some_cost(rng, turn.new_tokens);
    if (rng.chance(0.2)) {
      turn.server = {.itl_seconds = {0.01, 0.02},
                     .prompt_tokens = 40,
                     .completion_tokens = 3,
                     .cached_tokens = 16,
                     .finish_reason = "stop",
                     .error = ""};
    }
  }
  if (design.modes[static_cast<std::size_t>(key.mode)] == SessionMode::kMultiRequest)
    sample.context = some_cost(rng, sample.context_tokens);
  return sample;
}

OperatorSample some_operator(int number) {
  Rng rng(1, "tests.some_calibration.operator", static_cast<std::uint64_t>(number));
  OperatorSample sample;
  sample.name = "attention_decode";
  sample.implementation = "cpu avx2";
  sample.type = "float32";
  sample.new_tokens = {1, 1};
  sample.cached_tokens = {512 * (number + 1), 1024};
  sample.query_heads = 4;
  sample.kv_heads = 2;
  sample.head_dim = 16;
  sample.dimensions = {{"block_tokens", 16}};
  for (int i = 0; i < 5; ++i) sample.seconds.push_back(rng.uniform(0.001, 0.002));
  sample.bytes_read = 65536;
  sample.bytes_written = 256;
  sample.operations = 1e6;
  sample.attended_pairs = 4096;
  if (number % 2 == 0) sample.largest_error = 1e-6;
  sample.began_unix_ns = 1'700'000'000'000'000'000;
  return sample;
}

void write_calibration(const std::string& path, const CalibrationDesign& design,
                       const std::vector<SessionSample>& sessions,
                       const std::vector<OperatorSample>& operators) {
  Expected<CalibrationWriter> writer = CalibrationWriter::open(path, design, "a test");
  REQUIRE(writer.has_value());
  for (const SessionSample& sample : sessions) REQUIRE(writer->append(sample).has_value());
  for (const OperatorSample& sample : operators) REQUIRE(writer->append(sample).has_value());
  REQUIRE(writer->finish().has_value());
}

}  // namespace scsim::test
