// The executable forms of A-shape, Tri-shape and MInference on one layer: attention to just the
// keys of their definitions, as plain masked softmax in double has it, and MInference's offline
// search against sums over the whole attention matrix.
#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "exec/api/attention.h"
#include "methods/minference/index.h"
#include "methods/minference/search.h"
#include "methods/minference/select.h"
#include "methods/minference/settings.h"
#include "methods/runtime.h"
#include "tests/exec/api/measured.h"
#include "traces/rng.h"

namespace scsim::methods {
namespace {

using exec::KvCache;
using exec::LayerStep;
using test::Measured;

constexpr std::int64_t kKvHeads = 2, kGroup = 2, kDim = 16, kHeads = kKvHeads * kGroup;

at::Tensor normal(std::uint64_t seed, at::IntArrayRef sizes) {
  Rng rng(seed, "test.sparse_prefill");
  at::Tensor t = at::empty(sizes, at::kFloat);
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    t.mutable_data_ptr<float>()[i] = static_cast<float>(rng.normal());
  }
  return t;
}

// One layer of one sequence, given in prompts.
struct Layer {
  explicit Layer(std::int64_t tokens)
      : q(normal(1, {tokens, kHeads, kDim}) * 2),
        k(normal(2, {tokens, kKvHeads, kDim})),
        v(normal(3, {tokens, kKvHeads, kDim})) {}

  LayerStep step(std::int64_t from, std::int64_t to) {
    return {.layer = 0,
            .num_layers = 2,
            .first_position = from,
            .cache = cache,
            .q = q.slice(0, from, to),
            .k = k.slice(0, from, to),
            .v = v.slice(0, from, to),
            .scale = 1 / std::sqrt(static_cast<double>(kDim)),
            .first_prefill = from == 0,
            .measure = measured.measure};
  }
  at::Tensor attend(exec::MethodRuntime& method, std::int64_t from, std::int64_t to) {
    LayerStep given = step(from, to);
    at::Tensor out = method.attend_prefill(given);
    REQUIRE(out.defined());
    cache.advance(to - from);
    return out;
  }
  // Attention of the rows from .. to - 1 to the keys that `sees` says, one by one.
  at::Tensor expected(std::int64_t from, std::int64_t to,
                      const std::function<bool(std::int64_t head, std::int64_t row,
                                               std::int64_t key)>& sees) const {
    at::Tensor out = at::zeros({to - from, kHeads, kDim}, at::kDouble);
    for (std::int64_t h = 0; h < kHeads; ++h) {
      at::Tensor logits = at::matmul(q.select(1, h).slice(0, from, to).to(at::kDouble),
                                     k.select(1, h / kGroup).slice(0, 0, to).to(at::kDouble).t())
                              .div(std::sqrt(static_cast<double>(kDim)));
      auto at = logits.accessor<double, 2>();
      for (std::int64_t i = 0; i < to - from; ++i) {
        for (std::int64_t j = 0; j < to; ++j) {
          if (j > from + i || !sees(h, from + i, j)) at[i][j] = -INFINITY;
        }
      }
      const at::Tensor weights = at::softmax(logits, 1).nan_to_num(0);  // rows that see nothing
      out.select(1, h).copy_(
          at::matmul(weights, v.select(1, h / kGroup).slice(0, 0, to).to(at::kDouble)));
    }
    return out;
  }

