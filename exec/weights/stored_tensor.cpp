#include "exec/weights/stored_tensor.h"

namespace scsim::exec {

std::string format_shape(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t dimension : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dimension);
  }
  return text + "]";
}

std::optional<std::int64_t> count_elements(std::span<const std::int64_t> shape) {
  constexpr std::int64_t kMost = std::int64_t{1} << 53;
  std::int64_t elements = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0 || dimension > kMost) return std::nullopt;
    if (dimension != 0 && elements > kMost / dimension) return std::nullopt;
    elements *= dimension;
  }
  return elements;
}

}  // namespace scsim::exec
