#include "tests/oracle/block_cache_oracle.h"

#include <algorithm>

#include "tests/oracle/block_policies.h"
#include "traces/check.h"

namespace scsim::oracle {
namespace {

BlockName prefix(const std::vector<int>& blocks, std::size_t length) {
  return {blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(length)};
}

}  // namespace

bool BlockCacheState::continued(const BlockName& block) const {
  const auto next = here.upper_bound(block);  // what begins with it comes right after it
  return next != here.end() && next->first.size() > block.size() &&
         prefix(next->first, block.size()) == block;
}

BlockCacheOracle::BlockCacheOracle(const std::string& policy,
                                   const std::map<std::string, double>& parameters,
                                   std::int64_t capacity,
                                   std::function<double(std::int64_t depth)> recompute) {
  state_.capacity = capacity;
  state_.recompute_seconds = std::move(recompute);
  policy_ = make_block_policy(policy, parameters, state_);
}

std::int64_t BlockCacheOracle::resident(const std::vector<int>& blocks) const {
  std::size_t length = 0;
  while (length < blocks.size() && state_.here.contains(prefix(blocks, length + 1))) ++length;
  return static_cast<std::int64_t>(length);
}

void BlockCacheOracle::add(const BlockName& block, const Request& request) {
  state_.here[block] = {stored_++, {number_}, request.time_ns, ~std::uint64_t{0}, request.tenant};
  policy_->added(block);
}

std::int64_t BlockCacheOracle::serve(const Request& request) {
  if (const std::int64_t ttl = policy_->ttl_ns(); ttl > 0) {
    std::vector<BlockName> old;
    for (const auto& [name, block] : state_.here) {
      if (block.last_time + ttl <= request.time_ns) old.push_back(name);
    }
    for (const BlockName& block : old) {
      state_.here.erase(block);
      policy_->expired(block);
    }
  }

  const std::size_t all = request.blocks.size();
  const std::size_t found = static_cast<std::size_t>(resident(request.blocks));
  state_.asking = request.tenant;
  policy_->request();
  for (std::size_t depth = found; depth > 0; --depth) {
    CachedBlock& block = state_.here.at(prefix(request.blocks, depth));
    block.requests.push_back(number_);
    block.last_time = request.time_ns;
    policy_->used(prefix(request.blocks, depth));
  }

  std::vector<BlockName> remembered;
  for (std::size_t depth = found + 1; depth <= all; ++depth) {
    const BlockName block = prefix(request.blocks, depth);
    if (policy_->remembers(block)) remembered.push_back(block);
  }
  policy_->asked_again(remembered);

  const auto evict_until_fits = [&](std::size_t wanted) {
    while (state_.here.size() + wanted > static_cast<std::size_t>(state_.capacity)) {
      const BlockName victim = policy_->victim();
      if (victim.empty()) return static_cast<std::size_t>(state_.capacity) - state_.here.size();
      SCSIM_CHECK(state_.may_go(victim));
      state_.here.erase(victim);
      policy_->evicted(victim);
    }
    return wanted;
  };
  std::size_t end = all;
  if (policy_->spares_request()) {
    for (std::size_t depth = 1; depth <= found; ++depth)
      state_.spared.insert(prefix(request.blocks, depth));
    end = found + evict_until_fits(all - found);
    state_.spared.clear();
  }
  if (found < all) {
    for (std::size_t depth = end; depth > found; --depth)
      add(prefix(request.blocks, depth), request);
    for (std::size_t depth = found; depth > 0; --depth)
      policy_->refreshed(prefix(request.blocks, depth));
    policy_->request_ended();
  }
  if (!policy_->spares_request()) {
    for (std::size_t depth = 1; depth <= all; ++depth) {
      state_.here.at(prefix(request.blocks, depth)).next_request =
          request.next_request.at(depth - 1);
    }
    evict_until_fits(0);
  }
  ++number_;
  return static_cast<std::int64_t>(found);
}

}  // namespace scsim::oracle
