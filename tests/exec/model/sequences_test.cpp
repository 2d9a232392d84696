// Several sequences, forks, and what a step counts.
#include "tests/exec/model/tiny_model.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

using test::distance;
using test::load_tiny;
using test::Measured;
using test::TinyModel;
using test::value;

const ModelOptions kSmallPages = {.page_tokens = 8};
constexpr double kSame = 1e-5;

// Relative to the largest of the logits, or to 1.
double apart(const at::Tensor& found, const at::Tensor& expected) {
  return distance(found, expected) / std::max(1.0, expected.abs().max().item<double>());
}

}  // namespace

TEST_CASE("sequences in one step get what each gets alone", "[exec][model]") {
  for (const std::string name :
       {"llama", "mistral", "glm4", "mixtral", "qwen3", "mamba2", "mamba", "jamba", "bamba"}) {
    INFO(name);
    const TinyModel tiny = load_tiny(name, kSmallPages);
    Measured measured;
    MethodRuntime full;
    const std::size_t lengths[] = {5, 17, 9};
    std::vector<KvCache> together, alone;
    for (int i = 0; i < 3; ++i) {
      together.push_back(tiny.model->make_cache());
      alone.push_back(tiny.model->make_cache());
    }
    // A prefill of three prompts, then mixed: one goes on with a prompt, two decode.
    for (const bool mixed : {false, true}) {
      std::vector<SequenceStep> steps;
      for (std::size_t i = 0; i < 3; ++i) {
        const std::size_t from = mixed ? lengths[i] : 0;
        const bool decode = mixed && i != 1;
        steps.push_back({.tokens = tiny.range(from, mixed ? from + (decode ? 1 : 4) : lengths[i]),
                         .cache = &together[i],
                         .method = &full,
                         .first_prefill = !mixed,
                         .decode = decode});
      }
      const at::Tensor batched = value(tiny.model->step(steps, measured.measure));
      for (std::size_t i = 0; i < 3; ++i) {
        INFO("sequence " << i);
        SequenceStep step = steps[i];
        step.cache = &alone[i];
        const at::Tensor one = value(tiny.model->step({&step, 1}, measured.measure));
        CHECK(apart(batched[static_cast<std::int64_t>(i)], one[0]) < kSame);
        CHECK(together[i].tokens_seen() == alone[i].tokens_seen());
      }
    }
  }
}

TEST_CASE("a fork that goes on computes what a separate run computes", "[exec][model]") {
  const std::string name =
      GENERATE(as<std::string>{}, "qwen2", "mamba2", "mamba", "jamba", "bamba");
  INFO(name);
  const TinyModel tiny = load_tiny(name, kSmallPages);
  Measured measured;
  MethodRuntime full;
  KvCache context = tiny.model->make_cache();
  value(tiny.model->prefill(tiny.range(0, 19), context, full, measured.measure));
  KvCache first = context.fork(), second = context.fork();
  // Two continuations, a token each in turn, so that one would see what the other overwrote.
  std::vector<std::int32_t> other(tiny.tokens.rbegin(), tiny.tokens.rbegin() + 12);
  at::Tensor of_first, of_second;
  for (std::size_t i = 0; i < 12; ++i) {
    of_first = value(tiny.model->decode(tiny.tokens[19 + i], first, full, measured.measure));
    of_second = value(tiny.model->decode(other[i], second, full, measured.measure));
  }
  CHECK(distance(of_first, tiny.logits[19 + 11]) < 1e-4);
  std::vector<std::int32_t> whole(tiny.tokens.begin(), tiny.tokens.begin() + 19);
  whole.insert(whole.end(), other.begin(), other.end());
  KvCache separate = tiny.model->make_cache();
  const at::Tensor expected = value(tiny.model->prefill(whole, separate, full, measured.measure));
  CHECK(apart(of_second, expected) < kSame);
  CHECK(context.tokens_seen() == 19);
}

