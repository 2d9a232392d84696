#include "methods/cache_store.h"

#include <algorithm>
#include <utility>

namespace scsim::methods {

std::vector<CacheStore::Entry>::iterator CacheStore::look_up(std::span<const std::int32_t> tokens) {
  return std::ranges::find_if(
      entries_, [&](const Entry& entry) { return std::ranges::equal(entry.tokens, tokens); });
}

const exec::KvCache* CacheStore::find(std::span<const std::int32_t> tokens) {
  const auto found = look_up(tokens);
  if (found == entries_.end()) return nullptr;
  found->used = ++uses_;
  return &found->cache;
}

void CacheStore::put(std::span<const std::int32_t> tokens, exec::KvCache cache) {
  if (const auto before = look_up(tokens); before != entries_.end()) entries_.erase(before);
  entries_.push_back(
      {.tokens = {tokens.begin(), tokens.end()}, .cache = std::move(cache), .used = ++uses_});
  while (capacity_ > 0 && !entries_.empty() && bytes() > capacity_) {
    entries_.erase(std::ranges::min_element(entries_, {}, &Entry::used));
  }
}

std::int64_t CacheStore::bytes() const {
  std::int64_t bytes = 0;
  std::vector<std::pair<std::uint8_t, std::int32_t>> pages;
  for (const Entry& entry : entries_) {
    const exec::KvCache& cache = entry.cache;
    const auto add = [&](const exec::PageRef& page) { pages.emplace_back(page.pool, page.page); };
    for (std::int64_t layer = 0; layer < cache.layers(); ++layer) {
      for (std::int64_t head = 0; head < cache.heads(layer); ++head) {
        for (std::int64_t i = 0; i < cache.num_pages(layer, head); ++i) {
          add(cache.page(layer, head, i));
        }
        for (const exec::PageRef& block : cache.blocks(layer, head)) add(block);
      }
    }
    const exec::KvBytes of = cache.bytes();
    bytes += of.recurrent + of.saved + of.method;
  }
  std::ranges::sort(pages);
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  for (const auto& [pool, page] : pages) {
    bytes += entries_.front().cache.memory().pool(pool).page_bytes();
  }
  return bytes;
}

}  // namespace scsim::methods
