// A cache of blocks under each eviction policy, block by block: what sim/store/ must decide of
// runs, the slow way, in lists, maps and searches from front to back.
//
// A block is named by the ids of all blocks up to it. A request finds the longest prefix that is
// here; then all its blocks come to be here, for which others leave one by one: of those that no
// block here continues and that are not the request's own, the one the policy names. Where none
// can leave, the request's deepest blocks stay out.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace scsim::oracle {

using BlockName = std::vector<int>;

struct CachedBlock {
  std::uint64_t stored = 0;  // in which order blocks came, the deepest of a request first
  std::vector<std::uint64_t> requests;  // that used it since, the first stored it
  std::int64_t last_time = 0;           // when it was last used
  std::uint64_t next_request = 0;       // that will
  std::uint32_t tenant = 0;             // of the request that stored it
};

// What a policy may look at.
struct BlockCacheState {
  std::int64_t capacity = 0;  // blocks
  std::map<BlockName, CachedBlock> here;
  std::set<BlockName> spared;
  std::uint32_t asking = 0;  // the tenant whose request it is
  std::function<double(std::int64_t depth)> recompute_seconds;

  bool continued(const BlockName& block) const;
  bool may_go(const BlockName& block) const { return !continued(block) && !spared.contains(block); }
};

class BlockPolicy {
 public:
  virtual ~BlockPolicy() = default;
  virtual void request() {}
  virtual void used(const BlockName&) {}
  virtual bool remembers(const BlockName&) const { return false; }
  virtual void asked_again(const std::vector<BlockName>& /*remembered*/) {}
  virtual BlockName victim() = 0;  // empty: none
  virtual void evicted(const BlockName&) {}
  virtual void expired(const BlockName& block) { evicted(block); }
  virtual void added(const BlockName&) {}
  virtual void refreshed(const BlockName&) {}
  virtual void request_ended() {}
  virtual bool spares_request() const { return true; }
  virtual std::int64_t ttl_ns() const { return 0; }
};

class BlockCacheOracle {
 public:
  struct Request {
    std::vector<int> blocks;
    std::uint32_t tenant = 0;
    std::int64_t time_ns = 0;
    std::vector<std::uint64_t> next_request;  // to use each block; read by the offline optimum
  };

  BlockCacheOracle(const std::string& policy, const std::map<std::string, double>& parameters,
                   std::int64_t capacity, std::function<double(std::int64_t depth)> recompute);

  std::int64_t serve(const Request& request);                   // blocks found
  std::int64_t resident(const std::vector<int>& blocks) const;  // the longest prefix here
  std::int64_t size() const { return static_cast<std::int64_t>(state_.here.size()); }

 private:
  void add(const BlockName& block, const Request& request);

  BlockCacheState state_;
  std::unique_ptr<BlockPolicy> policy_;
  std::uint64_t number_ = 0, stored_ = 0;
};

}  // namespace scsim::oracle
