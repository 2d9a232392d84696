#include "exec/api/method_runtime.h"

#include <algorithm>

#include "exec/api/attention.h"

namespace scsim::exec {

at::Tensor MethodRuntime::attend_prefill(LayerStep& step) {
  if (!step.cache.append(step.layer, step.k, step.v, step.measure)) return {};
  const std::optional<CacheView> view = step.cache.view(step.layer, step.measure);
  return view ? attend(step, *view).out : at::Tensor();
}

bool MethodRuntime::compress(LayerStep&) { return true; }

at::Tensor MethodRuntime::attend_decode(LayerStep& step) {
  if (!step.cache.append(step.layer, step.k, step.v, step.measure)) return {};
  const std::optional<CacheView> view = step.cache.view(step.layer, step.measure);
  return view ? attend_one(step, *view).out : at::Tensor();
}

std::int64_t MethodRuntime::retrieve(const KvCache& cache, std::span<const std::int32_t> cached,
                                     std::span<const std::int32_t> prompt, Measure&) {
  const auto [in_cached, in_prompt] = std::ranges::mismatch(cached, prompt);
  const std::int64_t common =
      std::min<std::int64_t>(in_cached - cached.begin(), std::ssize(prompt) - 1);
  if (cache.dense()) return cache.longest_prefix(common);
  return common == std::ssize(cached) ? common : 0;
}

Expected<void> MethodRuntime::recall(KvCache&, const RecalledPrompt&, const PrefillAlone&,
                                     Measure&) {
  return {};
}

void MethodRuntime::remember(const KvCache&, std::span<const std::int32_t>, Measure&) {}

std::optional<std::vector<std::int64_t>> MethodRuntime::rows_into(std::int64_t,
                                                                  std::span<const std::int64_t>,
                                                                  KvCache&) {
  return std::nullopt;
}

Expected<void> MethodRuntime::prepare(PromptTools&) { return {}; }

Expected<std::vector<std::int32_t>> MethodRuntime::rewrite_prompt(const RecalledPrompt& fresh, bool,
                                                                  PromptTools&, Measure&) {
  return std::vector<std::int32_t>(fresh.tokens.begin(), fresh.tokens.end());
}

}  // namespace scsim::exec
