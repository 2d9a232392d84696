// Caches that outlive the sessions they were made in, each with the tokens it was made of: what a
// method finds again for others (MethodRuntime::recall). Caches are forks, so what several have in
// common is held once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "exec/api/kv_cache.h"

namespace scsim::methods {

class CacheStore {
 public:
  // Holds no more than `capacity` bytes: what was used least recently goes first. 0: all stays.
  explicit CacheStore(std::int64_t capacity) : capacity_(capacity) {}

  struct Entry {
    std::vector<std::int32_t> tokens;
    exec::KvCache cache;
    std::int64_t used = 0;  // when, in uses of the store
  };
  const std::vector<Entry>& entries() const { return entries_; }
  // The cache of exactly these tokens; null: there is none. Valid until the next put().
  const exec::KvCache* find(std::span<const std::int32_t> tokens);
  void use(std::size_t entry) { entries_[entry].used = ++uses_; }
  // In place of what these tokens had.
  void put(std::span<const std::int32_t> tokens, exec::KvCache cache);
  // Of all pages, each once, and all states; a saved point that several caches share counts for
  // each of them.
  std::int64_t bytes() const;

 private:
  std::vector<Entry>::iterator look_up(std::span<const std::int32_t> tokens);

  std::int64_t capacity_, uses_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace scsim::methods
