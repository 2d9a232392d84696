// The memory that KV caches of one model share: a pool of pages on the device, one on the host, one
// of blocks for each quantised format in use, and the ledger of recurrent states. A limit counts
// pages that are given out; who meets it is told so and has changed nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <span>

#include "exec/api/measure.h"
#include "exec/api/page_pool.h"
#include "exec/operators/packed_block.h"

namespace scsim::exec {

struct KvMemoryOptions {
  std::int64_t head_dim = 0;
  std::int64_t page_tokens = 64;
  at::Device device = at::kCPU;
  at::ScalarType type = at::kFloat;
  std::int64_t max_pages = 0;       // on the device, quantised ones apart; 0: no limit
  std::int64_t max_host_pages = 0;  // 0: no limit
};

// Where a page is: the number of its pool (0 device, 1 host, then quantised formats) and its number
// there.
struct PageRef {
  std::int32_t page = 0;
  std::uint8_t pool = 0;
  bool operator==(const PageRef&) const = default;
};

class KvMemory {
 public:
  static constexpr std::uint8_t kDevice = 0, kHost = 1, kFirstQuantised = 2;

  explicit KvMemory(const KvMemoryOptions& options);

  const KvMemoryOptions& options() const { return options_; }
  PagePool& pool(std::uint8_t number) { return pools_[number]; }
  const PagePool& pool(std::uint8_t number) const { return pools_[number]; }
  std::size_t pools() const { return pools_.size(); }
  std::uint8_t quantised_pool(const QuantisedFormat& format);  // made when it is first asked for
  const QuantisedFormat& format(std::uint8_t pool) const;      // REQUIRES: pool >= kFirstQuantised

  // A page of `pool` with one owner. REQUIRES: pool(number).can_allocate(1).
  PageRef take(std::uint8_t pool, Measure& measure);
  void share(PageRef page) { pools_[page.pool].share(page.page); }
  // One owner less. Outside of a measured turn there is no measure.
  void give_back(PageRef page, Measure* measure);
  // What pages hold, as [n, 2, page_tokens, head_dim] on the device; of blocks, which must be of
  // one format, [n, 2, format.group, head_dim].
  at::Tensor read(std::span<const PageRef> pages) const;
  // Writes the same. REQUIRES: all pages are of one pool.
  void write(std::span<const PageRef> pages, const at::Tensor& contents);

  // Of tensors of recurrent layers.
  void allocate_recurrent(std::int64_t bytes, Measure& measure);
  void free_recurrent(std::int64_t bytes) { recurrent_.free(bytes); }
  const MemoryUse& recurrent() const { return recurrent_; }

  std::int64_t live_bytes() const;  // of everything here
  std::int64_t peak_bytes() const { return peak_bytes_; }

 private:
  void note_allocated(std::int64_t bytes, Measure& measure);

  KvMemoryOptions options_;
  std::deque<PagePool> pools_;
  std::deque<QuantisedFormat> formats_;
  MemoryUse recurrent_;
  std::int64_t peak_bytes_ = 0;
};

}  // namespace scsim::exec
