// The indexes of RetrievalAttention: what they find, on random keys and on a model's own.
#include "methods/retrieval_attention/key_index.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <optional>
#include <sstream>

#include "exec/session/loaded_model.h"
#include "tests/exec/api/measured.h"
#include "traces/rng.h"

namespace scsim::methods {
namespace {

using Found = std::vector<std::vector<std::int32_t>>;

at::Tensor normal(const std::string& purpose, std::int64_t rows, std::int64_t dim) {
  Rng rng(3, "tests.key_index." + purpose);
  at::Tensor t = at::empty({rows, dim}, at::kFloat);
  float* to = t.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) to[i] = static_cast<float>(rng.normal());
  return t;
}

// Keys [n, dim] as pages of 16 in some order, from the token `first` on.
struct PagedKeys {
  static constexpr std::int64_t kPage = 16;
  at::Tensor pool;
  std::vector<std::int32_t> pages;
  std::int64_t first, dim;

  PagedKeys(const at::Tensor& keys, std::int64_t first_token) : first(first_token) {
    dim = keys.size(1);
    const std::int64_t tokens = first + keys.size(0), count = (tokens + kPage - 1) / kPage;
    pool = at::full({count, 2, kPage, dim}, 1e9, at::kFloat);
    for (std::int64_t i = 0; i < count; ++i) {
      pages.push_back(static_cast<std::int32_t>(count - 1 - i));
    }
    for (std::int64_t i = first; i < tokens; ++i) {
      pool[pages[static_cast<std::size_t>(i / kPage)]][0][i % kPage].copy_(keys[i - first]);
    }
  }
  KeyRows rows() const {
    return {.head = {.pool = pool.const_data_ptr<float>(),
                     .pages = pages.data(),
                     .page_tokens = kPage,
                     .head_dim = dim,
                     .length = 0},
            .first = first};
  }
};

Queries queries_of(const at::Tensor& q) { return {q.const_data_ptr<float>(), q.size(0)}; }

Found search(const KeyIndex& index, const PagedKeys& keys, const at::Tensor& q, std::int64_t k,
             std::int64_t* looked_at = nullptr) {
  Found found(static_cast<std::size_t>(q.size(0)));
  std::int64_t looked = 0;
  index.search(keys.rows(), queries_of(q), k, found, looked);
  if (looked_at != nullptr) *looked_at = looked;
  return found;
}

Found exact(const at::Tensor& keys, const at::Tensor& q, std::int64_t k) {
  const at::Tensor best = std::get<1>(
      at::topk(at::matmul(q.to(at::kDouble), keys.to(at::kDouble).t()), k, 1, true, true));
  Found found;
  for (std::int64_t i = 0; i < q.size(0); ++i) {
    found.emplace_back();
    for (std::int64_t j = 0; j < k; ++j) {
      found.back().push_back(static_cast<std::int32_t>(best[i][j].item<std::int64_t>()));
    }
    std::ranges::sort(found.back());
  }
  return found;
}

double recall(const Found& found, const Found& expected) {
  std::size_t hits = 0, all = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::vector<std::int32_t> both;
    std::ranges::set_intersection(found[i], expected[i], std::back_inserter(both));
    hits += both.size();
    all += expected[i].size();
  }
  return static_cast<double>(hits) / static_cast<double>(all);
}

const std::vector<IndexKind> kKinds = {IndexKind::kFlat, IndexKind::kGraph, IndexKind::kHnsw};

TEST_CASE("the flat index finds the largest products", "[methods][retrieval_attention]") {
  const at::Tensor keys = normal("keys", 300, 20), q = normal("queries", 12, 20);
  const PagedKeys paged(keys, 5);
  const auto index = make_flat_index();
  index->build(paged.rows(), 300, {});
  std::int64_t looked_at = 0;
  CHECK((search(*index, paged, q, 10, &looked_at) == exact(keys, q, 10)));
  CHECK(looked_at == 12 * 300);
  CHECK((search(*index, paged, q, 1000) == exact(keys, q, 300)));
}

