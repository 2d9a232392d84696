#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "methods/quest/quest.h"
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

constexpr std::int64_t kGroup = kHeads / kKvHeads;

// The paper's bound of a page of keys for a query: channel by channel the larger of the products
// with the page's minimum and maximum, added up. With `sign`, SCBench's for several queries: keys
// and query multiplied by the signs' sums, and the largest of such keys taken channel by channel.
double bound(const LayerTokens& tokens, std::int64_t query, std::int64_t head, std::int64_t first,
             std::int64_t end, const at::Tensor& sign = {}) {
  double sum = 0;
  for (std::int64_t d = 0; d < kDim; ++d) {
    const double q = tokens.q[query][head][d].item<double>();
    double largest = -INFINITY;
    for (std::int64_t i = first; i < end; ++i) {
      const double k = tokens.k[i][head / kGroup][d].item<double>();
      if (!sign.defined()) {
        largest = std::max(largest, q * k);  // the larger of both products is some key's own
      } else {
        largest = std::max(largest, k * sign[head][d].item<double>());
      }
    }
    sum += sign.defined() ? q * sign[head][d].item<double>() * largest : largest;
  }
  return sum;
}

struct Rule {
  std::int64_t page = 4, pages = 3;
  bool newest = true, grouped = false;
};

// Which tokens the rule reads of `held` ones for a query that sees those up to itself.
std::set<std::int64_t> chosen(const LayerTokens& tokens, const Rule& rule, std::int64_t query,
                              std::int64_t head, std::int64_t held, const at::Tensor& sign = {}) {
  std::vector<std::pair<double, std::int64_t>> ranked;
  for (std::int64_t p = 0; p * rule.page < held; ++p) {
    const std::int64_t end = std::min((p + 1) * rule.page, held);
    double best = -INFINITY;
    for (std::int64_t h = 0; h < kHeads; ++h) {
      if (rule.grouped ? h / kGroup == head / kGroup : h == head) {
        best = std::max(best, bound(tokens, query, h, p * rule.page, end, sign));
      }
    }
    if (rule.newest && end == held) best = INFINITY;
    ranked.emplace_back(-best, p);
  }
  std::ranges::sort(ranked);
  std::set<std::int64_t> set;
  for (std::int64_t i = 0; i < std::min(rule.pages, std::ssize(ranked)); ++i) {
    const std::int64_t p = ranked[static_cast<std::size_t>(i)].second;
    for (std::int64_t t = p * rule.page; t < std::min((p + 1) * rule.page, query + 1); ++t) {
      set.insert(t);
    }
  }
  if (set.empty()) {  // all chosen pages are behind the query
    for (std::int64_t t = query / rule.page * rule.page; t <= query; ++t) set.insert(t);
  }
  return set;
}

void check(const LayerTokens& tokens, const Rule& rule, std::int64_t query, const at::Tensor& out,
           std::int64_t held, const at::Tensor& sign = {}) {
  for (std::int64_t h = 0; h < kHeads; ++h) {
    INFO("token " << query << ", head " << h);
    CHECK(apart(out[h], attention_over(tokens, query, h,
                                       chosen(tokens, rule, query, h, held, sign))) < 1e-5);
  }
}

struct Setting {
  std::string text;
  Rule rule;
};
const std::vector<Setting> kSettings = {
    {"quest:dense_layers=0,page=4,budget=12", {.page = 4, .pages = 3}},
    {"quest:dense_layers=0,page=5,budget=25,heads=kv", {.page = 5, .pages = 5, .grouped = true}},
    {"quest:dense_layers=0,page=8,budget=8,least_pages=2,newest=if_chosen",
     {.page = 8, .pages = 2, .newest = false}},
    {"quest:dense_layers=0,page=16,budget=32,newest=if_chosen,heads=kv,least_pages=1",
     {.page = 16, .pages = 2, .newest = false, .grouped = true}},
};

TEST_CASE("a decode step attends the pages with the largest bounds", "[methods][quest]") {
  const LayerTokens tokens(90, "decode");
  for (const Setting& setting : kSettings) {
    INFO(setting.text);
    OneLayer layer(setting.text, tokens);
    const at::Tensor out = layer.prefill(50, true);
    check(tokens, {.page = 1, .pages = 1000}, 49, out[49], 50);  // dense
    while (layer.done() < 90) {
      const at::Tensor step = layer.decode();
      check(tokens, setting.rule, layer.done() - 1, step[0], layer.done());
    }
  }
}

TEST_CASE("a later prompt is read token by token", "[methods][quest]") {
  const LayerTokens tokens(80, "each");
  for (const Setting& setting : kSettings) {
    OneLayer at_once(setting.text, tokens), one_by_one(setting.text, tokens);
    (void)at_once.prefill(50, true);
    (void)one_by_one.prefill(50, true);
    const at::Tensor out = at_once.prefill(30, false);
    for (std::int64_t i = 0; i < 30; ++i) CHECK(at::equal(out[i], one_by_one.decode()[0]));
  }
}

TEST_CASE("a prompt in chunks has the bounds of the whole", "[methods][quest]") {
  const LayerTokens tokens(330, "chunks");
  for (const Setting& setting : kSettings) {
    OneLayer whole(setting.text, tokens), chunks(setting.text, tokens);
    (void)whole.prefill(290, true);
    while (chunks.done() < 288) (void)chunks.prefill(48, true, false);
    (void)chunks.prefill(2, true);
    while (whole.done() < 330) CHECK(at::equal(whole.decode(), chunks.decode()));
  }
}