TEST_CASE("a cache made earlier is worth the prompt's common beginning", "[exec][model]") {
  const TinyModel tiny = load_tiny("llama", kSmallPages);
  Measured measured;
  MethodRuntime full;
  KvCache cache = tiny.model->make_cache();
  value(tiny.model->prefill(tiny.range(0, 30), cache, full, measured.measure));
  const auto cached = tiny.range(0, 30);
  std::vector<std::int32_t> prompt(tiny.tokens.begin(), tiny.tokens.begin() + 21);
  prompt.push_back(tiny.tokens[21] == 3 ? 4 : 3);
  CHECK(full.retrieve(cache, cached, prompt, measured.measure) == 21);
  CHECK(full.retrieve(cache, cached, tiny.range(0, 30), measured.measure) == 29);
  CHECK(full.retrieve(cache, cached, tiny.tokens, measured.measure) == 30);

  KvCache prefix = cache.fork_prefix(21);
  const at::Tensor reused =
      value(tiny.model->prefill({&prompt.back(), 1}, prefix, full, measured.measure));
  KvCache fresh = tiny.model->make_cache();
  CHECK(distance(reused, value(tiny.model->prefill(prompt, fresh, full, measured.measure))) <
        kSame);

  std::vector<std::int32_t> kept = {0, 1, 2};
  REQUIRE(cache.keep(0, 0, kept, measured.measure));  // no longer dense: all of it or nothing
  CHECK(full.retrieve(cache, cached, prompt, measured.measure) == 0);
  CHECK(full.retrieve(cache, cached, tiny.tokens, measured.measure) == 30);
}

TEST_CASE("keys turned to other positions are those that are computed there", "[exec][model]") {
  // The first layer's keys depend on the token and its position only.
  class Recorder final : public MethodRuntime {
   public:
    at::Tensor attend_prefill(LayerStep& step) override {
      if (step.layer == 0) {
        keys = step.k.clone();
        later = step.move_keys(step.k, 7);
        back = step.move_keys(later, -7);
      }
      return MethodRuntime::attend_prefill(step);
    }
    at::Tensor keys, later, back;
  };
  for (const std::string name : {"llama", "mistral", "glm4", "qwen3"}) {
    INFO(name);
    const TinyModel tiny = load_tiny(name, kSmallPages);
    Measured measured;
    Recorder here, there;
    KvCache first = tiny.model->make_cache(), second = tiny.model->make_cache();
    value(tiny.model->prefill(tiny.range(0, 12), first, here, measured.measure));
    std::vector<std::int32_t> shifted(7, 3);
    shifted.insert(shifted.end(), tiny.tokens.begin(), tiny.tokens.begin() + 12);
    value(tiny.model->prefill(shifted, second, there, measured.measure));
    CHECK(distance(here.later, there.keys.narrow(0, 7, 12)) < kSame);
    CHECK(distance(here.back, here.keys) < kSame);
  }
}

