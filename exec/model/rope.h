// Rotary position embedding as a configuration says: frequencies with their scaling, and the table
// of cosines and sines that operators take, made longer as positions come.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "exec/weights/model_config.h"

namespace scsim::exec {

// Radians a position, for each pair of channels: rotary_dim / 2 of them.
std::vector<double> rope_frequencies(const RopeConfig& config);
// What cosines and sines are multiplied by (yarn; else 1).
double rope_attention_factor(const RopeConfig& config);

class RopeTable {
 public:
  RopeTable(const RopeConfig& config, at::Device device, at::ScalarType type)
      : config_(config), device_(device), type_(type) {}

  struct Rows {
    at::Tensor cos, sin;  // [positions, rotary_dim / 2]
  };
  Rows range(std::int64_t first, std::int64_t count);
  Rows at(std::span<const std::int64_t> positions);

 private:
  void reach(std::int64_t positions);

  RopeConfig config_;
  at::Device device_;
  at::ScalarType type_;
  std::int64_t made_ = 0;
  at::Tensor cos_, sin_;
};

}  // namespace scsim::exec
