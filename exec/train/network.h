// A network whose weights autograd can reach: what exec/model computes, written in libtorch's
// differentiable operations, for the three shapes that a recipe can ask for (Llama, Mamba-2,
// Bamba).
//
//   Network network(config, seed);
//   at::Tensor h = network.hidden(tokens);                   // tokens [rows, tokens]
//   at::Tensor loss = at::cross_entropy_loss(network.logits(h.flatten(0, 1)), targets);
//   loss.backward();                                         // parameters have gradients now
//
// Model::load() of what save_model() writes computes the same logits; a test holds it to that.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>

#include "exec/model/rope.h"
#include "exec/weights/model_config.h"

namespace scsim::exec {

class Network {
 public:
  // Random weights: matrices as wide as keeps what goes through them of one size, those that a
  // layer adds by smaller the more layers there are; time steps of recurrences from 0.001 to 0.1,
  // rates from 1 to 16 (as Mamba-2's authors begin). REQUIRES: a config of network_config().
  Network(const ModelConfig& config, std::uint64_t seed);

  // What the last norm gives [rows, tokens, hidden] for tokens [rows, tokens] of type int64; a
  // token sees those before it in its row.
  at::Tensor hidden(const at::Tensor& tokens);
  at::Tensor logits(const at::Tensor& hidden) const;  // [..., hidden] -> [..., vocabulary]

  const ModelConfig& config() const { return config_; }
  // By the names of exec/weights/network_tensors.h; float32, on the CPU.
  std::map<std::string, at::Tensor>& parameters() { return parameters_; }
  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }

 private:
  const at::Tensor& weight(const std::string& name) const;
  at::Tensor norm(const at::Tensor& x, const std::string& name) const;
  at::Tensor attend(const at::Tensor& h, const std::string& layer);
  at::Tensor recur(const at::Tensor& h, const std::string& layer) const;

  ModelConfig config_;
  RopeTable rope_;
  std::map<std::string, at::Tensor> parameters_;
};

}  // namespace scsim::exec
