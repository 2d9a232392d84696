// RetrievalAttention (Liu et al. 2024): the keys between the first and the last tokens go to the
// host, with an index; a decode step attends the window on the device and what the index finds.
#include "methods/contract.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <random>

#include "methods/listed_selection.h"
#include "methods/retrieval_attention/options.h"
#include "methods/token_sums.h"

namespace scsim::methods {
namespace {

class RetrievalContract final : public KvContract {
 public:
  explicit RetrievalContract(const RetrievalOptions& options) : options_(options) {}

  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    if (cached.value() == 0) {
      const double all = causal_pairs(layer, fresh, cached);
      return {.least = all, .most = all};
    }
    // Later prompts come token by token, each as a decode step.
    const std::int64_t from = cached.value(), to = from + fresh.value();
    const std::int64_t near = sum(from, to) - options_.sum_on_host(from, to, to);
    const std::int64_t retrieved = options_.sum_on_host(from, to, options_.top_k);
    const std::int64_t least = near + (complete() ? retrieved : 0), most = near + retrieved;
    const auto heads = static_cast<double>(layer.query_heads);
    return {.least = heads * static_cast<double>(least), .most = heads * static_cast<double>(most)};
  }

  double prefill_pairs_given(const AttentionLayer&, Tokens, Tokens cached,
                             const RecordedSelection& selection) const override {
    std::int64_t pairs = 0;
    for (const std::vector<std::int32_t>& head : selection) {
      each_listed(head, [&](std::int64_t token, std::span<const std::int32_t> retrieved) {
        const std::int64_t held = cached.value() + token + 1;
        pairs += held - options_.on_host(held).size() + std::ssize(retrieved);
      });
    }
    return static_cast<double>(pairs);
  }

  Bytes kept_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    return dense_bytes(layer, tokens) + metadata_bytes(layer, tokens);
  }
  Bytes metadata_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    const std::int64_t keys = options_.on_host(tokens.value()).size();
    return Bytes{static_cast<double>(layer.kv_heads * index_bytes(options_, keys))};
  }

  Compresses compresses() const override { return Compresses::kAtEveryAppend; }

  // Of the host: what is retrieved, and so crosses to the compute. What a search looks at stays
  // there.
  DecodeReads decode_reads(const AttentionLayer& layer, Tokens tokens) const override {
    const std::int64_t away = options_.on_host(tokens.value()).size();
    const Bytes window = dense_bytes(layer, Tokens{tokens.value() - away});
    const double row = 2.0 * static_cast<double>(layer.head_dim) * layer.element_bytes;
    return {.hbm = window,
            .host = Bytes{row *
                          static_cast<double>(layer.query_heads * std::min(away, options_.top_k))},
            .resident = window};
  }

  // A prompt's cache is full attention's, and its index serves any question; what later prompts of
  // a session add was made with what was retrieved.
  ReuseClass reuse(SessionMode mode) const override {
    return mode == SessionMode::kMultiRequest ? ReuseClass::kExact : ReuseClass::kLossy;
  }
  Addressable addressable() const override { return Addressable::kWhole; }  // as its index is

 private:
  // Whether a search always finds as many keys as were asked for.
  bool complete() const { return options_.index != IndexKind::kHnsw; }

  RetrievalOptions options_;
};

}  // namespace

RetrievalOptions retrieval_options(const MethodParameters& parameters) {
  const auto whole = [&](const char* name) {
    return static_cast<std::int64_t>(parameters.at(name));
  };
  return {.index = static_cast<IndexKind>(whole("index")),
          .top_k = whole("top_k"),
          .sinks = whole("sinks"),
          .recent = whole("recent"),
          .block = whole("block"),
          .queries = whole("queries"),
          .degree = whole("degree"),
          .beam = whole("beam")};
}

