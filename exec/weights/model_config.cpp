#include "exec/weights/model_config.h"

#include <algorithm>

#include "exec/weights/network_tensors.h"
#include "exec/weights/stored_tensor.h"

namespace scsim::exec {

std::int64_t ModelConfig::parameters() const {
  std::int64_t sum = 0;
  for (const NetworkTensor& tensor : network_tensors(*this)) sum += *count_elements(tensor.shape);
  return sum;
}

bool ModelConfig::attends(std::int64_t layer) const {
  return mixers.empty() || mixers[static_cast<std::size_t>(layer)] == Mixer::kAttention;
}

std::int64_t ModelConfig::attention_layers() const {
  return mixers.empty() ? layers : std::ranges::count(mixers, Mixer::kAttention);
}

bool ModelConfig::has_experts(std::int64_t layer) const {
  return mlp.experts > 0 && layer % mlp.expert_period == mlp.expert_offset;
}

}  // namespace scsim::exec
