// Least loaded: the engine with the fewest requests, those that wait counting more.
//
// What was sent since the engine last spoke counts as waiting, as in vLLM's load balancer for data
// parallel ranks; without that, every request between two views would go to the same engine.
#include "sim/engine_loads.h"
#include "sim/router.h"

namespace scsim::sim {
namespace {

class LeastLoaded final : public Router {
 public:
  explicit LeastLoaded(double waiting_weight) : waiting_weight_(waiting_weight) {}

  void heard(std::size_t place) override { loads_.heard(place); }

  std::size_t route(const RoutableRequest&, std::span<const EngineView> engines) override {
    loads_.refresh(engines, [this](const EngineView& view) {
      return waiting_weight_ * static_cast<double>(view.waiting + view.sent_requests) +
             static_cast<double>(view.running);
    });
    return last_ = loads_.least(last_ + 1);  // of equals the next in turn
  }

 private:
  double waiting_weight_;
  EngineLoads loads_;
  std::size_t last_ = 0;
};

}  // namespace

RouterEntry least_loaded_policy() {
  return {{"least_loaded",
           "the engine with the fewest requests, waiting ones weighing more",
           "vLLM V1 DPLBAsyncMPClient: score = 4 * waiting + running",
           {{"waiting_weight", 4, 0, 1000, "how many running requests a waiting one weighs"}}},
          [](const PolicyParameters& parameters, std::uint64_t) {
            return std::make_unique<LeastLoaded>(parameters.at("waiting_weight"));
          }};
}

}  // namespace scsim::sim
