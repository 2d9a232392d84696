// Logits against those of transformers, on tiny random networks of every family.
#include <filesystem>

#include "tests/exec/model/tiny_model.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

using test::distance;
using test::load_tiny;
using test::Measured;
using test::TinyModel;
using test::value;

constexpr double kTolerance = 1e-4;

// A page for every 8 tokens: the 40 tokens fill five.
const ModelOptions kSmallPages = {.page_tokens = 8};

}  // namespace

TEST_CASE("prefill computes the logits that transformers computes", "[exec][model]") {
  for (const std::string& name : test::tiny_models()) {
    for (const std::string file : {"", "/model.gguf"}) {
      if (!std::filesystem::exists(test::kTinyModels + name + file)) continue;
      INFO(name << file);
      const TinyModel tiny = load_tiny(name, kSmallPages, file);
      Measured measured;
      MethodRuntime full;
      KvCache cache = tiny.model->make_cache();
      const at::Tensor all =
          value(tiny.model->prefill_all_logits(tiny.tokens, cache, full, measured.measure));
      CHECK(distance(all, tiny.logits) < kTolerance);
      CHECK(cache.tokens_seen() == std::ssize(tiny.tokens));
      CHECK(cache.dense());
    }
  }
}

TEST_CASE("decoding token by token computes the same logits", "[exec][model]") {
  for (const std::string& name : test::tiny_models()) {
    INFO(name);
    const TinyModel tiny = load_tiny(name, kSmallPages);
    Measured measured;
    MethodRuntime full;
    KvCache cache = tiny.model->make_cache();
    for (std::size_t i = 0; i < tiny.tokens.size(); ++i) {
      const at::Tensor logits =
          value(tiny.model->decode(tiny.tokens[i], cache, full, measured.measure));
      CHECK(distance(logits, tiny.logits[static_cast<std::int64_t>(i)]) < kTolerance);
    }
  }
}

TEST_CASE("a prompt cut at random points gives the same logits", "[exec][model]") {
  for (const std::string& name : test::tiny_models()) {
    for (std::uint64_t draw = 0; draw < 3; ++draw) {
      INFO(name << ", draw " << draw);
      const TinyModel tiny = load_tiny(name, kSmallPages);
      Rng rng(1, "tests.model.cuts", draw);
      Measured measured;
      MethodRuntime full;
      KvCache cache = tiny.model->make_cache();
      for (std::size_t at = 0; at < tiny.tokens.size();) {
        const std::size_t to = at + 1 + rng.below(tiny.tokens.size() - at);
        const at::Tensor part = value(
            tiny.model->prefill_all_logits(tiny.range(at, to), cache, full, measured.measure));
        CHECK(distance(part, tiny.logits.slice(0, static_cast<std::int64_t>(at),
                                               static_cast<std::int64_t>(to))) < kTolerance);
        at = to;
      }
    }
  }
}

TEST_CASE("prefill in chunks gives the logits of one piece", "[exec][model]") {
  const TinyModel tiny = load_tiny("qwen2", {.page_tokens = 8, .chunk_tokens = 7});
  Measured measured;
  MethodRuntime full;
  KvCache cache = tiny.model->make_cache();
  const at::Tensor last = value(tiny.model->prefill(tiny.tokens, cache, full, measured.measure));
  CHECK(distance(last, tiny.logits[-1]) < kTolerance);
}

}  // namespace scsim::exec
