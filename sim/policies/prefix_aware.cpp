// Prefix aware: the engine that will have the least to compute before the first token.
//
// For each engine: the prompt's tokens that it is not believed to have cached, plus `load_weight`
// times the prompt tokens already before it. What is cached where the router knows from its own
// decisions (sim/prefix_index.h), so nothing the engines would have to tell; their load is as old
// as their views. Like the costs of Dynamo's KV router, in tokens of prefill; SGLang's cache-aware
// router chooses the longest match until loads differ by a threshold instead.
#include "sim/prefix_index.h"
#include "sim/router.h"

namespace scsim::sim {
namespace {

class PrefixAware final : public Router {
 public:
  PrefixAware(double load_weight, double running_tokens)
      : load_weight_(load_weight), running_tokens_(running_tokens) {}

  std::size_t route(const RoutableRequest& request, std::span<const EngineView> engines) override {
    index_.match(request.prompt, engines.size(), matched_);
    std::size_t best = 0;
    double least = 0;
    for (std::size_t step = 1; step <= engines.size(); ++step) {
      const std::size_t place = (last_ + step) % engines.size();
      const EngineView& view = engines[place];
      const double cost =
          static_cast<double>(request.prompt_tokens - matched_[place]) +
          load_weight_ * static_cast<double>(view.pending_tokens + view.sent_tokens) +
          running_tokens_ * static_cast<double>(view.running);
      if (step == 1 || cost < least) {
        least = cost;
        best = place;
      }
    }
    index_.insert(request.prompt, request.answer, best, engines[best].cache_tokens);
    return last_ = best;
  }

 private:
  double load_weight_, running_tokens_;
  PrefixIndex index_;
  std::vector<std::int64_t> matched_;
  std::size_t last_ = 0;
};

}  // namespace

RouterEntry prefix_aware_policy() {
  return {{"prefix_aware",
           "the engine with the fewest prompt tokens to compute: those not cached there, and those "
           "before them",
           "NVIDIA Dynamo KV router (cost of prefill and load); prefixes known from its own "
           "decisions, as in SGLang",
           {{"load_weight", 1, 0, 100,
             "how much a pending prompt token weighs against one of this prompt"},
            {"running_tokens", 64, 0, 100000, "prompt tokens that one running request weighs"}}},
          [](const PolicyParameters& parameters, std::uint64_t) {
            return std::make_unique<PrefixAware>(parameters.at("load_weight"),
                                                 parameters.at("running_tokens"));
          }};
}

}  // namespace scsim::sim