  at::Tensor q, k, v;
  Measured measured;
  KvCache cache{
      std::make_shared<exec::KvMemory>(exec::KvMemoryOptions{.head_dim = kDim, .page_tokens = 16}),
      {.layers = 2, .kv_heads = kKvHeads, .kinds = {}}};
};

double apart(const at::Tensor& found, const at::Tensor& expected) {
  return (found.to(at::kDouble) - expected).abs().max().item<double>();
}

constexpr double kSame = 1e-5;

TEST_CASE("A-shape and Tri-shape attend just their keys", "[methods][a_shape][tri_shape]") {
  const std::int64_t tokens = 333, more = 400;
  const struct {
    std::string method;
    std::int64_t init, local, last;
    bool follow_ups;
  } cases[] = {{"a_shape:init=4,local=16", 4, 16, 0, false},
               {"a_shape:init=130,local=50,follow_ups=sparse", 130, 50, 0, true},
               {"a_shape:init=0,local=1", 0, 1, 0, false},
               {"tri_shape:init=64,local=65,last=70", 64, 65, 70, false},
               {"tri_shape:init=3,local=100,last=10,follow_ups=sparse", 3, 100, 10, true}};
  for (const auto& c : cases) {
    INFO(c.method);
    const auto method = make_runtime(*parse_method(c.method));
    Layer layer(more);
    const auto sees = [&](std::int64_t end) {
      return [&c, end](std::int64_t, std::int64_t row, std::int64_t key) {
        return key < c.init || key > row - c.local || row >= end - c.last;
      };
    };
    CHECK(apart(layer.attend(*method, 0, tokens), layer.expected(0, tokens, sees(tokens))) < kSame);
    const auto all = [](std::int64_t, std::int64_t, std::int64_t) { return true; };
    const at::Tensor behind = layer.attend(*method, tokens, more);
    CHECK(apart(behind, c.follow_ups ? layer.expected(tokens, more, sees(more))
                                     : layer.expected(tokens, more, all)) < kSame);
  }
}

// MInference's keys from the paper's rule in plain loops: full attention of the last queries, its
// sums by column and by diagonal, the largest of both; then what lists of blocks make of them.
TEST_CASE("MInference attends the keys of its index and no others", "[methods][minference]") {
  const std::int64_t tokens = 500, more = 590;
  for (const std::string setting :
       {"preset=paper,vertical=30,slash=20", "vertical=20,slash=120,follow_ups=sparse",
        "pattern=a_shape,vertical=70,slash=40,follow_ups=sparse",
        "pattern=block_sparse,blocks=3,follow_ups=sparse", "pattern=block_sparse,blocks=1"}) {
    INFO(setting);
    const auto choice = parse_method("minference:" + setting);
    REQUIRE(choice.has_value());
    const MinferenceSettings settings = minference_settings(choice->parameters);
    const auto method = make_runtime(*choice);
    Layer layer(more);
    for (const auto& [from, to] : {std::pair(std::int64_t{0}, tokens), {tokens, more}}) {
      std::vector<exec::LayerSelection> recorded;
      layer.measured.measure.selections = &recorded;
      const at::Tensor found = layer.attend(*method, from, to);
      if (from > 0 && !settings.sparse_follow_ups) {
        CHECK(recorded.empty());
        continue;
      }
      REQUIRE(recorded.size() == 1);
      const RowRange rows{.first = from, .count = to - from};
      KeyLists lists;
      for (std::int64_t h = 0; h < kHeads; ++h) {
        add_chosen(lists, rows, settings.pattern(0, h),
                   recorded[0].heads[static_cast<std::size_t>(h)]);
      }
      const auto sees = [&](std::int64_t head, std::int64_t row, std::int64_t key) {
        const auto e = static_cast<std::size_t>(head * rows.blocks() + (row - from) / kBlock);
        for (auto i = static_cast<std::size_t>(lists.tile_offsets[e]);
             i < static_cast<std::size_t>(lists.tile_offsets[e + 1]); ++i) {
          if (key >= lists.tiles[i] && key < lists.tiles[i] + kBlock) return true;
        }
        for (auto i = static_cast<std::size_t>(lists.column_offsets[e]);
             i < static_cast<std::size_t>(lists.column_offsets[e + 1]); ++i) {
          if (key == lists.columns[i]) return true;
        }
        return key >= lists.bands[2 * e] && key > row - lists.bands[2 * e + 1];
      };
      CHECK(apart(found, layer.expected(from, to, sees)) < kSame);
      if (settings.otherwise.kind != PatternKind::kVerticalSlash) continue;
      for (std::int64_t h = 0; h < kHeads; ++h) {
        // The last 64 queries' attention, in double.
        const std::int64_t window = 64;
        at::Tensor weights = at::matmul(layer.q.select(1, h).slice(0, to - window, to),
                                        layer.k.select(1, h / kGroup).slice(0, 0, to).t())
                                 .to(at::kDouble)
                                 .div(std::sqrt(static_cast<double>(kDim)));
        for (std::int64_t i = 0; i < window; ++i) {
          weights[i].slice(0, to - window + i + 1, to).fill_(-INFINITY);
        }
        weights = at::softmax(weights, 1);
        const auto& numbers = recorded[0].heads[static_cast<std::size_t>(h)];
        const auto columns = static_cast<std::size_t>(numbers[1]);
        std::vector<bool> is_column(static_cast<std::size_t>(to)), is_diagonal(is_column);
        for (std::size_t i = 2; i < 2 + columns; ++i) {
          is_column[static_cast<std::size_t>(numbers[i])] = true;
        }
        for (std::size_t i = 2 + columns; i < numbers.size(); ++i) {
          is_diagonal[static_cast<std::size_t>(numbers[i])] = true;
        }
        double least_chosen = 1e9, most_left = 0, least_diagonal = 1e9, most_diagonal_left = 0;
        for (std::int64_t j = 0; j < to; ++j) {
          const double of = weights.select(1, j).sum().item<double>();
          double diagonal = 0;
          for (std::int64_t i = std::max<std::int64_t>(0, j - (to - window)); i < window; ++i) {
            const std::int64_t key = to - window + i - j;
            if (key >= 0) diagonal += weights[i][key].item<double>();
          }
          const auto at = static_cast<std::size_t>(j);
          if (j >= settings.forced_columns) {
            if (is_column[at]) least_chosen = std::min(least_chosen, of);
            if (!is_column[at]) most_left = std::max(most_left, of);
          } else {
            CHECK(is_column[at]);
          }
          if (j >= settings.forced_diagonals) {
            if (is_diagonal[at]) least_diagonal = std::min(least_diagonal, diagonal);
            if (!is_diagonal[at]) most_diagonal_left = std::max(most_diagonal_left, diagonal);
          } else {
            CHECK(is_diagonal[at]);
          }
        }
        CHECK(least_chosen > most_left - 1e-6);
        CHECK(least_diagonal > most_diagonal_left - 1e-6);
      }
    }
  }
}

TEST_CASE("MInference's heads take the pattern of their file side by side",
          "[methods][minference]") {
  Layer layer(300);
  MinferenceSettings settings;
  settings.patterns = *parse_head_patterns(
      R"([{"0": ["stream_llm", 10, 20, 1], "1": ["vertical_and_slash", 5, 8, 1],
           "2": ["block_sparse", 10, 1, 1]}])",
      "here");
  settings.blocks = 2;
  settings.forced_columns = settings.forced_diagonals = settings.least_diagonals = 1;
  LayerStep step = layer.step(0, 300);
  REQUIRE(layer.cache.append(0, step.k, step.v, step.measure));
  const LayerChoice choice = choose_keys(settings, step, *layer.cache.view(0, step.measure));
  CHECK_FALSE(choice.everything);
  CHECK(choice.heads[0] == std::vector<std::int32_t>{2});
  CHECK(choice.heads[1][0] == 1);
  CHECK(choice.heads[2][0] == 3);
  CHECK(choice.heads[3] == std::vector<std::int32_t>{0});  // (1000, 6096) is all of 300 tokens
}