TEST_CASE("a later prompt shares the sum of its signs, as released", "[methods][quest]") {
  const LayerTokens tokens(71, "shared sign");
  for (const Setting& setting : kSettings) {
    INFO(setting.text);
    OneLayer layer(setting.text + ",follow_up=shared_sign", tokens);
    (void)layer.prefill(50, true);
    const at::Tensor out = layer.prefill(21, false);  // an odd number, so no sum is zero
    const at::Tensor q = tokens.q.narrow(0, 50, 21);
    const at::Tensor sign = ((q > 0).to(at::kFloat) * 2 - 1).sum(0);
    Rule rule = setting.rule;
    if (rule.newest) continue;  // SCBench has no such rule; it is checked for decode steps
    for (std::int64_t i = 0; i < 21; ++i) check(tokens, rule, 50 + i, out[i], 71, sign);
  }
}

TEST_CASE("preset released is what SCBench's code computes", "[methods][quest]") {
  std::ifstream file(SCSIM_SOURCE_DIR "/tests/data/quest/quest.json");
  const nlohmann::json data = nlohmann::json::parse(file);
  const auto tensor = [&](const char* name, std::int64_t heads) {
    return at::tensor(data.at(name).get<std::vector<float>>()).reshape({-1, heads, kDim});
  };
  LayerTokens tokens(60, "replaced");
  tokens.q = at::cat({at::zeros({53, kHeads, kDim}), tensor("q", kHeads)});
  tokens.k = tensor("k", kKvHeads), tokens.v = tensor("v", kKvHeads);
  const std::string method = "quest:preset=released,page=4,budget=16";
  OneLayer step(method, tokens), chunk(method, tokens);
  (void)step.prefill(59, true);
  CHECK(apart(step.decode(), tensor("step", kHeads)) < 2e-5);
  (void)chunk.prefill(53, true);
  CHECK(apart(chunk.prefill(7, false), tensor("chunk", kHeads)) < 2e-5);
}

TEST_CASE("a budget of the whole context has the bits of full attention", "[methods][quest]") {
  const LayerTokens tokens(70, "lossless");
  for (const std::string method :
       {"quest:dense_layers=0,budget=70", "quest:dense_layers=0,budget=71,heads=kv,page=5"}) {
    OneLayer quest(method, tokens), full("full", tokens);
    (void)quest.prefill(30, true);
    (void)full.prefill(30, true);
    while (quest.done() < 70) CHECK(at::equal(quest.decode(), full.decode()));
  }
}

TEST_CASE("a prefix of a cache goes on with the bounds it would have", "[methods][quest]") {
  const LayerTokens tokens(70, "prefix"), others(70, "others");
  const std::string method = "quest:dense_layers=0,page=4,budget=12";
  for (const std::int64_t prefix : {1, 16, 23, 40}) {
    INFO("a prefix of " << prefix);
    OneLayer plain(method, tokens), longer(method, tokens);
    (void)plain.prefill(prefix, true);
    (void)longer.prefill(40, true);
    OneLayer again(method, tokens, longer.cache.fork_prefix(prefix));
    OneLayer aside(method, others, longer.cache.fork());
    for (int i = 0; i < 20; ++i) (void)aside.decode();  // writes into bounds of its own
    for (int i = 0; i < 20; ++i) CHECK(at::equal(plain.decode(), again.decode()));
    while (longer.done() < 60) {
      const at::Tensor out = longer.decode();
      check(tokens, {.page = 4, .pages = 3}, longer.done() - 1, out[0], longer.done());
    }
  }
}

TEST_CASE("the cache, a step's reads and its pairs are what Quest's contract says",
          "[methods][quest]") {
  const LayerTokens tokens(600, "contract");
  const AttentionLayer shape{.layer = 0,
                             .num_layers = 1,
                             .query_heads = kHeads,
                             .kv_heads = kKvHeads,
                             .head_dim = kDim,
                             .element_bytes = 4};
  for (const std::string text : {"quest:dense_layers=0,page=4,budget=40",
                                 "quest:dense_layers=0,page=16,budget=64,heads=kv"}) {
    INFO(text);
    const auto contract = make_contract(*parse_method(text));
    OneLayer layer(text, tokens);
    (void)layer.prefill(504, true);
    for (int i = 0; i < 40; ++i) {
      const exec::StageCounts before = layer.measured.of(Stage::kLoading);
      (void)layer.decode();
      const exec::StageCounts& after = layer.measured.of(Stage::kLoading);
      const Tokens held{layer.done()};
      CHECK(Bytes{static_cast<double>(after.bytes_read - before.bytes_read)} ==
            contract->decode_reads(shape, held).hbm);
      CHECK(static_cast<double>(after.attended_pairs - before.attended_pairs) ==
            contract->prefill_pairs(shape, Tokens{1}, Tokens{held.value() - 1}).least);
      if (held.value() % 8 != 0) continue;  // full pages
      CHECK(Bytes{static_cast<double>(layer.cache.bytes().total())} ==
            contract->kept_bytes(shape, held));
      CHECK(Bytes{static_cast<double>(layer.cache.bytes().method)} ==
            contract->metadata_bytes(shape, held));
    }
  }
}

}  // namespace
}  // namespace scsim::methods
