// KIVI on the cache's blocks: what is packed is read as it is stored, beside the last tokens, which
// are in pages.
//
// The released code cannot take several tokens behind a quantised cache; here a prompt that follows
// attends what is there as it is, and itself in full, and is then quantised as the first one was.
#include "methods/runtime.h"

#include "exec/api/attention.h"
#include "methods/kivi/rule.h"

namespace scsim::methods {
namespace {

using exec::KvCache;
using exec::LayerStep;

class Kivi final : public exec::MethodRuntime {
 public:
  explicit Kivi(const KiviRule& rule)
      : rule_(rule), format_{.key_bits = rule.bits, .value_bits = rule.bits, .group = rule.group} {}

  bool compress(LayerStep& step) override {
    // All that is not packed: what was rounded behind an earlier prompt stays as it is.
    if (!step.last_chunk || (rule_.first_prompt_only && !step.first_prefill)) return true;
    return quantise(step, 0, 0);
  }

  at::Tensor attend_decode(LayerStep& step) override {
    const at::Tensor out = MethodRuntime::attend_decode(step);
    if (!out.defined() || rule_.first_prompt_only) return out;
    const std::int64_t before = step.cache.length(step.layer, 0) - 1;
    const exec::MeasuredStage stage(step.measure, Stage::kCompression);
    return quantise(step, rule_.quantised_keys(before), rule_.quantised_values(before))
               ? out
               : at::Tensor();
  }

 private:
  // Brings the layer to what it should be, where so many keys and values are quantised already.
  bool quantise(LayerStep& step, std::int64_t keys, std::int64_t values) const {
    KvCache& cache = step.cache;
    const std::int64_t tokens = cache.length(step.layer, 0), wanted = rule_.packed(tokens);
    if (wanted > cache.packed(step.layer, 0) &&
        !cache.quantise(step.layer, wanted, format_, step.measure)) {
      return false;
    }
    const std::int64_t packed = cache.packed(step.layer, 0);
    return cache.round(step.layer, {std::max(keys, packed), rule_.quantised_keys(tokens)},
                       {std::max(values, packed), rule_.quantised_values(tokens)}, format_,
                       step.measure);
  }

  KiviRule rule_;
  exec::QuantisedFormat format_;
};

}  // namespace

MethodRuntimeEntry kivi_runtime() {
  return {.name = "kivi",
          .make = [](const MethodParameters& parameters) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<Kivi>(KiviRule(parameters));
          }};
}

}  // namespace scsim::methods