TEST_CASE("the search by recall sums the attention that each pattern covers",
          "[methods][minference]") {
  const std::int64_t tokens = 1100, first_row = 900;
  Layer layer(tokens);
  LayerStep step = layer.step(0, tokens);
  REQUIRE(layer.cache.append(0, step.k, step.v, step.measure));
  const auto view = layer.cache.view(0, step.measure);
  const at::Tensor out = exec::attend(step, *view).out;
  const CandidateScores scores = candidate_scores(
      {.criterion = SearchCriterion::kRecall, .first_row = first_row}, step, *view, out);
  REQUIRE(scores.candidates.size() == 6);
  for (const std::int64_t h : {std::int64_t{0}, kHeads - 1}) {
    const at::Tensor q = layer.q.select(1, h), k = layer.k.select(1, h / kGroup);
    at::Tensor logits = at::matmul(q.to(at::kDouble), k.to(at::kDouble).t()).mul(step.scale);
    logits.masked_fill_(at::ones({tokens, tokens}, at::kBool).triu(1), -INFINITY);
    const at::Tensor weights = at::softmax(logits, 1);
    const at::Tensor row = at::arange(tokens).unsqueeze(1), key = at::arange(tokens).unsqueeze(0);
    const auto covered = [&](const at::Tensor& mask) {
      return weights.mul(mask).slice(0, first_row).sum().item<double>() /
             static_cast<double>(tokens - first_row);
    };
    const auto score = [&](std::size_t c) { return scores.scores[c][static_cast<std::size_t>(h)]; };
    CHECK(score(0) == Approx(covered((key < 100).logical_or(key > row - 800))).epsilon(1e-4));
    // Vertical-slash: the definition's masks from the largest sums, the first and nearest 30
    // forced.
    at::Tensor columns = weights.slice(0, tokens - 64).sum(0);
    at::Tensor diagonals = at::zeros({tokens}, at::kDouble);
    for (std::int64_t i = tokens - 64; i < tokens; ++i) {
      diagonals.slice(0, 0, i + 1).add_(weights[i].slice(0, 0, i + 1).flip(0));
    }
    columns.slice(0, 0, 30).fill_(1e9);
    diagonals.slice(0, 0, 30).fill_(1e9);
    for (std::size_t c = 1; c < 5; ++c) {
      const HeadPattern& pattern = scores.candidates[c];
      const auto top = [&](const at::Tensor& of, std::int64_t count) {
        const at::Tensor chosen = at::zeros({tokens}, at::kBool);
        chosen.index_fill_(0, std::get<1>(of.topk(std::min(count, tokens))), true);
        return chosen;
      };
      const at::Tensor by_distance = top(diagonals, pattern.slash);
      const at::Tensor slash =
          by_distance.index_select(0, (row - key).clamp(0).flatten()).view({tokens, tokens});
      const at::Tensor mask = top(columns, pattern.vertical).unsqueeze(0).logical_or(slash);
      CHECK(score(c) == Approx(covered(mask)).epsilon(1e-4));
    }
    CHECK(score(4) == Approx(1));  // 3,500 columns are all of them
  }
  // Fewer numbers are off the more is attended.
  const CandidateScores off =
      candidate_scores({.criterion = SearchCriterion::kOutput}, step, *view, out);
  REQUIRE(off.candidates.size() == 8);
  const auto a_shape = make_runtime(*parse_method("a_shape:init=100,local=800"));
  Layer again(tokens);
  const at::Tensor delta = again.attend(*a_shape, 0, tokens).sub(out).abs();
  for (std::int64_t h = 0; h < kHeads; ++h) {
    CHECK(off.scores[0][static_cast<std::size_t>(h)] ==
          Approx(delta.select(1, h).gt(5e-3).sum().item<double>()).margin(3));
    CHECK(off.scores[5][static_cast<std::size_t>(h)] == 0);
  }
}

