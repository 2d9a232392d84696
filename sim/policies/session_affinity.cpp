// Session affinity: all turns of a session go to one engine, chosen by hash, so that later turns
// find what earlier ones left in its cache. Rendezvous hashing: when the number of engines changes,
// few sessions move. The hash looks at every engine, so what it said of a session is kept.
#include <boost/unordered/unordered_flat_map.hpp>

#include "sim/router.h"
#include "traces/hash.h"

namespace scsim::sim {
namespace {

class SessionAffinity final : public Router {
 public:
  explicit SessionAffinity(std::uint64_t seed) : seed_(seed) {}

  std::size_t route(const RoutableRequest& request, std::span<const EngineView> engines) override {
    if (engines.size() != engines_) place_of_.clear();
    engines_ = engines.size();
    const auto [place_of, fresh] = place_of_.try_emplace(request.session.value(), 0);
    if (fresh) place_of->second = chosen(request.session, engines.size());
    return place_of->second;
  }

 private:
  std::size_t chosen(SessionId session, std::size_t engines) const {
    std::size_t best = 0;
    std::uint64_t highest = 0;
    for (std::size_t place = 0; place < engines; ++place) {
      const std::uint64_t score = scramble(scramble(seed_ ^ session.value()) + place);
      if (place == 0 || score > highest) {
        highest = score;
        best = place;
      }
    }
    return best;
  }

  std::uint64_t seed_;
  std::size_t engines_ = 0;
  boost::unordered_flat_map<std::uint64_t, std::size_t> place_of_;  // by session
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
