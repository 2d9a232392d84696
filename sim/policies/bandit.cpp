// Bandit: learns from times to first token which of four other routers to follow.
//
// Each is an arm. What an arm's decision was worth is told when its request's first token is there:
// 1 for none to wait for, 1/2 for a wait of `scale` seconds. The arm that looks best by its
// discounted mean and what is still uncertain of it (discounted UCB) decides next, so that it keeps
// up when the load changes. It is here as the proof that the interface of routers suffices for one
// that learns, and it has heard nothing but what a frontend sees.
#include <array>
#include <cmath>
#include <deque>
#include <map>

#include "sim/router.h"
#include "traces/math.h"

namespace scsim::sim {
namespace {

constexpr std::array<const char*, 4> kArms = {"prefix_aware", "session_affinity", "least_tokens",
                                              "power_of_two"};
constexpr std::size_t kMostOpen = 1 << 16;  // decisions whose outcome is waited for

class Bandit final : public Router {
 public:
  Bandit(double scale, double discount, double explore, std::uint64_t seed)
      : scale_(scale), discount_(discount), explore_(explore) {
    for (std::size_t i = 0; i < kArms.size(); ++i)
      arms_[i].router = *make_router(kArms[i], {}, seed);
  }

  void meet(std::span<const EngineFacts> facts) override {
    for (Arm& arm : arms_) arm.router->meet(facts);
  }

  void heard(std::size_t place) override {
    for (Arm& arm : arms_) arm.router->heard(place);
  }

  std::size_t route(const RoutableRequest& request, std::span<const EngineView> engines) override {
    const std::size_t arm = best();
    const Key key{request.session.value(), request.turn};
    if (open_.try_emplace(key, arm).second) order_.push_back(key);
    if (order_.size() > kMostOpen) {  // some are never answered
      open_.erase(order_.front());
      order_.pop_front();
    }
    return arms_[arm].router->route(request, engines);
  }

  bool listens() const override { return true; }
  void answered(const AnsweredRequest& answered) override {
    const auto place = open_.find({answered.session.value(), answered.turn});
    if (place == open_.end()) return;
    for (Arm& arm : arms_) {
      arm.weight *= discount_;
      arm.reward *= discount_;
    }
    Arm& arm = arms_[place->second];
    arm.weight += 1;
    arm.reward += scale_ / (scale_ + answered.seconds);
    open_.erase(place);
  }

 private:
  using Key = std::pair<std::uint64_t, int>;
  struct Arm {
    std::unique_ptr<Router> router;
    double weight = 0, reward = 0;  // discounted counts
  };

  // Arms of which nothing is known go first.
  std::size_t best() {
    double all = 0;
    for (const Arm& arm : arms_) all += arm.weight;
    std::size_t best = 0;
    double highest = -1;
    for (std::size_t i = 0; i < arms_.size(); ++i) {
      const std::size_t arm = (next_ + i) % arms_.size();
      if (arms_[arm].weight < 1e-6) {
        next_ = (arm + 1) % arms_.size();
        return arm;
      }
      const double bound = arms_[arm].reward / arms_[arm].weight +
                           explore_ * std::sqrt(stable_log(std::max(all, 1.0)) / arms_[arm].weight);
      if (bound > highest) {
        highest = bound;
        best = arm;
      }
    }
    return best;
  }

  double scale_, discount_, explore_;
  std::array<Arm, kArms.size()> arms_;
  std::size_t next_ = 0;
  std::map<Key, std::size_t> open_;
  std::deque<Key> order_;
};

}  // namespace

RouterEntry bandit_policy() {
  return {{"bandit",
           "whichever of prefix_aware, session_affinity, least_tokens and power_of_two has brought "
           "first tokens soonest",
           "Garivier and Moulines, On Upper-Confidence Bound Policies for Switching Bandit "
           "Problems, ALT 2011 (discounted UCB)",
           {{"scale", 1, 1e-3, 1e6, "seconds to the first token that are worth half as much as 0"},
            {"discount", 0.995, 0.5, 1, "what an observation weighs at the next one"},
            {"explore", 0.1, 0, 10, "weight of what is uncertain"}}},
          [](const PolicyParameters& parameters, std::uint64_t seed) {
            return std::make_unique<Bandit>(parameters.at("scale"), parameters.at("discount"),
                                            parameters.at("explore"), seed);
          }};
}

}  // namespace scsim::sim
