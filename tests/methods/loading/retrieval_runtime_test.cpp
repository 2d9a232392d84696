#include <ATen/Parallel.h>

#include <algorithm>

#include "methods/retrieval_attention/options.h"
#include "tests/methods/loading/one_layer.h"

namespace scsim::methods {
namespace {

using test::apart;
using test::attention_over;
using test::kDim;
using test::kHeads;
using test::kKvHeads;
using test::LayerTokens;
using test::OneLayer;

const std::string kSmall = "retrieval_attention:sinks=8,recent=20,block=8,";
const std::vector<std::string> kIndexes = {"index=flat", "index=graph,degree=8",
                                           "index=hnsw,degree=8"};

// The window, and of what is on the host the k keys with the largest products.
std::set<std::int64_t> attended(const LayerTokens& tokens, std::int64_t query, std::int64_t head,
                                std::int64_t k) {
  const TokenRange away = RetrievalOptions{.sinks = 8, .recent = 20, .block = 8}.on_host(query + 1);
  std::vector<std::pair<double, std::int64_t>> ranked;
  std::set<std::int64_t> set;
  for (std::int64_t i = 0; i <= query; ++i) {
    if (i < away.begin || i >= away.end) {
      set.insert(i);
      continue;
    }
    const at::Tensor key = tokens.k[i][head / (kHeads / kKvHeads)].to(at::kDouble);
    ranked.emplace_back(-at::dot(key, tokens.q[query][head].to(at::kDouble)).item<double>(), i);
  }
  std::ranges::sort(ranked);
  for (std::int64_t i = 0; i < std::min(k, std::ssize(ranked)); ++i) {
    set.insert(ranked[static_cast<std::size_t>(i)].second);
  }
  return set;
}

TEST_CASE("a step attends its window and the largest products among the rest",
          "[methods][retrieval_attention]") {
  const LayerTokens tokens(140, "retrieved");
  for (const std::int64_t page_tokens : {8, 4, 2}) {
    OneLayer layer(kSmall + "index=flat,top_k=7", tokens, page_tokens);
    (void)layer.prefill(60, true);
    while (layer.done() < 120) {
      const at::Tensor out = layer.decode();
      for (std::int64_t h = 0; h < kHeads; ++h) {
        CHECK(apart(out[0][h], attention_over(tokens, layer.done() - 1, h,
                                              attended(tokens, layer.done() - 1, h, 7))) < 1e-5);
      }
    }
    const at::Tensor later = layer.prefill(20, false);  // token by token
    for (std::int64_t i = 0; i < 20; ++i) {
      CHECK(apart(later[i][1],
                  attention_over(tokens, 120 + i, 1, attended(tokens, 120 + i, 1, 7))) < 1e-5);
    }
  }
}

TEST_CASE("retrieving everything is full attention", "[methods][retrieval_attention]") {
  const LayerTokens tokens(160, "everything");
  for (const std::string& index : kIndexes) {
    if (index.starts_with("index=hnsw")) continue;  // it need not reach every key
    INFO(index);
    OneLayer layer(kSmall + index + ",top_k=1000", tokens), full("full", tokens);
    CHECK(at::equal(layer.prefill(100, true), full.prefill(100, true)));
    CHECK(apart(layer.prefill(30, false), full.prefill(30, false)) < 1e-5);
    while (layer.done() < 160) CHECK(apart(layer.decode(), full.decode()) < 1e-5);
  }
}

TEST_CASE("a short context stays on the device and is full attention, to the bit",
          "[methods][retrieval_attention]") {
  const LayerTokens tokens(35, "short");
  OneLayer layer(kSmall + "top_k=1", tokens), full("full", tokens);
  (void)layer.prefill(1, true);
  (void)full.prefill(1, true);
  while (layer.done() < 35) CHECK(at::equal(layer.decode(), full.decode()));
  CHECK(layer.cache.bytes().host == 0);
}

TEST_CASE("the cache, a step's reads and its pairs are what RetrievalAttention's contract says",
          "[methods][retrieval_attention]") {
  const LayerTokens tokens(360, "contract");
  const AttentionLayer shape{.layer = 0,
                             .num_layers = 1,
                             .query_heads = kHeads,
                             .kv_heads = kKvHeads,
                             .head_dim = kDim,
                             .element_bytes = 4};
  for (const std::string& index : kIndexes) {
    INFO(index);
    const std::string text = kSmall + index + ",top_k=9";
    const auto contract = make_contract(*parse_method(text));
    OneLayer layer(text, tokens);
    (void)layer.prefill(280, true);
    while (layer.done() < 360) {
      const exec::StageCounts before = layer.measured.of(Stage::kLoading);
      (void)layer.decode();
      const exec::StageCounts& after = layer.measured.of(Stage::kLoading);
      const Tokens held{layer.done()};
      const DecodeReads reads = contract->decode_reads(shape, held);
      CHECK(Bytes{static_cast<double>(after.bytes_moved - before.bytes_moved)} == reads.host);
      CHECK(Bytes{static_cast<double>(after.bytes_read - before.bytes_read)} ==
            reads.hbm + reads.host);
      const PairBounds pairs = contract->prefill_pairs(shape, Tokens{1}, Tokens{held.value() - 1});
      CHECK(static_cast<double>(after.attended_pairs - before.attended_pairs) == pairs.most);
      const exec::KvBytes bytes = layer.cache.bytes();
      CHECK(Bytes{static_cast<double>(bytes.method)} == contract->metadata_bytes(shape, held));
      if (held.value() % 8 != 0) continue;  // full pages
      CHECK(Bytes{static_cast<double>(bytes.total())} == contract->kept_bytes(shape, held));
      CHECK(Bytes{static_cast<double>(bytes.device)} == reads.resident);
    }
  }
}

TEST_CASE("a prompt in chunks makes the graph of the whole", "[methods][retrieval_attention]") {
  const LayerTokens tokens(300, "chunks");
  const std::string method = kSmall + "index=graph,degree=8,top_k=5,beam=6,queries=30";
  OneLayer whole(method, tokens), chunks(method, tokens);
  (void)whole.prefill(250, true);
  (void)chunks.prefill(70, true, false);
  CHECK(chunks.cache.bytes().method > 0);  // the sampled queries
  (void)chunks.prefill(101, true, false);
  (void)chunks.prefill(79, true);
  CHECK(chunks.cache.bytes().method == whole.cache.bytes().method);
  while (whole.done() < 300) CHECK(at::equal(whole.decode(), chunks.decode()));
}

TEST_CASE("forks of an indexed cache go their own ways", "[methods][retrieval_attention]") {
  const LayerTokens tokens(200, "forks");
  for (const std::string& index : kIndexes) {
    INFO(index);
    const std::string method = kSmall + index + ",top_k=5,beam=6";
    OneLayer alone(method, tokens), origin(method, tokens);
    (void)alone.prefill(100, true);
    (void)origin.prefill(100, true);
    const std::int64_t bytes = origin.cache.bytes().total();
    std::vector<at::Tensor> expected;
    while (alone.done() < 200) expected.push_back(alone.decode());
    OneLayer first(method, tokens, origin.cache.fork()),
        second(method, tokens, origin.cache.fork());
    for (const at::Tensor& out : expected) {  // far enough that both add to the index
      CHECK(at::equal(first.decode(), out));
      CHECK(at::equal(second.decode(), out));
    }
    CHECK(origin.cache.bytes().total() == bytes);
    OneLayer third(method, tokens, origin.cache.fork());
    CHECK(at::equal(third.decode(), expected[0]));
  }
}

TEST_CASE("a host tier that is full is told so", "[methods][retrieval_attention]") {
  const LayerTokens tokens(100, "full host");
  const auto memory = std::make_shared<exec::KvMemory>(
      exec::KvMemoryOptions{.head_dim = kDim, .page_tokens = 8, .max_host_pages = 9});
  OneLayer layer(kSmall + "index=flat", tokens,
                 exec::KvCache(memory, {.layers = 1, .kv_heads = kKvHeads, .kinds = {}}));
  (void)layer.prefill(60, true);  // 4 pages of each head are away
  CHECK(memory->pool(exec::KvMemory::kHost).pages_in_use() == 8);
  while (layer.done() < 67) CHECK(layer.decode().defined());
  CHECK(!layer.decode().defined());
}

}  // namespace
}  // namespace scsim::methods
