// Random: every engine as likely, whatever it is doing. What others have to beat, and what
// balancing by chance costs.
#include "sim/router.h"
#include "traces/rng.h"

namespace scsim::sim {
namespace {

class Random final : public Router {
 public:
  explicit Random(std::uint64_t seed) : rng_(seed, "sim.router.random") {}

  std::size_t route(const RoutableRequest&, std::span<const EngineView> engines) override {
    return rng_.below(engines.size());
  }

 private:
  Rng rng_;
};

}  // namespace

RouterEntry random_policy() {
  return {
      {"random", "any engine, by chance", "random assignment; SGLang router policy random", {}},
      [](const PolicyParameters&, std::uint64_t seed) { return std::make_unique<Random>(seed); }};
}

}  // namespace scsim::sim
