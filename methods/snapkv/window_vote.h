// How SnapKV chooses, and PyramidKV with it: the queries of a prompt's last tokens vote for the
// tokens before them, neighbours share votes, and a head keeps the window and the tokens of the
// most votes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "exec/api/method_runtime.h"
#include "methods/snapkv/parameters.h"

namespace scsim::methods {

// `weights` [query_heads, tokens]: of each token before the window, its attention weights summed
// over the window's queries. Gives its votes [heads, tokens]: pooled, then of a kv head's query
// heads together or of each.
at::Tensor pooled_votes(const at::Tensor& weights, const WindowVote& vote, std::int64_t kv_heads);

class WindowVoteRuntime : public exec::MethodRuntime {
 public:
  explicit WindowVoteRuntime(const WindowVote& vote) : vote_(vote) {}
  bool compress(exec::LayerStep& step) final;

 private:
  // The most tokens that a head of the step's layer keeps when `seen` have been read.
  virtual std::int64_t most_kept(const exec::LayerStep& step, std::int64_t seen) const = 0;

  WindowVote vote_;
};

}  // namespace scsim::methods