TEST_CASE("a recurrent cache is worth the saved point before a prompt goes another way",
          "[exec][model]") {
  for (const std::string name : {"mamba2", "mamba2_biases", "mamba", "jamba", "bamba"}) {
    for (const std::int64_t every : {0, 1, 7, 8}) {
      INFO(name << ", a point every " << every);
      const TinyModel tiny = load_tiny(name, {.page_tokens = 8, .saved_every = every});
      Measured measured;
      MethodRuntime full;
      KvCache cache = tiny.model->make_cache();
      // Points come in prefills and in steps of decoding.
      value(tiny.model->prefill(tiny.range(0, 10), cache, full, measured.measure));
      value(tiny.model->prefill(tiny.range(10, 25), cache, full, measured.measure));
      for (std::size_t i = 25; i < 30; ++i) {
        value(tiny.model->decode(tiny.tokens[i], cache, full, measured.measure));
      }
      const std::int64_t points = every == 0 ? 0 : 29 / every;
      CHECK(cache.bytes().saved == points * cache.bytes().recurrent);
      CHECK(tiny.model->memory().live_bytes() == cache.bytes().total());

      const auto cached = tiny.range(0, 30);
      CHECK(full.retrieve(cache, cached, tiny.tokens, measured.measure) == 30);
      // The last token of a prompt is always computed.
      const std::int64_t before_last = every == 0 ? 0 : 29 / every * every;
      CHECK(full.retrieve(cache, cached, cached, measured.measure) == before_last);

      std::vector<std::int32_t> prompt(tiny.tokens.begin(), tiny.tokens.begin() + 21);
      for (const std::int32_t token : {5, 9, 3}) prompt.push_back(token);
      if (prompt[21] == tiny.tokens[21]) prompt[21] = 6;
      const std::int64_t found = full.retrieve(cache, cached, prompt, measured.measure);
      REQUIRE(found == (every == 0 ? 0 : 21 / every * every));
      KvCache reused = cache.fork_prefix(found), fresh = tiny.model->make_cache();
      const at::Tensor expected = value(tiny.model->prefill(prompt, fresh, full, measured.measure));
      const at::Tensor logits =
          value(tiny.model->prefill(std::span(prompt).subspan(static_cast<std::size_t>(found)),
                                    reused, full, measured.measure));
      CHECK(apart(logits, expected) < kSame);
      CHECK(reused.bytes().saved == fresh.bytes().saved);
    }
  }
}

TEST_CASE("a token of another vocabulary and a lack of pages are said in a sentence",
          "[exec][model]") {
  const TinyModel tiny = load_tiny("llama", {.page_tokens = 8, .max_cached_tokens = 16});
  Measured measured;
  MethodRuntime full;
  KvCache cache = tiny.model->make_cache();
  const std::vector<std::int32_t> wrong = {3, 96};
  const Expected<at::Tensor> unknown = tiny.model->prefill(wrong, cache, full, measured.measure);
  REQUIRE(!unknown);
  CHECK_THAT(unknown.error().message, Catch::Contains("tokens 0 to 95; found 96 as number 1 of 2"));
  CHECK(cache.tokens_seen() == 0);

  REQUIRE(tiny.model->prefill(tiny.range(0, 16), cache, full, measured.measure).has_value());
  const Expected<at::Tensor> too_long =
      tiny.model->decode(tiny.tokens[16], cache, full, measured.measure);
  REQUIRE(!too_long);
  CHECK_THAT(too_long.error().message, Catch::Contains("no KV page is left"));
  cache = tiny.model->make_cache();  // dropped: the pages are there again
  CHECK(tiny.model->prefill(tiny.range(0, 16), cache, full, measured.measure).has_value());
}

