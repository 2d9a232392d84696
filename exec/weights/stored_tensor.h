// A tensor as a file holds it, under the file's own name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "exec/weights/element_type.h"

namespace scsim::exec {

struct StoredTensor {
  std::string name;
  std::vector<std::int64_t> shape;  // row-major, outermost first
  ElementType type = ElementType::kF32;
  std::span<const std::byte> bytes;  // all of it, in the mapped file
};

std::string format_shape(std::span<const std::int64_t> shape);  // [576, 1536]

// Nothing where a dimension is negative or the product is beyond 2^53.
std::optional<std::int64_t> count_elements(std::span<const std::int64_t> shape);

}  // namespace scsim::exec
