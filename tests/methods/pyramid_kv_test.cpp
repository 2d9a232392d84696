// How PyramidKV shares a budget out over layers.
#include <algorithm>
#include <catch2/catch.hpp>

#include "methods/method.h"
#include "methods/pyramid_kv/layer_budget.h"

namespace scsim::methods {
TEST_CASE("pyramid_kv's released shares are whole steps from the first layer to the last",
          "[methods][pyramid_kv]") {
  // 4,096 tokens of which 32 are the window, over 32 layers: 4,064 / 20 = 203 for the last, 2 *
  // 4,064 - 203 = 7,925 for the first, and (7,925 - 203) / 31 = 249 tokens fewer with each layer.
  const PyramidShape shape;
  for (std::int64_t layer = 0; layer < 32; ++layer) {
    CHECK(pyramid_budget(shape, layer, 32, Tokens{128000}) == Tokens{7925 - 249 * layer + 32});
  }
  // A prompt that the first layer's share does not fit in: that layer keeps all, and what it cannot
  // take goes to the others: 8,128 - 7,968 = 160 for the last but for the rounding of steps.
  CHECK(pyramid_budget(shape, 0, 32, Tokens{7900}) == Tokens{4096});  // shorter than 2 * 4,064
  CHECK(pyramid_budget({.budget = 4096, .window = 512}, 0, 32, Tokens{7200}) == Tokens{7200});
  CHECK(pyramid_budget(shape, 5, 32, Tokens{4096}) == Tokens{4096});
  CHECK(pyramid_budget(shape, 0, 1, Tokens{20000}) == Tokens{7957});  // one layer has no steps
}

TEST_CASE("pyramid_kv's shares fall from layer to layer and their mean is the budget",
          "[methods][pyramid_kv]") {
  for (const PyramidFormula formula : {PyramidFormula::kReleased, PyramidFormula::kKvpress}) {
    for (const std::int64_t budget : {100, 512, 4096}) {
      for (const std::int64_t prompt : {150, 1000, 5000, 9000, 100000}) {
        for (const std::int64_t beta : {1, 3, 20}) {
          const PyramidShape shape{
              .formula = formula, .budget = budget, .window = 32, .beta = beta};
          double sum = 0;
          std::int64_t before = prompt;
          for (std::int64_t layer = 0; layer < 30; ++layer) {
            const std::int64_t share =
                std::min(prompt, pyramid_budget(shape, layer, 30, Tokens{prompt}).value());
            INFO("budget " << budget << ", prompt " << prompt << ", layer " << layer);
            CHECK(share <= before);
            CHECK(share >= std::min(prompt, budget / beta));
            before = share;
            sum += static_cast<double>(share);
          }
          // Released steps are rounded down, so that layers get up to half of 29 tokens too many.
          const double mean = sum / 30, expected = static_cast<double>(std::min(budget, prompt));
          CHECK(mean >= expected - 0.5);
          CHECK(mean <= expected + (formula == PyramidFormula::kReleased ? 14.5 : 0.5));
        }
      }
    }
  }
}

TEST_CASE("pyramid_kv's layers are ragged, and bytes behind a prompt are their sum",
          "[methods][pyramid_kv]") {
  const auto contract = make_contract(*parse_method("pyramid_kv:preset=released,budget=512"));
  double tokens = 0, bytes = 0;
  for (std::int64_t layer = 0; layer < 30; ++layer) {
    // 480 / 20 = 24 for the last layer, 960 - 24 = 936 for the first, 912 / 29 = 31 fewer each.
    tokens += static_cast<double>(936 - 31 * layer + 32);
    bytes += contract
                 ->kept_bytes({.layer = layer,
                               .num_layers = 30,
                               .query_heads = 9,
                               .kv_heads = 3,
                               .head_dim = 64,
                               .element_bytes = 4},
                              Tokens{8000})
                 .value();
  }
  CHECK(bytes == tokens * 9 * 2 * 64 * 4);  // each query head for itself
}

}  // namespace scsim::methods
