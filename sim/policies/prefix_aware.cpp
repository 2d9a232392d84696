// Prefix aware: the engine that will have the least to compute before the first token.
//
// For each engine: the prompt's tokens that it is not believed to have cached, plus `load_weight`
// times the prompt tokens already before it. What is cached where the router knows from its own
// decisions (sim/prefix_index.h), so nothing the engines would have to tell; their load is as old
// as their views. Like the costs of Dynamo's KV router, in tokens of prefill; SGLang's cache-aware
// router chooses the longest match until loads differ by a threshold instead.
#include <limits>

#include "sim/engine_loads.h"
#include "sim/prefix_index.h"
#include "sim/router.h"

namespace scsim::sim {
namespace {

class PrefixAware final : public Router {
 public:
  PrefixAware(double load_weight, double running_tokens)
      : load_weight_(load_weight), running_tokens_(running_tokens) {}

  void heard(std::size_t place) override { loads_.heard(place); }

  std::size_t route(const RoutableRequest& request, std::span<const EngineView> engines) override {
    loads_.refresh(engines, [this](const EngineView& view) {
      return load_weight_ * static_cast<double>(view.pending_tokens + view.sent_tokens) +
             running_tokens_ * static_cast<double>(view.running);
    });
    index_.look_up(request.prompt);
    last_ = cheapest(request.prompt_tokens);
    index_.insert(request.prompt, request.answer, last_, engines[last_].cache_tokens);
    return last_;
  }

 private:
  // Of equals the next in turn. Engines that have the deepest of the prompt's nodes are looked at
  // while they are few; the others by increasing load, until it outweighs the most that they can
  // have. Where a node that many have is what the busy ones have, those are looked at after all.
  std::size_t cheapest(std::int64_t prompt_tokens) {
    const std::size_t first = (last_ + 1) % loads_.size();
    std::size_t best = 0, best_distance = 0;
    double least = std::numeric_limits<double>::infinity();
    const auto cost = [&](std::int64_t matched, double load) {
      return static_cast<double>(prompt_tokens - matched) + load;
    };
    const auto look = [&](std::size_t place, std::int64_t matched) {
      const double here = cost(matched, loads_.load(place));
      const std::size_t distance = loads_.distance(place, first);
      if (here > least || (here == least && distance >= best_distance)) return;
      least = here;
      best = place;
      best_distance = distance;
    };
    std::size_t level = index_.levels();  // who has this one or a deeper one has been looked at
    while (level > 0 && index_.engines_at(level - 1) <= kFew) index_.for_each_engine(--level, look);
    std::size_t looked_at = 0;
    loads_.search(
        first,
        [&](double load, std::size_t distance) {
          while (level > 0 && looked_at > index_.engines_at(level - 1)) {
            index_.for_each_engine(--level, look);
            looked_at = 0;
          }
          const double lowest = cost(level > 0 ? index_.most(level - 1) : 0, load);
          if (lowest > least) return EngineLoads::Verdict::kStop;
          return lowest == least && distance >= best_distance ? EngineLoads::Verdict::kSkip
                                                              : EngineLoads::Verdict::kLook;
        },
        [&](std::size_t place) {
          look(place, index_.matched(place, level));
          ++looked_at;
        });
    return best;
  }

  static constexpr std::size_t kFew = 32;
  double load_weight_, running_tokens_;
  PrefixIndex index_;
  EngineLoads loads_;
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
