#include "methods/runtime.h"

#include <algorithm>

#include "methods/cache_store.h"

namespace scsim::methods {
namespace {

using exec::KvCache;

class PrefixCacheRuntime final : public exec::MethodRuntime {
 public:
  explicit PrefixCacheRuntime(const MethodParameters& parameters)
      : block_(static_cast<std::int64_t>(parameters.at("block"))),
        store_(static_cast<std::int64_t>(1e6 * parameters.at("capacity"))) {}

  std::int64_t retrieve(const KvCache& cache, std::span<const std::int32_t> cached,
                        std::span<const std::int32_t> prompt, exec::Measure&) override {
    return worth(cache, cached, prompt);
  }

  Expected<void> recall(KvCache& cache, const exec::RecalledPrompt& prompt,
                        const exec::PrefillAlone&, exec::Measure&) override {
    std::int64_t most = cache.tokens_seen();
    std::size_t best = store_.entries().size();
    for (std::size_t i = 0; i < store_.entries().size(); ++i) {
      const CacheStore::Entry& entry = store_.entries()[i];
      const std::int64_t found = worth(entry.cache, entry.tokens, prompt.tokens);
      if (found <= most) continue;
      most = found;
      best = i;
    }
    if (best == store_.entries().size()) return {};
    store_.use(best);
    cache = store_.entries()[best].cache.fork_prefix(most);
    return {};
  }

  void remember(const KvCache& cache, std::span<const std::int32_t> tokens,
                exec::Measure&) override {
    store_.put(tokens, cache.fork());
  }

  std::int64_t remembered_bytes() const override { return store_.bytes(); }

 private:
  // Tokens of the prompt that the cache of `cached` has, all but the last at most: whole blocks, or
  // where layers are recurrent as many as there is a state for.
  std::int64_t worth(const KvCache& cache, std::span<const std::int32_t> cached,
                     std::span<const std::int32_t> prompt) const {
    const auto [in_cached, in_prompt] = std::ranges::mismatch(cached, prompt);
    const std::int64_t common =
        std::min<std::int64_t>(in_cached - cached.begin(), std::ssize(prompt) - 1);
    for (std::int64_t layer = 0; layer < cache.layers(); ++layer) {
      if (cache.heads(layer) == 0) return cache.longest_prefix(common);
    }
    return common / block_ * block_;
  }

  std::int64_t block_;
  CacheStore store_;
};

}  // namespace

MethodRuntimeEntry prefix_cache_runtime() {
  return {.name = "prefix_cache",
          .make = [](const MethodParameters& given) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<PrefixCacheRuntime>(given);
          }};
}

}  // namespace scsim::methods