// Two layers, 4 query heads over 2 kv heads of 8; hidden 32, mlp 48, vocabulary 96.
TEST_CASE("work is counted to its stage as it was computed", "[exec][model]") {
  const TinyModel tiny = load_tiny("llama", kSmallPages);
  Measured measured;
  MethodRuntime full;
  KvCache cache = tiny.model->make_cache();
  constexpr double kQkv = 2.0 * 32 * (4 + 2 + 2) * 8, kOutput = 2.0 * 32 * 32;
  constexpr double kMlp = 2.0 * 3 * 32 * 48, kHead = 2.0 * 32 * 96;

  value(tiny.model->prefill(tiny.range(0, 10), cache, full, measured.measure));
  const StageCounts& prefill = measured.of(Stage::kGeneration);
  CHECK(prefill.tokens == 10);
  CHECK(prefill.attended_pairs == 2 * 4 * (10 * 11 / 2));
  // Behind the attention of the last layer only the last row goes on.
  CHECK(prefill.operations == 20 * kQkv + 11 * (kOutput + kMlp) + kHead +
                                  4.0 * 8 * static_cast<double>(prefill.attended_pairs));
  CHECK(prefill.bytes_read == 2 * 2 * 10 * 2 * 8 * 4);
  const std::int64_t page = 2 * 8 * 8 * 4;
  CHECK(prefill.bytes_allocated == 2 * 2 * 2 * page);  // 10 tokens begin a second page of 8
  CHECK(prefill.peak_bytes == tiny.model->memory().live_bytes());

  value(tiny.model->decode(tiny.tokens[10], cache, full, measured.measure));
  const StageCounts& decode = measured.of(Stage::kDecode);
  const StageCounts& loading = measured.of(Stage::kLoading);
  CHECK(decode.tokens == 1);
  CHECK(decode.attended_pairs == 0);
  CHECK(decode.operations == 2 * (kQkv + kOutput + kMlp) + kHead);
  CHECK(loading.attended_pairs == 2 * 4 * 11);
  CHECK(loading.bytes_read == 2 * 2 * 11 * 2 * 8 * 4);
  CHECK(loading.operations == 4.0 * 8 * 2 * 4 * 11);
  CHECK(measured.of(Stage::kCompression).operations == 0);

  const StageTimes times = measured.clock.stop();
  CHECK(times.seconds[static_cast<std::size_t>(Stage::kGeneration)] > 0);
  CHECK(times.seconds[static_cast<std::size_t>(Stage::kLoading)] > 0);
  CHECK(times.seconds[static_cast<std::size_t>(Stage::kDecode)] > 0);
  CHECK(times.entries[static_cast<std::size_t>(Stage::kLoading)] == 2);
  measured.clock.start();
}

// Query i of a prompt of n attends min(i + 1, window) keys.
TEST_CASE("a sliding window's pairs are counted within the window", "[exec][model]") {
  const TinyModel tiny = load_tiny("mistral", kSmallPages);
  const AttentionConfig& shape = tiny.model->config().attention;
  REQUIRE(shape.sliding_window == 12);
  Measured measured;
  MethodRuntime full;
  KvCache cache = tiny.model->make_cache();
  value(tiny.model->prefill(tiny.tokens, cache, full, measured.measure));
  std::int64_t pairs = 0;
  for (std::int64_t i = 0; i < 40; ++i) pairs += std::min<std::int64_t>(i + 1, 12);
  CHECK(measured.of(Stage::kGeneration).attended_pairs ==
        tiny.model->config().layers * shape.query_heads * pairs);
}

TEST_CASE("attention over quantised and host pages reads what they hold", "[exec][model]") {
  const TinyModel tiny = load_tiny("llama", kSmallPages);
  Measured measured;
  MethodRuntime full;
  KvCache plain = tiny.model->make_cache();
  value(tiny.model->prefill(tiny.range(0, 30), plain, full, measured.measure));
  KvCache packed = plain.fork(), away = plain.fork();
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    REQUIRE(
        packed.quantise(layer, 24, {.key_bits = 8, .value_bits = 8, .group = 8}, measured.measure));
    for (std::int64_t head = 0; head < 2; ++head) {
      REQUIRE(away.move_to_host(layer, head, 0, 24, measured.measure));
    }
  }
  const at::Tensor exact =
      value(tiny.model->decode(tiny.tokens[30], plain, full, measured.measure));
  const at::Tensor from_host =
      value(tiny.model->decode(tiny.tokens[30], away, full, measured.measure));
  const at::Tensor from_bits =
      value(tiny.model->decode(tiny.tokens[30], packed, full, measured.measure));
  CHECK(distance(exact, from_host) == 0);
  CHECK(distance(exact, from_bits) < 0.05);  // logits have a deviation of about 1
  CHECK(distance(exact, from_bits) > 0);
  CHECK(away.bytes().host > 0);
  CHECK(packed.bytes().quantised > 0);
}

