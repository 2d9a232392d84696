#include "exec/api/kv_memory.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "traces/check.h"

namespace scsim::exec {

namespace {

at::Tensor numbers(std::span<const PageRef> pages, at::Device device) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(pages.size())}, at::kLong);
  std::int64_t* to = out.mutable_data_ptr<std::int64_t>();
  for (const PageRef& page : pages) *to++ = page.page;
  return out.to(device);
}

}  // namespace

KvMemory::KvMemory(const KvMemoryOptions& options) : options_(options) {
  SCSIM_CHECK_GT(options.head_dim, 0);
  SCSIM_CHECK_GT(options.page_tokens, 0);
  PagePoolOptions pages{.page_shape = {2, options.page_tokens, options.head_dim},
                        .type = options.type,
                        .device = options.device,
                        .max_pages = options.max_pages};
  pools_.emplace_back(pages);
  pages.device = at::kCPU;
  pages.max_pages = options.max_host_pages;
  pools_.emplace_back(pages);
}

std::uint8_t KvMemory::quantised_pool(const QuantisedFormat& format) {
  SCSIM_CHECK(format.fits(options_.head_dim));
  const auto known = std::ranges::find(formats_, format);
  if (known != formats_.end()) {
    return static_cast<std::uint8_t>(kFirstQuantised + (known - formats_.begin()));
  }
  SCSIM_CHECK_LT(pools_.size(), 256U);
  formats_.push_back(format);
  pools_.emplace_back(PagePoolOptions{.page_shape = {format.block_bytes(options_.head_dim)},
                                      .type = at::kByte,
                                      .device = options_.device});
  return static_cast<std::uint8_t>(pools_.size() - 1);
}

const QuantisedFormat& KvMemory::format(std::uint8_t pool) const {
  SCSIM_CHECK_GE(pool, kFirstQuantised);
  return formats_[pool - kFirstQuantised];
}

std::int64_t KvMemory::live_bytes() const {
  std::int64_t bytes = recurrent_.live();
  for (const PagePool& pool : pools_) bytes += pool.use().live();
  return bytes;
}

PageRef KvMemory::take(std::uint8_t pool, Measure& measure) {
  const std::optional<std::int32_t> page = pools_[pool].allocate();
  SCSIM_CHECK(page.has_value());
  note_allocated(pools_[pool].page_bytes(), measure);
  return {*page, pool};
}

void KvMemory::give_back(PageRef page, Measure* measure) {
  PagePool& pool = pools_[page.pool];
  if (pool.release(page.page) && measure) measure->now().bytes_freed += pool.page_bytes();
}

at::Tensor KvMemory::read(std::span<const PageRef> pages) const {
  const auto contents = [&](std::span<const PageRef> of_one_pool) {
    const std::uint8_t number = of_one_pool.front().pool;
    const at::Tensor& pool = pools_[number].tensor();
    const at::Tensor found = pool.index_select(0, numbers(of_one_pool, pool.device()));
    if (number < kFirstQuantised) return found.to(options_.device);
    return unpack_blocks(found, format(number), options_.head_dim, options_.type);
  };
  // Runs of pages of one pool, one after another: few, since pages move to other pools in order.
  std::vector<at::Tensor> parts;
  for (std::size_t from = 0; from < pages.size();) {
    std::size_t to = from + 1;
    while (to < pages.size() && pages[to].pool == pages[from].pool) ++to;
    parts.push_back(contents(pages.subspan(from, to - from)));
    from = to;
  }
  if (parts.empty()) {
    return at::empty({0, 2, options_.page_tokens, options_.head_dim},
                     at::TensorOptions().dtype(options_.type).device(options_.device));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

void KvMemory::write(std::span<const PageRef> pages, const at::Tensor& contents) {
  if (pages.empty()) return;
  const std::uint8_t number = pages.front().pool;
  for (const PageRef& page : pages) SCSIM_CHECK_EQ(int{page.pool}, int{number});
  at::Tensor pool = pools_[number].tensor();
  const at::Tensor stored =
      number < kFirstQuantised ? contents.to(pool.device()) : pack_blocks(contents, format(number));
  pool.index_copy_(0, numbers(pages, pool.device()), stored);
}

void KvMemory::allocate_recurrent(std::int64_t bytes, Measure& measure) {
  recurrent_.allocate(bytes);
  note_allocated(bytes, measure);
}

void KvMemory::note_allocated(std::int64_t bytes, Measure& measure) {
  const std::int64_t live = live_bytes();
  peak_bytes_ = std::max(peak_bytes_, live);
  StageCounts& counts = measure.now();
  counts.bytes_allocated += bytes;
  counts.peak_bytes = std::max(counts.peak_bytes, live);
}

}  // namespace scsim::exec
