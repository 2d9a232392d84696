// A folder's safetensors files, memory-mapped: model.safetensors, or the shards that
// model.safetensors.index.json lists. A file is eight bytes of header length (little-endian), a
// JSON header that names tensors and their places, and the tensors.
#pragma once

#include <string>
#include <vector>

#include "exec/weights/mapped_file.h"
#include "exec/weights/stored_tensor.h"
#include "traces/expected.h"

namespace scsim::exec {

struct Safetensors {
  std::vector<MappedFile> files;  // keeps the tensors' bytes mapped
  std::vector<StoredTensor> tensors;
};

// Every length and place is checked against the files, and that no two tensors of a file overlap;
// errors name file and tensor. Tensors of other types than F32, F16 and BF16 are left out.
Expected<Safetensors> open_safetensors(const std::string& folder);

}  // namespace scsim::exec
