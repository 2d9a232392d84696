// Least recently used, and what nobody used for a while leaves even if there is room. A block last
// used exactly so long ago has left. The tier does that part, by its own clock (sim/store/tier.h);
// if it has a TTL itself the shorter of the two holds.
#include "sim/store/keyed_eviction.h"

namespace scsim::sim {
namespace {

class Ttl final : public KeyedEviction<std::uint64_t> {
 public:
  Ttl(Duration ttl, Residents& residents) : KeyedEviction(residents), ttl_(ttl) {}

  void used(CopyId copy) override { set_key(copy, next_++); }
  void added(CopyId copy) override { set_key(copy, next_++); }
  void refreshed(CopyId copy) override { set_key(copy, next_++); }
  Duration ttl() const override { return ttl_; }

 private:
  Duration ttl_;
  std::uint64_t next_ = 0;
};

}  // namespace

EvictionEntry ttl_policy() {
  return {{"ttl",
           "least recently used, and what nobody used for a while leaves in any case",
           "Anthropic API, prompt caching: five minutes from the last use",
           {{"seconds", 300, 1e-3, 1e9, "without use after which a block leaves"}}},
          false,
          [](const PolicyParameters& parameters, Residents& residents) {
            return std::make_unique<Ttl>(to_duration(Seconds(parameters.at("seconds"))), residents);
          }};
}

}  // namespace scsim::sim
