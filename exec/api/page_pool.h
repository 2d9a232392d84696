// Pages of one shape in one tensor, counted by reference: the memory under a KV cache. A page is
// given out, shared by forks, and free again when its last owner releases it; bytes are those of
// the pages that are given out.
//
//   PagePool pool({.page_shape = {2, 64, 128}, .type = at::kFloat, .device = at::kCPU});
//   std::optional<std::int32_t> page = pool.allocate();      // nothing: the limit is reached
//   pool.tensor()[*page] ...
//   pool.share(*page);
//   pool.release(*page);  pool.release(*page);               // now it is free
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace scsim::exec {

// Bytes of one kind of memory. Conserved: live = allocated - freed.
struct MemoryUse {
  std::int64_t allocated = 0, freed = 0, peak = 0;  // peak: the largest live
  std::int64_t live() const { return allocated - freed; }
  void allocate(std::int64_t bytes);
  void free(std::int64_t bytes);
};

struct PagePoolOptions {
  std::vector<std::int64_t> page_shape;
  at::ScalarType type = at::kFloat;
  at::Device device = at::kCPU;
  std::int64_t max_pages = 0;      // 0: no limit
  std::int64_t initial_pages = 0;  // room made at first, doubled when it is used up. 0: as many as
                                   // fit 1 GiB on the CPU (where memory that nothing was written to
                                   // is only an address), 64 MiB elsewhere
};

class PagePool {
 public:
  explicit PagePool(const PagePoolOptions& options);
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // [room for pages, page_shape...]. Another tensor once the pool has grown: ask again after every
  // allocation.
  const at::Tensor& tensor() const { return tensor_; }
  const PagePoolOptions& options() const { return options_; }
  std::int64_t page_bytes() const { return page_bytes_; }
  std::int64_t pages_in_use() const { return in_use_; }
  bool can_allocate(std::int64_t pages) const;
  // Makes room for so many pages in all, at most max_pages, and writes to what is new, so that
  // allocations neither copy nor are the first to touch memory: for whoever is measured later.
  void reserve(std::int64_t pages);

  std::optional<std::int32_t> allocate();  // with one owner; its content is arbitrary
  void share(std::int32_t page);           // one more owner
  bool release(std::int32_t page);         // one owner less; true: that was the last
  std::int32_t owners(std::int32_t page) const;
  const MemoryUse& use() const { return use_; }

 private:
  void grow_to(std::int64_t pages);

  PagePoolOptions options_;
  at::Tensor tensor_;
  std::int64_t page_bytes_ = 0, in_use_ = 0;
  std::vector<std::int32_t> owners_;  // of every page that was ever given out
  std::vector<std::int32_t> free_;
  MemoryUse use_;
};

}  // namespace scsim::exec
