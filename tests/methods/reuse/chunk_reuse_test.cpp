// CacheBlend and EPIC on documents that come in any order, from other sessions.
#include <algorithm>

#include "methods/cacheblend/share.h"
#include "tests/exec/api/measured.h"
#include "tests/methods/reuse/blended_oracle.h"
#include "tests/methods/reuse/sessions.h"

namespace scsim::test {
namespace {

using exec::KvCache;
using exec::TokenRange;

constexpr double kSame = 1e-4;

struct Worded {
  Ids tokens;
  std::vector<TokenRange> documents;
};

Worded worded(const Ids& system, const std::vector<Ids>& documents, const Ids& question) {
  Worded prompt{.tokens = system, .documents = {}};
  for (const Ids& document : documents) {
    const std::int64_t begin = std::ssize(prompt.tokens);
    prompt.tokens = joined(prompt.tokens, document);
    prompt.documents.push_back({.begin = begin, .end = std::ssize(prompt.tokens)});
  }
  prompt.tokens = joined(prompt.tokens, question);
  return prompt;
}

struct Prefilled {
  at::Tensor logits;
  KvCache cache;
  std::int64_t alone_tokens = 0;  // prefilled by themselves for it
  std::vector<exec::LayerSelection> selections = {};
  double pairs = 0;
};

Prefilled prefill(exec::LoadedModel& model, exec::MethodRuntime& method, const Worded& prompt) {
  Measured aside, measured;
  Prefilled done{.logits = {}, .cache = model.model->make_cache()};
  REQUIRE(method
              .recall(done.cache, {prompt.tokens, prompt.documents},
                      model.model->prefill_alone(aside.measure), aside.measure)
              .has_value());
  done.alone_tokens = aside.of(Stage::kGeneration).tokens;
  measured.measure.selections = &done.selections;
  const auto logits = model.model->prefill(
      std::span(prompt.tokens).subspan(static_cast<std::size_t>(done.cache.tokens_seen())),
      done.cache, method, measured.measure);
  REQUIRE(logits.has_value());
  done.logits = *logits;
  for (const exec::StageCounts& stage : measured.counts) {
    done.pairs += static_cast<double>(stage.attended_pairs);
  }
  return done;
}

KvCache alone(exec::LoadedModel& model, const Ids& tokens) {
  Measured measured;
  exec::MethodRuntime full;
  KvCache cache = model.model->make_cache();
  REQUIRE(model.model->prefill(tokens, cache, full, measured.measure).has_value());
  return cache;
}

exec::LoadedModel four_layers() {
  return load_tiny_model({.layers = 4, .query_heads = 6, .kv_heads = 2, .seed = 5});
}

TEST_CASE("reuse of chunks computes what its rule says, written out over all rows",
          "[methods][cacheblend][epic]") {
  struct Setting {
    std::string method;
    std::int64_t lead = 1;
    BlendedOracle::Rule rule = {};
  };
  const auto shares = [](methods::RecomputeShare share) {
    return [share](std::int64_t layer) { return share.into(layer, 4); };
  };
  const std::vector<Setting> settings = {
      {"cacheblend:ratio=0.2", 1, {.share_into = shares({.ratio = 0.2})}},
      {"cacheblend:ratio=0.37,check=2,lead=0",
       0,
       {.share_into = shares({.ratio = 0.37, .check = 2})}},
      {"cacheblend:ratio=0.3,compare=keys_and_values,lead=7",
       7,
       {.share_into = shares({.ratio = 0.3}), .with_keys = true}},
      {"cacheblend:ratio=0.4,spread=0.7", 1, {.share_into = shares({.ratio = 0.4, .spread = 0.7})}},
      {"cacheblend:ratio=0.25,mask=bottom_right",
       1,
       {.share_into = shares({.ratio = 0.25}), .causal = false}},
      {"epic:first=5", 0, {.first = 5}},
      {"epic:first=0,lead=2", 2, {.first = 0}},
      {"epic:first=8,mask=bottom_right", 0, {.first = 8, .causal = false}}};
  exec::LoadedModel model = four_layers();
  const Ids system = random_ids(9, "system"), question = random_ids(12, "question");
  const std::vector<Ids> documents = {random_ids(50, "a"), random_ids(33, "b"),
                                      random_ids(64, "c")};
  const Worded prompt = worded(system, documents, question);
  for (const Setting& setting : settings) {
    INFO(setting.method);
    std::vector<KvCache> caches;
    std::vector<BlendedOracle::Document> own;
    const Ids lead(system.begin(), system.begin() + setting.lead);
    for (const Ids& document : documents) caches.push_back(alone(model, joined(lead, document)));
    for (std::size_t i = 0; i < documents.size(); ++i) {
      own.push_back({prompt.documents[i], &caches[i], setting.lead});
    }
    BlendedOracle oracle(own, setting.rule);
    const Prefilled expected = prefill(model, oracle, {.tokens = prompt.tokens, .documents = {}});
    const auto method = runtime(setting.method);
    const Prefilled found = prefill(model, *method, prompt);
    CHECK(apart(found.logits, expected.logits) < kSame);
    CHECK(found.cache.method_state() == nullptr);
    for (std::int64_t layer = 0; layer < 4; ++layer) {
      INFO("layer " << layer);
      const std::vector<std::int64_t>& rows = oracle.computed[static_cast<std::size_t>(layer)];
      const auto chosen = std::ranges::find(found.selections, layer, &exec::LayerSelection::layer);
      CHECK((chosen == found.selections.end()) == (rows.size() == prompt.tokens.size()));
      if (chosen != found.selections.end()) {
        CHECK(std::ranges::equal(chosen->heads.front(), rows));
      }
      for (std::int64_t h = 0; h < 2; ++h) {
        const auto [k, v] = found.cache.rows(layer, h);
        const auto [expected_k, expected_v] = expected.cache.rows(layer, h);
        CHECK(apart(k, expected_k) < kSame);
        CHECK(apart(v, expected_v) < kSame);
      }
    }
  }
}

TEST_CASE("documents in another order, of another session, are not computed again",
          "[methods][cacheblend][epic]") {
  const std::string name = GENERATE(as<std::string>{}, "cacheblend:ratio=0.2", "epic:first=4");
  exec::LoadedModel model = four_layers();
  const auto method = runtime(name);
  const Ids system = random_ids(9, "system"), question = random_ids(12, "question");
  const Ids a = random_ids(50, "a"), b = random_ids(33, "b");
  const Prefilled first = prefill(model, *method, worded(system, {a, b}, question));
  const std::int64_t lead = name.starts_with("epic") ? 0 : 1;
  CHECK(first.alone_tokens == 50 + 33 + 2 * lead);
  const std::int64_t remembered = method->remembered_bytes();
  CHECK(remembered > 0);
  const Worded swapped = worded(system, {b, a}, question);
  const Prefilled second = prefill(model, *method, swapped);
  CHECK(second.alone_tokens == 0);
  CHECK(method->remembered_bytes() == remembered);
  // What came before does not tell.
  const auto fresh = runtime(name);
  CHECK(at::equal(second.logits, prefill(model, *fresh, swapped).logits));
  // In the first layer keys and values depend on the token and its position only.
  const KvCache full = alone(model, swapped.tokens);
  for (std::int64_t h = 0; h < 2; ++h) {
    const auto [k, v] = second.cache.rows(0, h);
    const auto [expected_k, expected_v] = full.rows(0, h);
    CHECK(apart(k, expected_k) < 1e-5);
    CHECK(apart(v, expected_v) < 1e-5);
  }
  // In the last one they do not, and are not.
  CHECK(apart(second.cache.rows(3, 0).second, full.rows(3, 0).second) > 1e-3);
}

TEST_CASE("the more rows are computed, the nearer is full attention",
          "[methods][cacheblend][epic]") {
  exec::LoadedModel model = four_layers();
  const auto mean_distance = [&](const std::string& name) {
    const auto method = runtime(name);
    exec::MethodRuntime full;
    double sum = 0;
    for (int n = 0; n < 12; ++n) {
      const std::string number = std::to_string(n);
      const Worded prompt = worded(random_ids(5, "system" + number),
                                   {random_ids(40, "a" + number), random_ids(40, "b" + number)},
                                   random_ids(7, "question" + number));
      sum += (prefill(model, *method, prompt).logits -
              prefill(model, full, {prompt.tokens, {}}).logits)
                 .square()
                 .mean()
                 .sqrt()
                 .item<double>();
    }
    return sum / 12;
  };
  for (const std::string parameter :
       {"cacheblend:compare=keys_and_values,ratio=", "cacheblend:ratio=", "epic:first="}) {
    const bool epic = parameter.starts_with("epic");
    const std::vector<std::string> values = epic ? std::vector<std::string>{"0", "10", "25", "40"}
                                                 : std::vector<std::string>{"0", "0.3", "0.7", "1"};
    std::vector<double> distances;
    for (const std::string& value : values) distances.push_back(mean_distance(parameter + value));
    INFO(parameter << " " << distances[0] << " " << distances[1] << " " << distances[2] << " "
                   << distances[3]);
    CHECK(std::ranges::is_sorted(distances, std::greater()));
    CHECK(distances.front() > 10 * distances.back());
    CHECK(distances.back() < 1e-5);
  }
}

TEST_CASE("a document that a prompt begins with is a prefix, and one at its end is cut",
          "[methods][cacheblend][epic]") {
  const std::string name = GENERATE(as<std::string>{}, "cacheblend:ratio=0", "epic:first=0");
  exec::LoadedModel model = four_layers();
  const auto method = runtime(name), full = runtime("full");
  const Ids a = random_ids(50, "a"), b = random_ids(33, "b");
  const auto session = [](const Worded& prompt) {
    exec::TokenSession one = prompts({prompt.tokens});
    one.turns[0].documents = prompt.documents;
    return one;
  };
  const Worded prompt = worded({}, {a}, b);
  const exec::SessionRecord record = run(model, *method, session(prompt));
  CHECK(record.turns[0].cached_tokens == 50);
  CHECK(apart(record.turns[0].target_logits,
              run(model, *full, prompts({prompt.tokens})).turns[0].target_logits) < kSame);
  // Nothing but documents: the last token is computed, the document stays one that others can use.
  const exec::SessionRecord whole = run(model, *method, session(worded({}, {a, b}, {})));
  CHECK(whole.turns[0].cached_tokens == 50);
  CHECK(whole.turns[0].fresh_tokens == 33);
  const Prefilled again = prefill(model, *method, worded({}, {b, a}, {}));
  CHECK(again.alone_tokens == 0);
}

TEST_CASE("requests about shared documents fork what was blended once",
          "[methods][cacheblend][epic]") {
  const std::string name =
      GENERATE(as<std::string>{}, "cacheblend:ratio=1", "epic:first=1000", "cacheblend", "epic");
  exec::LoadedModel model = four_layers();
  const Worded context =
      worded(random_ids(6, "system"), {random_ids(50, "a"), random_ids(60, "b")}, {});
  exec::TokenSession session = prompts({random_ids(5, "one"), random_ids(9, "two")});
  session.mode = SessionMode::kMultiRequest;
  session.whole_prompts = false;
  session.context = context.tokens;
  session.documents = context.documents;
  const auto method = runtime(name), full = runtime("full");
  const exec::SessionRecord record = run(model, *method, session);
  const exec::SessionRecord expected = run(model, *full, session);
  for (std::size_t t = 0; t < 2; ++t) {
    CHECK(record.turns[t].cached_tokens == std::ssize(context.tokens));
    const double distance = apart(record.turns[t].target_logits, expected.turns[t].target_logits);
    CHECK((distance < kSame) == (name.find("=1") != std::string::npos));
  }
  CHECK(model.model->memory().live_bytes() == method->remembered_bytes());
}

TEST_CASE("documents are cut into chunks that are found in other documents",
          "[methods][cacheblend]") {
  exec::LoadedModel model = four_layers();
  const auto method = runtime("cacheblend:chunk=20,lead=0");
  const Ids system = random_ids(9, "system"), a = random_ids(50, "a");
  Ids b = a;
  b[45] ^= 1;
  CHECK(prefill(model, *method, worded(system, {a}, {1})).alone_tokens == 50);
  CHECK(prefill(model, *method, worded(system, {b}, {1})).alone_tokens == 10);
  CHECK(prefill(model, *method, worded({5}, {b, a}, {2, 3})).alone_tokens == 0);
}

}  // namespace
}  // namespace scsim::test
