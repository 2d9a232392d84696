// What a KvCache holds of a layer: for kv_cache*.cpp only.
#pragma once

#include <memory>
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

struct KvCache::Layer {
  struct Head {
    std::vector<PageRef> pages;
    std::int64_t length = 0;
  };
  LayerKind kind = LayerKind::kPaged;
  std::vector<Head> heads;
  BlockTable table;            // the numbers of device pages; of others it says nothing
  std::int64_t elsewhere = 0;  // pages that are not plain device pages
  std::shared_ptr<RecurrentState> state;

  // Gives a head other pages, and the table their numbers.
  void set_pages(std::size_t head, std::vector<PageRef> pages, std::int64_t length);
  std::vector<PageRef> distinct_pages() const;  // of all heads, each once
};

}  // namespace scsim::exec
