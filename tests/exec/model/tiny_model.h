// A tiny checkpoint loaded, with what transformers computed from it.
#pragma once

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exec/model/model.h"
#include "tests/exec/api/measured.h"
#include "tests/exec/weights/tiny_models.h"

namespace scsim::test {

struct TinyModel {
  std::unique_ptr<exec::Model> model;
  std::vector<std::int32_t> tokens;
  at::Tensor logits;  // [tokens, vocabulary], of transformers

  std::span<const std::int32_t> range(std::size_t from, std::size_t to) const {
    return std::span(tokens).subspan(from, to - from);
  }
};

// `file` is "" for the folder, "/model.gguf" for the other.
inline TinyModel load_tiny(const std::string& name, const exec::ModelOptions& options = {},
                           const std::string& file = "") {
  TinyModel tiny;
  auto checkpoint = exec::Checkpoint::open(kTinyModels + name + file);
  INFO((checkpoint ? "" : checkpoint.error().message));
  REQUIRE(checkpoint.has_value());
  auto model = exec::Model::load(*checkpoint, options);
  INFO((model ? "" : model.error().message));
  REQUIRE(model.has_value());
  tiny.model = std::move(*model);
  for (const float token : expected(name, "tokens")) {
    tiny.tokens.push_back(static_cast<std::int32_t>(token));
  }
  const std::vector<float> logits = expected(name, "logits");
  tiny.logits = at::tensor(logits).reshape({std::ssize(tiny.tokens), -1});
  return tiny;
}

inline at::Tensor value(Expected<at::Tensor> logits) {
  INFO((logits ? "" : logits.error().message));
  REQUIRE(logits.has_value());
  return *logits;
}

inline double distance(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a - b).abs().max().item<double>();
}

}  // namespace scsim::test
