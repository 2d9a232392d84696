// What each GPU of an engine does in one step: operations with their counts, no time yet.
//
// Made once from the model's shape and how it is sharded; a cost model then says how long each
// takes. The roofline (cost_models/roofline.cpp, whose head defines every operation) is the first
// to do so.
#pragma once

#include <cstdint>
#include <vector>

#include "cost_models/shapes.h"

namespace scsim::cost_models {

// One kind of operation, done `count` times a step.
struct Operation {
  double count = 1;
  double flops = 0, bytes = 0;  // per token (logits: per sampled sequence)
  double weight_bytes = 0;      // read once however many tokens there are; of experts: each touched
  bool fp8 = false;             // at the fp8 rate
};

// The experts of one layer class on one GPU. Bytes and operations are per token of the engine.
struct Experts {
  double here = 0;      // experts on this GPU
  double log_miss = 0;  // log(1 - k/E): that a token does not go to a given expert
  bool all = false;     // k == E
  double tokens = 1;    // tokens that may come to this GPU per token of the engine
  std::vector<Operation> operations;

  // Expected number of distinct experts here that n > 0 tokens of the engine touch.
  double touched(double n) const;
};

struct Attention {
  double count = 0;
  int window = -1;          // index into windows, -1: attends to everything
  double pair_flops = 0;    // prefill, per attended pair
  double cache_bytes = 0;   // per token of one layer
  double decode_flops = 0;  // per token of context
};

struct Recurrent {
  double count = 0;
  double scan_flops = 0;   // per token of a prefill
  double state_bytes = 0;  // of one sequence
};

struct Transfer {
  double exchanges = 0;  // each waits for the links' latency once
  double bytes = 0;      // that every GPU sends, per token (logits: per sampled sequence)
};

struct StepOperations {
  // in layers
  std::vector<Operation> per_token, per_cached_token;  // new tokens; also those that prefills read
  std::vector<Experts> experts;
  std::vector<Attention> attention;
  std::vector<Recurrent> recurrent;
  Transfer layer_transfer;
  // once a step
  Operation embedding, logits;
  Transfer step_transfer, logits_transfer;
  std::vector<std::int64_t> windows;  // sizes of sliding windows
};

// REQUIRES: check_parallel(model, parallel).
StepOperations step_operations(const ModelShape& model, const Parallel& parallel,
                               const Precision& precision);

}  // namespace scsim::cost_models
