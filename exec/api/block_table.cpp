#include "exec/api/block_table.h"

#include <ATen/ATen.h>

namespace scsim::exec {
namespace {

const at::Tensor& uploaded(const at::Tensor& host, at::Tensor& copy, at::Device device) {
  if (device.is_cpu()) return host;
  if (!copy.defined()) copy = host.to(device);
  return copy;
}

}  // namespace

BlockTable::BlockTable(std::int64_t kv_heads)
    : pages_(at::zeros({1, kv_heads, 16}, at::kInt)),
      lengths_(at::zeros({1, kv_heads}, at::kInt)) {}

BlockTable::BlockTable(const BlockTable& other)
    : pages_(other.pages_.clone()), lengths_(other.lengths_.clone()) {}

BlockTable& BlockTable::operator=(const BlockTable& other) {
  if (this != &other) *this = BlockTable(other);
  return *this;
}

void BlockTable::set_page(std::int64_t head, std::int64_t number, std::int32_t page) {
  if (number >= pages_.size(2)) {
    const std::int64_t before = pages_.size(2);
    at::Tensor larger = at::zeros({1, pages_.size(1), std::max(number + 1, 2 * before)}, at::kInt);
    larger.narrow(2, 0, before).copy_(pages_);
    pages_ = std::move(larger);
  }
  pages_.mutable_data_ptr<std::int32_t>()[head * pages_.size(2) + number] = page;
  device_pages_.reset();
}

void BlockTable::set_length(std::int64_t head, std::int64_t length) {
  lengths_.mutable_data_ptr<std::int32_t>()[head] = static_cast<std::int32_t>(length);
  device_lengths_.reset();
}

const at::Tensor& BlockTable::pages(at::Device device) const {
  return uploaded(pages_, device_pages_, device);
}

const at::Tensor& BlockTable::lengths(at::Device device) const {
  return uploaded(lengths_, device_lengths_, device);
}

}  // namespace scsim::exec