TEST_CASE("an index finds every key when asked for all of them, but for hnswlib's",
          "[methods][retrieval_attention]") {
  const at::Tensor keys = normal("all keys", 500, 20), q = normal("all queries", 40, 20);
  const PagedKeys paged(keys, 0);
  std::vector<std::int32_t> everything(500);
  std::iota(everything.begin(), everything.end(), 0);
  for (const IndexKind kind : kKinds) {
    for (const std::int64_t first : {0, 1, 120, 500}) {  // then, in steps, the rest
      for (const std::int64_t step : {1, 190}) {
        const auto index = make_index({.index = kind, .degree = 8});
        index->build(paged.rows(), first, queries_of(q));
        for (std::int64_t n = first; n < 500;) {
          n = std::min<std::int64_t>(n + step, 500);
          index->extend(paged.rows(), n);
        }
        CHECK(index->keys() == 500);
        CHECK(index->bytes() == index_bytes({.index = kind, .degree = 8}, 500));
        for (const auto& found : search(*index, paged, q, 500)) {
          if (kind != IndexKind::kHnsw) CHECK((found == everything));
          CHECK((std::ranges::includes(everything, found)));
        }
      }
    }
  }
}

TEST_CASE("an index is the same however many threads are around it",
          "[methods][retrieval_attention]") {
  const at::Tensor keys = normal("threads keys", 800, 32), q = normal("threads queries", 50, 32);
  const PagedKeys paged(keys, 0);
  const int threads = at::get_num_threads();
  for (const IndexKind kind : kKinds) {
    std::optional<Found> before;
    for (const int n : {1, 3}) {
      at::set_num_threads(n);
      const auto index = make_index({.index = kind, .beam = 20});
      index->build(paged.rows(), 800, queries_of(q));
      const Found found = search(*index, paged, q, 20);
      if (before) CHECK((found == *before));
      before = found;
    }
  }
  at::set_num_threads(threads);
}

TEST_CASE("a copy of an index grows by itself", "[methods][retrieval_attention]") {
  const at::Tensor keys = normal("clone keys", 400, 32), q = normal("clone queries", 30, 32);
  const PagedKeys paged(keys, 0);
  for (const IndexKind kind : kKinds) {
    const auto index = make_index({.index = kind});
    index->build(paged.rows(), 300, queries_of(q));
    const Found before = search(*index, paged, q, 20);
    const auto copy = index->clone(), other = index->clone();
    CHECK((search(*copy, paged, q, 20) == before));
    copy->extend(paged.rows(), 400);
    other->extend(paged.rows(), 400);
    CHECK((search(*index, paged, q, 20) == before));
    CHECK((search(*copy, paged, q, 20) == search(*other, paged, q, 20)));
    CHECK(recall(search(*copy, paged, q, 20), exact(keys, q, 20)) > 0.9);
  }
}

// Keys and queries of some layers of a prompt, as a method sees them.
class Recorder final : public exec::MethodRuntime {
 public:
  explicit Recorder(std::vector<std::int64_t> layers) : layers_(std::move(layers)) {}
  at::Tensor attend_prefill(exec::LayerStep& step) override {
    if (std::ranges::find(layers_, step.layer) != layers_.end()) {
      queries.push_back(step.q.clone());
      keys.push_back(step.k.clone());
    }
    return MethodRuntime::attend_prefill(step);
  }
  std::vector<at::Tensor> queries, keys;  // of each layer [tokens, heads, dim]

 private:
  std::vector<std::int64_t> layers_;
};

// Recall of the 100 best keys and the share of keys looked at, for the last queries of a text of
// which the keys and the other queries made the index.
struct Quality {
  double recall = 0, looked_at = 0;
};

