#include "exec/api/page_pool.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>

#include "exec/api/large_pages.h"
#include "traces/check.h"

namespace scsim::exec {

void MemoryUse::allocate(std::int64_t bytes) {
  allocated += bytes;
  peak = std::max(peak, live());
}

void MemoryUse::free(std::int64_t bytes) {
  freed += bytes;
  SCSIM_CHECK_LE(freed, allocated);
}

PagePool::PagePool(const PagePoolOptions& options) : options_(options) {
  page_bytes_ = static_cast<std::int64_t>(c10::elementSize(options.type));
  for (const std::int64_t size : options.page_shape) page_bytes_ *= size;
  SCSIM_CHECK_GT(page_bytes_, 0);
  std::int64_t room = options.initial_pages;
  if (room == 0) room = (std::int64_t{1} << (options.device.is_cpu() ? 30 : 26)) / page_bytes_;
  room = std::max<std::int64_t>(room, 1);
  if (options.max_pages > 0) room = std::min(room, options.max_pages);
  std::vector<std::int64_t> shape = {room};
  shape.insert(shape.end(), options.page_shape.begin(), options.page_shape.end());
  tensor_ = at::empty(shape, at::TensorOptions().dtype(options.type).device(options.device));
  prefer_large_pages(tensor_);
}

bool PagePool::can_allocate(std::int64_t pages) const {
  return options_.max_pages == 0 || in_use_ + pages <= options_.max_pages;
}

std::optional<std::int32_t> PagePool::allocate() {
  if (!can_allocate(1)) return std::nullopt;
  std::int32_t page = 0;
  if (free_.empty()) {
    if (static_cast<std::int64_t>(owners_.size()) == tensor_.size(0)) grow_to(2 * tensor_.size(0));
    page = static_cast<std::int32_t>(owners_.size());
    owners_.push_back(1);
  } else {
    page = free_.back();
    free_.pop_back();
    owners_[static_cast<std::size_t>(page)] = 1;
  }
  ++in_use_;
  use_.allocate(page_bytes_);
  return page;
}

void PagePool::share(std::int32_t page) {
  SCSIM_CHECK_GT(owners(page), 0);
  ++owners_[static_cast<std::size_t>(page)];
}

bool PagePool::release(std::int32_t page) {
  SCSIM_CHECK_GT(owners(page), 0);
  if (--owners_[static_cast<std::size_t>(page)] > 0) return false;
  free_.push_back(page);
  --in_use_;
  use_.free(page_bytes_);
  return true;
}

std::int32_t PagePool::owners(std::int32_t page) const {
  return owners_[static_cast<std::size_t>(page)];
}

void PagePool::grow_to(std::int64_t pages) {
  std::vector<std::int64_t> shape = tensor_.sizes().vec();
  const std::int64_t before = shape[0];
  shape[0] = options_.max_pages > 0 ? std::min(pages, options_.max_pages) : pages;
  at::Tensor larger = at::empty(shape, tensor_.options());
  prefer_large_pages(larger);
  larger.narrow(0, 0, before).copy_(tensor_);
  tensor_ = std::move(larger);
}

void PagePool::reserve(std::int64_t pages) {
  if (pages > tensor_.size(0)) grow_to(pages);
  const std::int64_t given_out = std::ssize(owners_);
  tensor_.narrow(0, given_out, tensor_.size(0) - given_out).zero_();
}

}  // namespace scsim::exec
