// SnapKV and PyramidKV: what stays of a prompt, beside the oracle that sorts every vote.
#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "methods/highest.h"
#include "methods/pyramid_kv/layer_budget.h"
#include "tests/methods/dropping/layers.h"

namespace scsim::test {
namespace {

using Group = SnapKvOracle::Group;

struct Setting {
  std::string text;
  SnapKvOracle rule;
};
const std::vector<Setting> kSettings = {
    {"window=8,kernel=5", {8, 5, false, Group::kMean}},
    {"window=8,kernel=7,pooling=max", {8, 7, true, Group::kMean}},
    {"window=5,kernel=3,group=max", {5, 3, false, Group::kMax}},
    {"window=6,kernel=1,pooling=max,group=max", {6, 1, true, Group::kMax}},
    {"window=8,kernel=5,group=each", {8, 5, false, Group::kEach}},
    {"window=3,kernel=9,pooling=max,group=each", {3, 9, true, Group::kEach}},
};

std::string snapkv(std::int64_t budget, const std::string& rest) {
  return "snapkv:budget=" + std::to_string(budget) + "," + rest;
}

// Every head of the layer holds what the oracle keeps of `before`, the tokens it held.
void check_kept(const Layers& layers, std::int64_t layer, const SnapKvOracle& rule,
                std::int64_t fresh, std::int64_t budget,
                const std::vector<std::vector<std::int32_t>>& before) {
  for (std::int64_t h = 0; h < layers.cache.heads(layer); ++h) {
    INFO("layer " << layer << ", head " << h);
    // Where each query head has its own tokens, the oracle is asked head by head.
    const std::vector<std::int32_t>& tokens =
        before[static_cast<std::size_t>(h * std::ssize(before) / layers.cache.heads(layer))];
    const auto kept = snapkv_kept(layers.queries(layer, std::min(fresh, rule.window)),
                                  layers.keys(layer, tokens), rule, budget);
    std::vector<std::int32_t> expected;
    for (const std::int32_t p : kept[static_cast<std::size_t>(h)]) {
      expected.push_back(tokens[static_cast<std::size_t>(p)]);
    }
    CHECK((layers.held(layer, h) == expected));
  }
}

std::vector<std::vector<std::int32_t>> held_by_all(const Layers& layers, std::int64_t layer) {
  std::vector<std::vector<std::int32_t>> held;
  for (std::int64_t h = 0; h < layers.cache.heads(layer); ++h) {
    held.push_back(layers.held(layer, h));
  }
  return held;
}

}  // namespace

TEST_CASE("the highest scores win, of equal ones the earlier", "[methods][dropping]") {
  const std::vector<float> scores = {1, 3, 2, 3, 3, 0};
  CHECK((methods::highest(scores, 2) == std::vector<std::int32_t>{1, 3}));
  CHECK((methods::highest(scores, 4) == std::vector<std::int32_t>{1, 2, 3, 4}));
  CHECK((methods::highest(scores, 9) == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
  CHECK(methods::highest(scores, 0).empty());
  const std::vector<float> broken = {NAN, 1, NAN, 2};
  CHECK((methods::highest(broken, 3) == std::vector<std::int32_t>{0, 1, 3}));
}

TEST_CASE("snapkv keeps the window and what its queries attend most", "[methods][dropping]") {
  for (const Setting& setting : kSettings) {
    for (const std::int64_t prompt : {41, 64, 90, 200}) {
      INFO(setting.text << ", prompt of " << prompt);
      Layers layers(snapkv(40, setting.text), {}, static_cast<std::uint64_t>(prompt));
      layers.prompt(prompt);
      CHECK(layers.cache.heads(0) == (setting.rule.group == Group::kEach ? 6 : 2));
      for (std::int64_t l = 0; l < 2; ++l) {
        check_kept(layers, l, setting.rule, prompt, 40, {layers.all_tokens()});
      }
    }
  }
}

TEST_CASE("snapkv leaves a prompt within the budget as it is", "[methods][dropping]") {
  for (const std::int64_t prompt : {1, 7, 39, 40}) {
    Layers layers(snapkv(40, "window=8,group=each"), {}, 1);
    layers.prompt(prompt);
    CHECK((layers.held(1, 1) == layers.all_tokens()));
    CHECK(layers.cache.heads(1) == 2);  // nothing was dropped, so nothing is held apart
  }
}

TEST_CASE("snapkv once appends later prompts and answers in full", "[methods][dropping]") {
  Layers layers(snapkv(40, "window=8"), {}, 2);
  layers.prompt(100);
  std::vector<std::int32_t> expected = layers.held(0, 1);
  layers.prompt(30);
  layers.decode();
  layers.prompt(60);
  for (std::int32_t t = 100; t < 191; ++t) expected.push_back(t);
  CHECK((layers.held(0, 1) == expected));
}

TEST_CASE("snapkv at every append chooses anew among what it holds", "[methods][dropping]") {
  for (const std::string group : {"mean", "each"}) {
    const SnapKvOracle rule{8, 5, false, group == "each" ? Group::kEach : Group::kMean};
    Layers layers(snapkv(40, "window=8,compress=every_append,group=" + group), {}, 3);
    for (const std::int64_t prompt : {30, 90, 3, 50, 1}) {
      INFO("prompt of " << prompt << ", " << group);
      std::vector<std::vector<std::vector<std::int32_t>>> before;
      for (std::int64_t l = 0; l < 2; ++l) {
        before.push_back(held_by_all(layers, l));
        for (std::vector<std::int32_t>& tokens : before.back()) {
          for (std::int64_t t = 0; t < prompt; ++t) {
            tokens.push_back(static_cast<std::int32_t>(layers.cache.tokens_seen() + t));
          }
        }
      }
      layers.prompt(prompt);
      for (std::int64_t l = 0; l < 2; ++l) {
        CHECK(layers.cache.length(l, 0) == std::min<std::int64_t>(40, std::ssize(before[0][0])));
        for (std::int64_t h = 0; h < layers.cache.heads(l); ++h) {
          const auto& held_before = before[static_cast<std::size_t>(l)];
          const std::int64_t one = h * std::ssize(held_before) / layers.cache.heads(l);
          const std::vector<std::int32_t>& tokens = held_before[static_cast<std::size_t>(one)];
          if (std::ssize(tokens) <= 40) {
            CHECK((layers.held(l, h) == tokens));
            continue;
          }
          // Each head's tokens with all heads' keys: the oracle's answer for this head counts.
          const auto kept =
              snapkv_kept(layers.queries(l, std::min<std::int64_t>(prompt, 8)),
                          layers.keys(l, tokens), rule, 40)[static_cast<std::size_t>(h)];
          std::vector<std::int32_t> expected;
          for (const std::int32_t p : kept) expected.push_back(tokens[static_cast<std::size_t>(p)]);
          CHECK((layers.held(l, h) == expected));
        }
      }
    }
  }
}

TEST_CASE("snapkv chooses the same from a prompt in chunks, however short", "[methods][dropping]") {
  for (const std::string& method :
       {snapkv(40, "window=8"), snapkv(40, "window=8,group=each,compress=every_append")}) {
    for (const std::int64_t chunk : {1, 3, 8, 50}) {
      INFO(method << " in chunks of " << chunk);
      Layers whole(method, {}, 4), chunks(method, {}, 4);
      for (const std::int64_t prompt : {100, 20}) {
        whole.prompt(prompt);
        chunks.prompt(prompt, chunk);
        for (std::int64_t l = 0; l < 2; ++l) {
          CHECK((held_by_all(chunks, l) == held_by_all(whole, l)));
        }
        CHECK(chunks.cache.bytes().method == 0);  // the window's queries were let go
      }
    }
  }
}

TEST_CASE("what snapkv drops is free memory, and bytes and peak are its contract's",
          "[methods][dropping]") {
  for (const std::string rest : {"window=8", "window=8,group=each"}) {
    for (const std::int64_t prompt : {80, 128, 400}) {
      INFO(rest << ", prompt of " << prompt);
      Layers layers(snapkv(64, rest), {.layers = 1}, 5);
      const auto contract = methods::make_contract(layers.choice);
      layers.prompt(prompt);
      const methods::AttentionLayer layer = layers.layer(0);
      CHECK(layers.held_bytes() == contract->kept_bytes(layer, Tokens{prompt}).value());
      // Whole pages everywhere, so that bytes of pages are bytes of tokens.
      CHECK(static_cast<double>(layers.memory->live_bytes()) == layers.held_bytes());
      CHECK(static_cast<double>(layers.memory->peak_bytes()) ==
            contract->peak_bytes(layer, Tokens{prompt}).value());
      const exec::StageCounts& counts = layers.measured->of(Stage::kCompression);
      CHECK(static_cast<double>(counts.bytes_freed - counts.bytes_allocated) ==
            methods::dense_bytes(layer, Tokens{prompt}).value() - layers.held_bytes());
      CHECK(counts.attended_pairs == 0);
      CHECK(counts.operations > 0);
    }
  }
}

TEST_CASE("a fork of a compressed cache goes on by itself", "[methods][dropping]") {
  Layers first(snapkv(40, "window=8,group=each,compress=every_append"), {}, 6);
  first.prompt(120);
  const auto before = held_by_all(first, 0);
  {
    Layers second = first.fork();
    second.prompt(50);
    second.decode();
    CHECK((held_by_all(second, 0) != before));
    CHECK((held_by_all(first, 0) == before));
  }
  CHECK(static_cast<std::int64_t>(first.held_bytes()) == first.cache.bytes().total());
  CHECK(first.memory->live_bytes() == first.cache.bytes().total());
}

TEST_CASE("pyramid_kv is snapkv with each layer's own budget", "[methods][dropping]") {
  for (const std::string formula : {"released", "kvpress"}) {
    const std::string method = "pyramid_kv:budget=40,window=6,beta=5,kernel=3,formula=" + formula;
    Layers layers(method, {.layers = 4}, 7);
    const auto contract = methods::make_contract(layers.choice);
    layers.prompt(160);
    double bytes = 0;
    for (std::int64_t l = 0; l < 4; ++l) {
      INFO(formula << ", layer " << l);
      const std::int64_t budget =
          methods::pyramid_budget(
              {.formula = formula == "released" ? methods::PyramidFormula::kReleased
                                                : methods::PyramidFormula::kKvpress,
               .budget = 40,
               .window = 6,
               .beta = 5},
              l, 4, Tokens{160})
              .value();
      CHECK(layers.cache.length(l, 0) == budget);
      check_kept(layers, l, {6, 3, false, Group::kMean}, 160, budget, {layers.all_tokens()});
      bytes += contract->kept_bytes(layers.layer(l), Tokens{160}).value();
    }
    CHECK(layers.cache.length(0, 0) > layers.cache.length(3, 0));  // ragged
    CHECK(layers.held_bytes() == bytes);
  }
}

}  // namespace scsim::test
