// Equal shares: all tenants that store something may have as much as each other, so the one that
// has most over its share is the one that has most, and gives; of its blocks the least recently
// used. Of equals the tenant with the lower number gives. A block is its that stored it, whoever
// uses it.
//
// A tenant that is alone may use all there is. One whose blocks can not go, since others stand on
// them, leaves it to the next. Quotas in bytes, and guarantees, are the tier's own (TenantLimit).
#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "sim/store/eviction.h"

namespace scsim::sim {
namespace {

class TenantQuota final : public EvictionPolicy {
 public:
  explicit TenantQuota(const Residents& residents) : residents_(residents) {}

  void request(const Use& use) override { asking_ = use.tenant; }
  void used(CopyId copy) override { renew(copy); }
  void added(CopyId copy) override {
    make_place(copy);
    order_[index(copy)] = next_++;
    change_bytes(copy, residents_[copy].bytes());
  }
  void refreshed(CopyId copy) override { renew(copy); }
  void split(CopyId upper, CopyId lower) override {
    make_place(upper);
    order_[index(upper)] = order_[index(lower)];
  }
  void evictable(CopyId copy, bool may_go) override {
    const std::uint32_t number = residents_[copy].tenant;
    Tenant& tenant = tenants_[number];
    givers_.erase(tenant.standing(number));
    if (may_go) {
      tenant.may_go.emplace(order_[index(copy)], copy);
    } else {
      tenant.may_go.erase({order_[index(copy)], copy});
    }
    if (!tenant.may_go.empty()) givers_.insert(tenant.standing(number));
  }
  void removed(CopyId copy, bool) override {
    if (residents_[copy].evictable()) evictable(copy, false);
    change_bytes(copy, -residents_[copy].bytes());
  }
  void shortened(CopyId copy, std::int64_t blocks) override {
    change_bytes(copy, -blocks * residents_[copy].block_bytes);
  }

  CopyId victim() override {
    if (givers_.empty()) return kNoCopy;
    auto giver = givers_.begin();
    const std::int64_t most = -giver->first;
    const auto asking = asking_ < tenants_.size()
                            ? givers_.find(tenants_[asking_].standing(asking_))
                            : givers_.end();
    if (asking != givers_.end() && -asking->first == most) giver = asking;
    // Until another one comes first: the next, or at the same number of bytes the one that asks.
    const CopyId copy = tenants_[giver->second].may_go.begin()->second;
    at_most_ = std::numeric_limits<std::int64_t>::max();
    if (givers_.size() > 1) {
      const auto next = giver == givers_.begin() ? std::next(giver) : givers_.begin();
      const bool yields = asking != givers_.end() && asking->first == next->first;
      const bool first_of_equals = giver == asking || (giver->second < next->second && !yields);
      const std::int64_t lead = most + next->first + (first_of_equals ? 1 : 0);
      const std::int64_t size = residents_[copy].block_bytes;
      at_most_ = std::max<std::int64_t>((lead + size - 1) / size, 1);
    }
    return copy;
  }
  std::int64_t at_most() const override { return at_most_; }

 private:
  using Standing = std::pair<std::int64_t, std::uint32_t>;  // bytes below zero, tenant
  struct Tenant {
    std::int64_t bytes = 0;
    std::set<std::pair<std::uint64_t, CopyId>> may_go;  // least recently used first
    Standing standing(std::uint32_t number) const { return {-bytes, number}; }
  };
  static std::size_t index(CopyId copy) { return static_cast<std::size_t>(copy); }

  void make_place(CopyId copy) {
    if (index(copy) >= order_.size()) order_.resize(index(copy) + index(copy) / 2 + 1);
  }
  void renew(CopyId copy) {
    Tenant& tenant = tenants_[residents_[copy].tenant];
    if (tenant.may_go.erase({order_[index(copy)], copy}) > 0) tenant.may_go.emplace(next_, copy);
    order_[index(copy)] = next_++;
  }
  void change_bytes(CopyId copy, std::int64_t bytes) {
    const std::uint32_t number = residents_[copy].tenant;
    if (number >= tenants_.size()) tenants_.resize(number + 1);
    Tenant& tenant = tenants_[number];
    const bool gives = givers_.erase(tenant.standing(number)) > 0;
    tenant.bytes += bytes;
    if (gives) givers_.insert(tenant.standing(number));
  }

  const Residents& residents_;
  std::vector<std::uint64_t> order_;  // of last uses
  std::vector<Tenant> tenants_;
  std::set<Standing> givers_;  // those with blocks that may go, the one that has most first
  std::uint32_t asking_ = 0;
  std::uint64_t next_ = 0;
  std::int64_t at_most_ = 0;
};

}  // namespace

EvictionEntry tenant_quota_policy() {
  return {{"tenant_quota",
           "the tenant that has most gives, its least recently used first",
           "max-min fair shares, as in Pu et al., FairRide: near-optimal, fair cache sharing, NSDI "
           "2016",
           {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<TenantQuota>(residents);
          }};
}

}  // namespace scsim::sim
