// Round robin: each engine in turn, whatever the request and however loaded the engines.
#include "sim/router.h"

namespace scsim::sim {
namespace {

class RoundRobin final : public Router {
 public:
  std::size_t route(const RoutableRequest&, std::span<const EngineView> engines) override {
    return next_++ % engines.size();
  }

 private:
  std::size_t next_ = 0;
};

}  // namespace

RouterEntry round_robin_policy() {
  return {{"round_robin", "each engine in turn", "", {}},
          [](const PolicyParameters&, std::uint64_t) { return std::make_unique<RoundRobin>(); }};
}

}  // namespace scsim::sim
