// An engine on the tests' model of two layers, and what its model answers by itself.
#pragma once

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "exec/engine/engine.h"
#include "exec/engine/engine_clock.h"
#include "exec/weights/checkpoint.h"
#include "tests/exec/api/measured.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace scsim::test {

// What an engine is made of.
struct Parts {
  explicit Parts(const exec::EngineKnobs& knobs, const std::string& clock_name = "cpu") {
    write_tiny_model(folder.path());
    const auto checkpoint = exec::Checkpoint::open(folder.path());
    REQUIRE(checkpoint);
    auto loaded = exec::Model::load(*checkpoint, exec::Engine::model_options({}, knobs));
    REQUIRE(loaded);
    model = *std::move(loaded);
    auto made_clock = exec::make_engine_clock(clock_name, 1);
    REQUIRE(made_clock);
    clock = *std::move(made_clock);
  }

  TemporaryFolder folder;
  std::unique_ptr<exec::Model> model;
  std::unique_ptr<exec::EngineClock> clock;
};

struct Served : Parts {
  explicit Served(const exec::EngineKnobs& knobs, const std::string& clock_name = "cpu")
      : Parts(knobs, clock_name) {
    auto made = exec::Engine::make(*model, knobs, clock->timeline(), "tiny");
    REQUIRE(made);
    engine = *std::move(made);
  }

  std::unique_ptr<exec::Engine> engine;
};

// The greedy answer of so many tokens, one request alone, its prompt in one piece, nothing reused;
// with full attention, or another method.
class Alone {
 public:
  Alone() {
    write_tiny_model(folder_.path());
    const auto checkpoint = exec::Checkpoint::open(folder_.path());
    REQUIRE(checkpoint);
    auto loaded = exec::Model::load(*checkpoint, {});
    REQUIRE(loaded);
    model_ = *std::move(loaded);
  }
  std::vector<std::int32_t> answer(std::span<const std::int32_t> prompt, std::int64_t tokens,
                                   exec::MethodRuntime* method = nullptr) {
    exec::KvCache cache = model_->make_cache();
    exec::MethodRuntime full;
    if (method == nullptr) method = &full;
    std::vector<std::int32_t> answer;
    auto logits = model_->prefill(prompt, cache, *method, measured_.measure);
    while (true) {
      REQUIRE(logits);
      answer.push_back(static_cast<std::int32_t>(logits->argmax(0).item<std::int64_t>()));
      if (std::ssize(answer) == tokens) return answer;
      logits = model_->decode(answer.back(), cache, *method, measured_.measure);
    }
  }
  std::int64_t vocabulary() const { return model_->config().vocabulary; }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<exec::Model> model_;
  Measured measured_;
};

}  // namespace scsim::test
