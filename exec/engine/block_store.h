// Where blocks go for which the engine's own memory has no room: RAM, then files, each bounded,
// each giving up what was used longest ago. A block is its bytes, named by its key (block_key.h),
// which stands for the model, the layout and every token up to its end.
//
//   auto store = BlockStore::open({.block_bytes = 737280, .host_bytes = 1 << 30, ...});
//   (*store)->put(key, bytes);                       // to RAM; what that pushes out goes to disk
//   std::optional<BlockStore::Tier> from = (*store)->get(key, bytes);
//
// A file is written under another name and renamed, and carries the key and a SHA-256 of what is in
// it: one that a kill cut short is gone at the next start, one that is damaged is deleted, counted
// and not given out. What is on disk is found again by the next process. Files are read and written
// past the page cache where the file system lets us (O_DIRECT), so that the disk is a disk.
//
// No libtorch. Not thread-safe; one process to a folder (a lock says so).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/engine/block_key.h"
#include "traces/expected.h"

namespace scsim::exec {

// What a tier did, in bytes; of blocks.
struct TierUse {
  std::int64_t capacity = 0, live = 0, peak = 0;
  std::int64_t stored = 0, evicted = 0, fetched = 0;
  std::int64_t damaged = 0;  // blocks that were not what they should be, and were dropped
};

class BlockStore {
 public:
  enum class Tier : std::uint8_t { kHost, kDisk };
  struct Options {
    std::int64_t block_bytes = 0;
    std::int64_t host_bytes = 0, disk_bytes = 0;  // 0: there is none
    std::string folder = "";                      // of the disk tier; made if it is not there
    // Told the seconds that a file took beyond what the process computed: a clock of CPU time adds
    // them.
    std::function<void(double)> waited = {};
  };

  // Finds what is in the folder. The error says why the folder cannot be used.
  static Expected<std::unique_ptr<BlockStore>> open(const Options& options);
  ~BlockStore();

  bool has(const BlockKey& key) const;
  // The block is as good as used just now, wherever it is; false: it is not where put() would put
  // it.
  bool use_again(const BlockKey& key);
  // Keeps the block; if it is there already it is only used again. A disk that is full or fails
  // loses it. REQUIRES: block_bytes of them.
  void put(const BlockKey& key, std::span<const std::byte> bytes);
  // Nothing: it is not there, or it was damaged and is not there now. From the disk it comes to RAM
  // as well.
  std::optional<Tier> get(const BlockKey& key, std::span<std::byte> bytes);

  const TierUse& use(Tier tier) const { return use_[static_cast<std::size_t>(tier)]; }
  // Whether the options have the tier.
  bool exists(Tier tier) const { return use(tier).capacity > 0; }

 private:
  struct InHost {
    BlockKey key;
    std::vector<std::byte> bytes;
  };
  template <class T>
  struct Index {  // least recently used first
    std::list<T> order;
    std::unordered_map<BlockKey, typename std::list<T>::iterator, BlockKeyHash> by_key;
  };
  explicit BlockStore(const Options& options);
  Expected<void> scan();
  TierUse& of(Tier tier) { return use_[static_cast<std::size_t>(tier)]; }
  std::string path(const BlockKey& key) const;
  void to_host(const BlockKey& key, std::span<const std::byte> bytes);
  void to_disk(const BlockKey& key, std::span<const std::byte> bytes);
  void forget_file(const BlockKey& key);
  bool read_file(const BlockKey& key, std::span<std::byte> bytes);
  bool write_file(const BlockKey& key, std::span<const std::byte> bytes);

  Options options_;
  std::array<TierUse, 2> use_{};
  Index<InHost> host_;
  Index<BlockKey> disk_;
  int lock_ = -1;
};

}  // namespace scsim::exec
