// A checkpoint on disk, memory-mapped: a Hugging Face folder (config.json, safetensors, sharded or
// not) or a GGUF file. Tensors go by their Hugging Face names
// ("model.layers.3.self_attn.q_proj.weight") and have Hugging Face's row order whatever the file
// is, so the runtime knows one naming.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec/weights/element_type.h"
#include "exec/weights/model_config.h"
#include "traces/expected.h"

namespace scsim::exec {

struct TensorInfo {
  std::string name;                 // Hugging Face's
  std::vector<std::int64_t> shape;  // row-major, outermost first
  ElementType type = ElementType::kF32;
  std::int64_t elements() const;
};

class Checkpoint {
 public:
  // A folder with config.json, or a .gguf file. Checks that every tensor of the family is there
  // with the shape that the configuration implies; the error names the first that is not.
  static Expected<Checkpoint> open(const std::string& path);
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const ModelConfig& config() const;
  const std::string& path() const;
  std::string format() const;                      // "safetensors, bf16", "GGUF, Q4_1", for people
  const std::vector<TensorInfo>& tensors() const;  // in the order of their names
  const TensorInfo* find(std::string_view name) const;
  // Writes the tensor's values as float32 to `out`. REQUIRES: find(name), out of its elements.
  void read(std::string_view name, std::span<float> out) const;

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace scsim::exec