// hnswlib 0.6.2: each key draws a level from a generator of its own seed (getRandomLevel).
std::int64_t hnsw_levels(std::int64_t degree, std::int64_t keys) {
  std::default_random_engine generator;
  generator.seed(kHnswSeed);
  std::int64_t levels = 0;
  for (std::int64_t i = 0; i < keys; ++i) {
    std::uniform_real_distribution<double> distribution(0.0, 1.0);
    const double drawn = -std::log(distribution(generator)) /
                         std::log(static_cast<double>(std::max<std::int64_t>(2, degree / 2)));
    levels += static_cast<int>(drawn);
  }
  return levels;
}

std::int64_t index_bytes(const RetrievalOptions& options, std::int64_t keys) {
  constexpr std::int64_t kNumber = sizeof(std::int32_t);
  switch (options.index) {
    case IndexKind::kFlat:
      return 0;
    case IndexKind::kGraph:
      return keys *
             ((options.degree / 2 * 2 + 1) * kNumber + static_cast<std::int64_t>(sizeof(float)));
    case IndexKind::kHnsw: {
      // Links and their count, the key's number and its label; its level, where its upper links
      // are, and these; a lock for its links and one for its update.
      const std::int64_t half = std::max<std::int64_t>(2, options.degree / 2);
      const std::int64_t lowest = (2 * half + 1) * kNumber + kNumber + 8;
      const auto lock = static_cast<std::int64_t>(sizeof(std::mutex));
      return keys * (lowest + kNumber + 8 + lock) + std::min<std::int64_t>(keys, 65536) * lock +
             hnsw_levels(options.degree, keys) * (half + 1) * kNumber;
    }
  }
  return 0;
}

MethodEntry retrieval_attention_method() {
  return {.name = "retrieval_attention",
          .sentence =
              "keys behind a window go to the host; each step attends what an index finds there",
          .category = "KV loading",
          .source = "Liu et al. 2024, arXiv 2409.10516; index: Chen et al. 2024, arXiv 2408.08933",
          .parameters =
              {{.name = "index",
                .sentence = "how keys are found: a graph made from the prompt's queries, all "
                            "keys one by one, or hnswlib's graph of the keys",
                .choices = {"graph", "flat", "hnsw"}},
               {.name = "top_k",
                .default_value = 100,
                .min = 1,
                .max = 1 << 30,
                .sentence = "keys that a query head retrieves"},
               {.name = "sinks",
                .default_value = 128,
                .min = 0,
                .max = 1 << 20,
                .sentence = "first tokens that stay on the device"},
               {.name = "recent",
                .default_value = 512,
                .min = 1,
                .max = 1 << 30,
                .sentence = "last tokens that stay on the device"},
               {.name = "block",
                .default_value = 64,
                .min = 1,
                .max = 4096,
                .sentence = "tokens that leave the device together: a multiple of the "
                            "cache's page"},
               {.name = "queries",
                .default_value = 256,
                .min = 1,
                .max = 1 << 20,
                .sentence = "of the prompt, at most, that a graph is made from, of each head"},
               {.name = "degree",
                .default_value = 32,
                .min = 4,
                .max = 256,
                .sentence = "links of a key in a graph"},
               {.name = "beam",
                .default_value = 128,
                .min = 1,
                .max = 1 << 20,
                .sentence = "candidates that a search of a graph keeps, where top_k is less"}},
          .make_contract = [](const MethodParameters& parameters) -> std::unique_ptr<KvContract> {
            return std::make_unique<RetrievalContract>(retrieval_options(parameters));
          },
          .presets = {{.name = "paper",
                       .sentence = "the paper: 100 keys by the graph made from queries",
                       .numbers = {}},
                      {.name = "released",
                       .sentence = "SCBench's code: 2,000 keys by exact search",
                       .numbers = {{"index", 1}, {"top_k", 2000}}}},
          .small = {"sinks=16,recent=40,block=32,top_k=8,degree=8,beam=12,queries=20",
                    "sinks=0,recent=8,block=32,top_k=5,index=flat",
                    "sinks=32,recent=20,block=32,top_k=6,beam=10,index=hnsw"},
          .lossless = {"sinks=16,recent=40,block=32,top_k=100000,degree=8",
                       "sinks=0,recent=8,block=32,top_k=100000,index=flat"}};
}

}  // namespace scsim::methods
