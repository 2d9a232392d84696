// Clusters and traces small enough to compute by hand: steps whose time is a sum of a few linear
// terms, prompts that nobody shares unless told to.
//
//   SmallTrace trace;
//   trace.ask(at_ms(0), 100, 10);                       // prompt and answer, in tokens
//   const Result result = run(trace, small_cluster({.step = 1e-3}, knobs, 1000));
#pragma once

#include <cstdint>
#include <vector>

#include "sim/simulation.h"
#include "tests/sim/written_out.h"

namespace scsim::test {

inline TimePoint at_ms(std::int64_t ms) { return TimePoint(ms * 1'000'000); }
inline Duration for_ms(std::int64_t ms) { return Duration(ms * 1'000'000); }

struct LinearCost {  // seconds
  double step = 0, prefill_token = 0, prefill_pair = 0;
  double decode_sequence = 0, context_token = 0, windowed_token = 0;
  std::vector<std::int64_t> windows = {};
};

// One pool of engines of one GPU each, round robin.
sim::Cluster small_cluster(const LinearCost& cost, const sim::EngineKnobs& knobs,
                           std::int64_t num_blocks, int engines = 1);
sim::Pool small_pool(const LinearCost& cost, const sim::EngineKnobs& knobs, std::int64_t num_blocks,
                     int engines = 1);

class SmallTrace {
 public:
  ContentId content(std::int64_t tokens);
  // The reference is good until the next call. Requests must come in order of arrival.
  Request& ask(TimePoint arrival, std::int64_t prompt_tokens, std::int64_t output_tokens);
  Request& ask(TimePoint arrival, const std::vector<Span>& prompt, std::int64_t output_tokens);
  Request& follow(const std::vector<std::uint64_t>& parents, Duration think,
                  std::int64_t prompt_tokens, std::int64_t output_tokens);

  std::vector<Request>& requests() { return requests_; }
  const std::vector<Request>& requests() const { return requests_; }
  std::vector<Tokens>& contents() { return contents_; }
  const std::vector<Tokens>& contents() const { return contents_; }

 private:
  std::vector<Tokens> contents_;
  std::vector<Request> requests_;
};

// Writes the trace to a file and simulates that.
Result run(const SmallTrace& trace, const sim::Cluster& cluster);
// The request's result, by its place in the trace.
const RequestResult& result_of(const Result& result, std::uint64_t request);

}  // namespace scsim::test
