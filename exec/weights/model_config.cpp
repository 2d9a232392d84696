#include "exec/weights/model_config.h"

#include "exec/weights/network_tensors.h"
#include "exec/weights/stored_tensor.h"

namespace scsim::exec {

std::int64_t ModelConfig::parameters() const {
  std::int64_t sum = 0;
  for (const NetworkTensor& tensor : network_tensors(*this)) sum += *count_elements(tensor.shape);
  return sum;
}

}  // namespace scsim::exec
