// Memory that a decode step reads from end to end is read a tenth to a fifth faster where the
// machine maps it in large pages.
#pragma once

#include <ATen/core/Tensor.h>

namespace scsim::exec {

// Asks the operating system for them; it may decline. Before the memory is first written to;
// nothing to ask for on a device.
void prefer_large_pages(const at::Tensor& tensor);

}  // namespace scsim::exec