TEST_CASE("a search goes on behind the layers it has, and is dense meanwhile",
          "[methods][minference]") {
  const std::int64_t tokens = 200;
  Layer layer(tokens);
  const auto search = [&](HeadPatterns done, std::vector<std::size_t>& heard) {
    PatternSearch finds({.first_row = 100}, std::move(done),
                        [&](const PatternSearch& so_far, std::int64_t num_layers) {
                          CHECK(num_layers == 2);
                          heard.push_back(so_far.found().size());
                        });
    layer.cache = KvCache(std::make_shared<exec::KvMemory>(
                              exec::KvMemoryOptions{.head_dim = kDim, .page_tokens = 16}),
                          {.layers = 2, .kv_heads = kKvHeads, .kinds = {}});
    at::Tensor out;
    for (const std::int64_t number : {0, 1}) {
      LayerStep step = layer.step(0, tokens);
      step.layer = number;
      out = finds.attend_prefill(step);
    }
    const auto all = [](std::int64_t, std::int64_t, std::int64_t) { return true; };
    CHECK(apart(out, layer.expected(0, tokens, all)) < kSame);
    return finds.found();
  };
  std::vector<std::size_t> heard, heard_again;
  const HeadPatterns whole = search({}, heard);
  CHECK((heard == std::vector<std::size_t>{1, 2}));
  REQUIRE(whole.size() == 2);
  CHECK((whole[0] == whole[1]));  // the layers are given the same
  CHECK(whole[0].size() == kHeads);
  HeadPatterns cut = {whole[0]};
  cut[0][0].score = 77;  // to know it again
  const HeadPatterns resumed = search(cut, heard_again);
  CHECK((heard_again == std::vector<std::size_t>{2}));
  CHECK((resumed[0] == cut[0]));
  CHECK((resumed[1] == whole[1]));
}

}  // namespace
}  // namespace scsim::methods
