#include "exec/api/large_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace scsim::exec {

void prefer_large_pages(const at::Tensor& tensor) {
  if (!tensor.is_cpu() || tensor.numel() == 0) return;
  constexpr std::uintptr_t kLarge = std::uintptr_t{1} << 21;
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
  const std::uintptr_t first = (begin + kLarge - 1) / kLarge * kLarge;
  const std::uintptr_t end = (begin + tensor.nbytes()) / kLarge * kLarge;
  // Where it is refused, pages are of the usual size: nothing else changes.
  if (first < end) (void)madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
}

}  // namespace scsim::exec
