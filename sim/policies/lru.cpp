// Least recently used. The blocks of one request are equally recent; the deepest of them go first,
// which makes it a stack algorithm that keeps prefixes whole.
#include "sim/store/copy_queue.h"
#include "sim/store/eviction.h"

namespace scsim::sim {
namespace {

class Lru final : public EvictionPolicy {
 public:
  explicit Lru(const Residents& residents) : residents_(residents) {}

  void used(CopyId copy) override { queue_.move_to_back(copy); }
  void added(CopyId copy) override { queue_.push_back(copy); }
  void refreshed(CopyId copy) override { queue_.move_to_back(copy); }
  void split(CopyId upper, CopyId lower) override { queue_.insert_after(upper, lower); }
  void removed(CopyId copy, bool) override { queue_.erase(copy); }

  CopyId victim() override {
    CopyId copy = queue_.front();
    while (copy != kNoCopy && !residents_[copy].evictable()) copy = queue_.next(copy);
    return copy;
  }

 private:
  const Residents& residents_;
  CopyQueue queue_;  // least recently used in front
};

}  // namespace

EvictionEntry lru_policy() {
  return {{"lru", "what was used longest ago goes first", "vLLM V1 KV cache manager; Mooncake", {}},
          false,
          [](const PolicyParameters&, Residents& residents) {
            return std::make_unique<Lru>(residents);
          }};
}

}  // namespace scsim::sim
