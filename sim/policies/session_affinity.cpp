// Session affinity: all turns of a session go to one engine, chosen by hash, so that later turns
// find what earlier ones left in its cache. Rendezvous hashing: when the number of engines changes,
// few sessions move.
#include "sim/router.h"
#include "traces/hash.h"

namespace scsim::sim {
namespace {

class SessionAffinity final : public Router {
 public:
  explicit SessionAffinity(std::uint64_t seed) : seed_(seed) {}

  std::size_t route(const RoutableRequest& request, std::span<const EngineView> engines) override {
    std::size_t best = 0;
    std::uint64_t highest = 0;
    for (std::size_t place = 0; place < engines.size(); ++place) {
      const std::uint64_t score = scramble(scramble(seed_ ^ request.session.value()) + place);
      if (place == 0 || score > highest) {
        highest = score;
        best = place;
      }
    }
    return best;
  }

 private:
  std::uint64_t seed_;
};

}  // namespace

RouterEntry session_affinity_policy() {
  return {{"session_affinity",
           "all turns of a session to one engine, chosen by rendezvous hash of the session",
           "Thaler and Ravishankar, 1998 (rendezvous hashing)",
           {}},
          [](const PolicyParameters&, std::uint64_t seed) {
            return std::make_unique<SessionAffinity>(seed);
          }};
}

}  // namespace scsim::sim
