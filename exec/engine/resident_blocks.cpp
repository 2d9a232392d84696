#include "exec/engine/resident_blocks.h"

#include "traces/check.h"

namespace scsim::exec {

ResidentBlocks::~ResidentBlocks() {
  for (std::size_t block = 0; block < pages_.size(); ++block) drop(static_cast<BlockId>(block));
}

void ResidentBlocks::keep(BlockId block, const KvCache& cache, std::int64_t number) {
  std::vector<PageRef>& pages = of(block);
  SCSIM_CHECK(pages.empty());
  for (std::int64_t layer = 0; layer < cache.layers(); ++layer) {
    for (std::int64_t head = 0; head < cache.heads(layer); ++head) {
      pages.push_back(cache.page(layer, head, number));
      memory_.share(pages.back());
    }
  }
}

std::span<const PageRef> ResidentBlocks::take(BlockId block, std::int64_t pages, Measure& measure) {
  SCSIM_CHECK(of(block).empty());
  for (std::int64_t i = 0; i < pages; ++i)
    of(block).push_back(memory_.take(KvMemory::kDevice, measure));
  return of(block);
}

void ResidentBlocks::drop(BlockId block) {
  for (const PageRef& page : of(block)) memory_.give_back(page, nullptr);
  of(block).clear();
}

}  // namespace scsim::exec
