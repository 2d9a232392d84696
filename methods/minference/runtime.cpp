#include "methods/runtime.h"

#include "exec/api/attention.h"
#include "methods/minference/select.h"

namespace scsim::methods {
namespace {

using exec::CacheView;
using exec::LayerStep;

class Minference final : public exec::MethodRuntime {
 public:
  explicit Minference(MinferenceSettings settings) : settings_(std::move(settings)) {}

  at::Tensor attend_prefill(LayerStep& step) override {
    if (!step.cache.append(step.layer, step.k, step.v, step.measure)) return {};
    const std::optional<CacheView> view = step.cache.view(step.layer, step.measure);
    if (!view) return {};
    // A model's own sliding window stays what it is.
    if (step.sliding_window > 0 || !settings_.applies(step.layer, step.first_prefill)) {
      return attend(step, *view).out;
    }
    const LayerChoice choice = choose_keys(settings_, step, *view);
    if (step.measure.selections != nullptr) {
      step.measure.selections->push_back({.layer = step.layer,
                                          .fresh = step.q.size(0),
                                          .cached = step.first_position,
                                          .heads = choice.heads});
    }
    if (choice.everything) return attend(step, *view).out;
    const exec::PrefillSelection selection = key_selection(settings_, step, choice);
    const exec::MeasuredPart part(step.measure, "attention");
    return attend(step, *view, selection).out;
  }

 private:
  MinferenceSettings settings_;
};

}  // namespace

MethodRuntimeEntry minference_runtime() {
  return {.name = "minference",
          .make = [](const MethodParameters& parameters) -> std::unique_ptr<exec::MethodRuntime> {
            return std::make_unique<Minference>(minference_settings(parameters));
          }};
}

}  // namespace scsim::methods