Quality quality(const Recorder& recorded, const RetrievalOptions& options, bool random_queries) {
  constexpr std::int64_t kLast = 64, kStride = 8;
  Quality sum;
  std::int64_t cases = 0;
  for (std::size_t l = 0; l < recorded.keys.size(); ++l) {
    const std::int64_t n = recorded.keys[l].size(0) - kLast, heads = recorded.queries[l].size(1);
    const std::int64_t kv_heads = recorded.keys[l].size(1), group = heads / kv_heads;
    for (std::int64_t h = 0; h < kv_heads; ++h) {
      const at::Tensor keys = recorded.keys[l].select(1, h).narrow(0, 0, n).contiguous();
      const auto of_head = [&](std::int64_t from, std::int64_t count, std::int64_t stride) {
        return recorded.queries[l]
            .narrow(0, from, count)
            .slice(0, 0, count, stride)
            .narrow(1, h * group, group)
            .reshape({-1, keys.size(1)})
            .contiguous();
      };
      const at::Tensor sampled = of_head(0, n, kStride);
      at::Tensor asked = of_head(n, kLast, 4);
      if (random_queries) {
        asked = normal("random", asked.size(0), asked.size(1)) * asked.norm() /
                std::sqrt(static_cast<double>(asked.numel()));
      }
      const PagedKeys paged(keys, 0);
      const auto index = make_index(options);
      index->build(paged.rows(), n, queries_of(sampled));
      std::int64_t looked_at = 0;
      const Found found = search(*index, paged, asked, options.top_k, &looked_at);
      sum.recall += recall(found, exact(keys, asked, options.top_k));
      sum.looked_at += static_cast<double>(looked_at) / static_cast<double>(n * asked.size(0));
      ++cases;
    }
  }
  return {sum.recall / static_cast<double>(cases), sum.looked_at / static_cast<double>(cases)};
}

TEST_CASE("a graph made from queries finds more of a model's keys than one made from keys",
          "[methods][retrieval_attention][slow]") {
  const auto path = exec::default_model_path();
  if (!path) {
    std::cout << "SKIPPED: " << path.error().message << std::endl;
    return;
  }
  auto loaded = exec::load_model(*path, {});
  REQUIRE(loaded.has_value());
  std::ifstream file(SCSIM_SOURCE_DIR "/LICENSE");
  std::stringstream text;
  text << file.rdbuf();
  std::vector<std::int32_t> tokens =
      loaded->tokenizer.encode(text.str(), exec::SpecialTokens::kAsText);
  tokens.resize(std::min<std::size_t>(tokens.size(), 2048));
  Recorder recorder({5, 12, 20, 27});
  test::Measured measured;
  exec::KvCache cache = loaded->model->make_cache();
  REQUIRE(loaded->model->prefill(tokens, cache, recorder, measured.measure).has_value());

  fmt::print("recall of 100 of {} keys, and share of keys looked at\n", tokens.size() - 64);
  std::vector<Quality> graph, hnsw;
  for (const std::int64_t beam : {100, 150, 200, 300}) {
    for (const IndexKind kind : {IndexKind::kGraph, IndexKind::kHnsw}) {
      const RetrievalOptions options{.index = kind, .top_k = 100, .beam = beam};
      const Quality real = quality(recorder, options, false),
                    random = quality(recorder, options, true);
      fmt::print(
          "{:5} beam {:3}: the text's queries {:.3f} at {:.3f}, random ones {:.3f} at {:.3f}\n",
          kind == IndexKind::kGraph ? "graph" : "hnsw", beam, real.recall, real.looked_at,
          random.recall, random.looked_at);
      (kind == IndexKind::kGraph ? graph : hnsw).push_back(real);
    }
  }
  // The graph's cheapest search finds more than hnswlib's dearer ones.
  CHECK(hnsw.back().looked_at > 1.2 * graph.front().looked_at);
  for (const Quality& each : hnsw) CHECK(graph.front().recall > each.recall);
}

}  // namespace
}  // namespace scsim::methods