// Two layers of 64 channels in 16 heads of 4, 8 groups, a state of 16, a convolution of 4 over
// 64 + 2 * 8 * 16 = 320 channels; 64 + 320 + 16 = 400 projected; hidden 32, vocabulary 96.
TEST_CASE("a recurrent network attends nothing and keeps the same bytes at any length",
          "[exec][model]") {
  const TinyModel tiny = load_tiny("mamba2");
  Measured measured;
  MethodRuntime full;
  KvCache cache = tiny.model->make_cache();
  constexpr double kIn = 2.0 * 32 * 400, kOut = 2.0 * 64 * 32, kHead = 2.0 * 32 * 96;
  constexpr double kConv = 2.0 * 4 * 320;
  constexpr std::int64_t kState = 2 * 4 * (3 * 320 + 64 * 16);

  value(tiny.model->prefill(tiny.range(0, 10), cache, full, measured.measure));
  const StageCounts& prefill = measured.of(Stage::kGeneration);
  CHECK(prefill.tokens == 10);
  CHECK(prefill.attended_pairs == 0);
  // In one chunk: c times the state, b times x into it, and within it 55 pairs of c with b for each
  // group and with x for each channel.
  constexpr double kScan = 10 * 4.0 * 64 * 16 + 2.0 * 55 * (8 * 16 + 64);
  CHECK(prefill.operations == 20 * kIn + 11 * kOut + 2 * (10 * kConv + kScan) + kHead);
  CHECK(prefill.bytes_read == kState);
  CHECK(prefill.bytes_allocated == kState);
  CHECK(cache.bytes().total() == kState);
  CHECK(cache.pages() == 0);

  value(tiny.model->decode(tiny.tokens[10], cache, full, measured.measure));
  const StageCounts& loading = measured.of(Stage::kLoading);
  CHECK(measured.of(Stage::kDecode).operations == 2 * (kIn + kOut) + kHead);
  CHECK(loading.attended_pairs == 0);
  CHECK(loading.operations == 2 * (kConv + 5.0 * 64 * 16));
  CHECK(loading.bytes_read == kState);
  CHECK(loading.bytes_allocated == 0);
  CHECK(cache.bytes().total() == kState);
  CHECK(tiny.model->memory().live_bytes() == kState);
}

TEST_CASE("a method sees a hybrid's attention layers, counted from 0, and no others",
          "[exec][model]") {
  struct Listener : MethodRuntime {
    at::Tensor attend_prefill(LayerStep& step) override {
      layers.emplace_back(step.layer, step.num_layers);
      return MethodRuntime::attend_prefill(step);
    }
    std::vector<std::pair<std::int64_t, std::int64_t>> layers;
  };
  for (const std::string name : {"jamba", "bamba", "mamba2"}) {
    INFO(name);
    const TinyModel tiny = load_tiny(name, kSmallPages);
    Measured measured;
    Listener method;
    KvCache cache = tiny.model->make_cache();
    value(tiny.model->prefill(tiny.range(0, 20), cache, method, measured.measure));
    const bool hybrid = name != "mamba2";
    REQUIRE(method.layers.size() == (hybrid ? 1 : 0));
    if (!hybrid) continue;
    CHECK(method.layers[0] == std::pair<std::int64_t, std::int64_t>(0, 1));
    CHECK(cache.length(0, 0) == 20);
    CHECK(cache.dense());
    // One attention layer of 4 query heads.
    CHECK(measured.of(Stage::kGeneration).attended_pairs == 4 * (20 * 21 / 2));
    // What is dropped there leaves the recurrent layers alone, and can be had whole only.
    const std::vector<std::int32_t> kept = {0, 1, 2};
    const std::int64_t recurrent = cache.bytes().recurrent;
    REQUIRE(cache.keep(0, 0, kept, measured.measure));
    CHECK(cache.bytes().recurrent == recurrent);
    CHECK(method.retrieve(cache, tiny.range(0, 20), tiny.tokens, measured.measure) == 20);
    CHECK(method.retrieve(cache, tiny.range(0, 20), tiny.range(0, 20), measured.measure) == 0);
  }
}

}  // namespace scsim::exec
