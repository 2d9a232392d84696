// kvpress as a third opinion, on the queries and keys of tests/data/kvpress (make_kvpress.py).
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/methods/dropping/layers.h"

namespace scsim::test {
namespace {

struct Kvpress {
  Kvpress() {
    std::ifstream file(SCSIM_SOURCE_DIR "/tests/data/kvpress/kvpress.json");
    json = nlohmann::json::parse(file);
    shape = {.layers = json.at("layers"),
             .kv_heads = json.at("kv_heads"),
             .group = static_cast<std::int64_t>(json.at("query_heads")) /
                      static_cast<std::int64_t>(json.at("kv_heads")),
             .head_dim = json.at("head_dim"),
             .page_tokens = 8};
  }
  at::Tensor rows(const char* name, std::int64_t heads) const {
    const auto numbers = json.at(name).get<std::vector<float>>();
    return at::tensor(numbers).view({json.at("tokens"), heads, shape.head_dim});
  }
  // What each head keeps of the prompt in `layer`.
  std::vector<std::vector<std::int32_t>> kept(const std::string& method, std::int64_t layer) const {
    INFO(method);
    Layers layers(method, shape, 0);
    layers.prompt_of(rows("q", shape.kv_heads * shape.group), rows("k", shape.kv_heads));
    std::vector<std::vector<std::int32_t>> all;
    for (std::int64_t h = 0; h < layers.cache.heads(layer); ++h) {
      all.push_back(layers.held(layer, h));
    }
    return all;
  }

  nlohmann::json json;
  LayersShape shape;
};

std::string number(const nlohmann::json& of, const char* key) {
  return std::to_string(of.at(key).get<std::int64_t>());
}

}  // namespace

TEST_CASE("what is kept is what kvpress keeps", "[methods][dropping]") {
  const Kvpress kvpress;
  int snapkv = 0, pyramid = 0, streaming = 0, tova = 0, observed = 0;
  for (const nlohmann::json& one : kvpress.json.at("cases")) {
    const std::string press = one.at("press");
    std::string method;
    std::int64_t layer = 0;
    std::int32_t also = -1;  // a token that kvpress keeps beside ours
    if (press == "snapkv") {
      method = "snapkv:preset=kvpress,budget=" + number(one, "budget") +
               ",window=" + number(one, "window") + ",kernel=" + number(one, "kernel");
      ++snapkv;
    } else if (press == "pyramid_kv") {
      method = "pyramid_kv:preset=kvpress,budget=" + number(one, "budget") +
               ",window=" + number(one, "window") + ",kernel=" + number(one, "kernel") +
               ",beta=" + number(one, "beta");
      layer = one.at("layer");
      ++pyramid;
    } else if (press == "streaming_llm") {
      const std::int64_t sinks = one.at("sinks"), budget = one.at("budget");
      method = "streaming_llm:sinks=" + std::to_string(sinks) +
               ",window=" + std::to_string(budget - sinks) + ",evict=once";
      ++streaming;
    } else if (press == "tova") {
      method = "tova:budget=" + number(one, "budget");
      // kvpress keeps the last token whatever its weight: one place less for the others where it
      // would not have stayed.
      const std::int32_t last = static_cast<std::int32_t>(kvpress.json.at("tokens")) - 1;
      if (kvpress.kept(method, 0).front().back() != last) {
        method = "tova:budget=" + std::to_string(one.at("budget").get<std::int64_t>() - 1);
        also = last;
      }
      ++tova;
    } else if (press == "observed_attention") {
      method = "h2o:preset=kvpress,budget=" + number(one, "budget");
      ++observed;
    } else {
      FAIL("unknown press " << press);
    }
    INFO(one.dump().substr(0, 90));
    const auto expected = one.at("kept").get<std::vector<std::vector<std::int32_t>>>();
    std::vector<std::vector<std::int32_t>> kept = kvpress.kept(method, layer);
    for (std::vector<std::int32_t>& of_head : kept) {
      if (also >= 0) of_head.push_back(also);
    }
    CHECK((kept == expected));
  }
  CHECK(snapkv == 12);
  CHECK(pyramid == 36);
  CHECK(streaming == 6);
  CHECK(tova == 3);
  CHECK(observed == 3);
}

}  // namespace scsim::test
