// Random engines and requests for tests of the scheduler: small pools, prompts that share
// documents, quote answers and repeat each other, all knobs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/scheduler.h"
#include "tests/sim/written_out.h"

namespace scsim::test {

struct RandomRequest {
  std::vector<Span> prompt;
  ContentId output;
  std::int64_t prompt_tokens = 0, output_tokens = 1, max_tokens = 1;
  std::uint64_t salt = 0;
  std::int32_t priority = 0;
  std::int64_t arrival_step = 0;
  std::optional<std::int64_t> cancel_step;  // if it still waits or runs then

  // As long as it would be, or as long as was asked for at most.
  std::int64_t answer_tokens() const {
    return max_tokens > 0 ? std::min(output_tokens, max_tokens) : output_tokens;
  }
};

// What elsewhere has of a request and how it comes, drawn anew for each time it is loaded.
struct RandomLoad {
  std::int64_t stored = 0;  // its first tokens; 0: none
  std::int64_t delay = 0;   // steps
  double delivered = 1;     // part of what is missing that does come
  bool lossy = false;
};

struct RandomScheduling {
  sim::EngineKnobs knobs;
  std::int64_t num_blocks = 0, max_model_len = 0;
  std::vector<std::int64_t> windows;
  std::vector<RandomRequest> requests;  // in order of arrival
  std::uint64_t seed = 0;               // of what is loaded
  double stored = 0;                    // how often something is stored
  std::int64_t longest_delay = 0;

  // Of the request at a place in the list, when it has been loaded `times` times.
  RandomLoad load(std::size_t place, std::uint64_t times) const;

  std::string describe() const;
};

RandomScheduling random_scheduling(Rng& rng);
void add_random_loads(Rng& rng, RandomScheduling& scheduling);

// The request as the scheduler is told of it; `tag` is its place. It looks into `request`.
sim::JobSpec job_spec(const RandomRequest& request, std::uint64_t tag);

}  // namespace scsim::test
