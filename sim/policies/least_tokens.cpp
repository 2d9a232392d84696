// Least tokens: the engine with the fewest prompt tokens to compute before this one's. Requests
// differ in length by orders of magnitude, which their number does not tell.
#include "sim/router.h"

namespace scsim::sim {
namespace {

class LeastTokens final : public Router {
 public:
  std::size_t route(const RoutableRequest&, std::span<const EngineView> engines) override {
    const auto pending = [&](std::size_t place) {
      return engines[place].pending_tokens + engines[place].sent_tokens;
    };
    std::size_t best = (last_ + 1) % engines.size();
    for (std::size_t step = 2; step <= engines.size(); ++step) {
      const std::size_t place = (last_ + step) % engines.size();
      if (pending(place) < pending(best)) best = place;
    }
    return last_ = best;
  }

 private:
  std::size_t last_ = 0;
};

}  // namespace

RouterEntry least_tokens_policy() {
  return {{"least_tokens",
           "the engine with the fewest prompt tokens that wait or are being computed",
           "llm-d inference scheduler, token load scorer; join the shortest queue by work",
           {}},
          [](const PolicyParameters&, std::uint64_t) { return std::make_unique<LeastTokens>(); }};
}

}  // namespace scsim::sim
