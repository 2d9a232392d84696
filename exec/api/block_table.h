// The block table and the lengths of one layer of one sequence, as the attention operators take
// them, changed in place as the cache changes: a decode step writes one length per head and, once a
// page is full, one entry.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace scsim::exec {

class BlockTable {
 public:
  explicit BlockTable(std::int64_t kv_heads = 0);
  BlockTable(const BlockTable& other);  // shares nothing
  BlockTable& operator=(const BlockTable& other);
  BlockTable(BlockTable&&) noexcept = default;
  BlockTable& operator=(BlockTable&&) noexcept = default;

  void set_page(std::int64_t head, std::int64_t number, std::int32_t page);
  void set_length(std::int64_t head, std::int64_t length);

  const at::Tensor& host_lengths() const { return lengths_; }
  // On the device; uploaded if they have changed.
  const at::Tensor& pages(at::Device device) const;    // [1, kv_heads, room]
  const at::Tensor& lengths(at::Device device) const;  // [1, kv_heads]

 private:
  at::Tensor pages_, lengths_;                        // on the host
  mutable at::Tensor device_pages_, device_lengths_;  // undefined: changed since
};

}  // namespace scsim::exec
