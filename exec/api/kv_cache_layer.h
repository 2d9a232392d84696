// What a KvCache holds of a layer: for kv_cache*.cpp only.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "exec/api/block_table.h"
#include "exec/api/kv_cache.h"

namespace scsim::exec {

// Counted while any fork refers to it.
struct RecurrentState {
  RecurrentState(std::shared_ptr<KvMemory> in, std::vector<at::Tensor> of, Measure& measure);
  ~RecurrentState() { memory->free_recurrent(bytes); }
  RecurrentState(const RecurrentState&) = delete;
  RecurrentState& operator=(const RecurrentState&) = delete;

  std::shared_ptr<KvMemory> memory;
  std::vector<at::Tensor> tensors;
  std::int64_t bytes = 0;
};

class StagedPages {
 public:
  explicit StagedPages(std::shared_ptr<KvMemory> memory) : memory_(std::move(memory)) {}
  ~StagedPages() {
    for (const PageRef& page : pages) memory_->give_back(page, nullptr);
  }
  StagedPages(const StagedPages&) = delete;
  StagedPages& operator=(const StagedPages&) = delete;

  std::vector<PageRef> pages;

 private:
  std::shared_ptr<KvMemory> memory_;
};

struct KvCache::Head {
  std::vector<PageRef> blocks;  // of few bits: the first `packed` tokens, all blocks full but for
  std::int64_t packed = 0;      // the last of a prefix, behind which there is nothing yet
  std::vector<PageRef> pages;   // of the tokens behind them
  std::int64_t length = 0;      // of both
  std::int64_t unpacked() const { return length - packed; }
};

struct KvCache::Layer {
  LayerKind kind = LayerKind::kPaged;
  std::vector<Head> heads;
  BlockTable table;            // of unpacked tokens: device pages; of others it says nothing
  BlockTable blocks;           // of packed tokens
  std::int64_t elsewhere = 0;  // pages that are not plain device pages
  std::shared_ptr<RecurrentState> state;
  std::vector<std::pair<std::int64_t, std::shared_ptr<RecurrentState>>> saved;  // ascending

  // Gives a head other pages, for so many tokens, or other blocks, and the tables their numbers.
  void set_pages(std::size_t head, std::vector<PageRef> pages, std::int64_t tokens);
  void set_blocks(std::size_t head, std::vector<PageRef> of, std::int64_t tokens);
  std::vector<PageRef> distinct_pages() const;  // and blocks, of all heads, each once
};

}  // namespace scsim::exec
