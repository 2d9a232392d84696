// Power of two choices: of a few engines drawn by chance, the one with the fewest requests. Two are
// enough for almost all that looking at every engine gives, and where views are stale it does not
// send everybody to the one that looked idle.
#include <algorithm>

#include "sim/router.h"
#include "traces/rng.h"

namespace scsim::sim {
namespace {

class PowerOfTwo final : public Router {
 public:
  PowerOfTwo(std::size_t choices, double waiting_weight, std::uint64_t seed)
      : choices_(choices), waiting_weight_(waiting_weight), rng_(seed, "sim.router.power_of_two") {}

  std::size_t route(const RoutableRequest&, std::span<const EngineView> engines) override {
    order_.resize(engines.size());
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    const std::size_t drawn = std::min(choices_, engines.size());
    const auto load = [&](std::size_t place) {
      const EngineView& view = engines[place];
      return waiting_weight_ * static_cast<double>(view.waiting + view.sent_requests) +
             static_cast<double>(view.running);
    };
    std::size_t best = 0;
    for (std::size_t i = 0; i < drawn; ++i) {
      std::swap(order_[i], order_[i + rng_.below(order_.size() - i)]);
      if (i == 0 || load(order_[i]) < load(best)) best = order_[i];
    }
    return best;
  }

 private:
  std::size_t choices_;
  double waiting_weight_;
  Rng rng_;
  std::vector<std::size_t> order_;
};

}  // namespace

RouterEntry power_of_two_policy() {
  return {{"power_of_two",
           "of a few engines drawn by chance, the one with the fewest requests",
           "Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 2001; "
           "SGLang router policy power_of_two",
           {{"choices", 2, 1, 1000, "how many are drawn"},
            {"waiting_weight", 4, 0, 1000, "how many running requests a waiting one weighs"}}},
          [](const PolicyParameters& parameters, std::uint64_t seed) {
            return std::make_unique<PowerOfTwo>(static_cast<std::size_t>(parameters.at("choices")),
                                                parameters.at("waiting_weight"), seed);
          }};
}

}  // namespace scsim::sim
