// Drives the engine with a trace, open or closed loop, and records what came of it.
//
//   auto clock = make_engine_clock("cpu", threads);
//   auto engine = Engine::make(model, knobs, (*clock)->timeline());
//   Expected<Result> result = replay(trace_path, **engine, **clock, options);
//
// Tokens are real: prompts are those of the trace's contents (content_tokens.h), answers what the
// model says, as long as the trace has them whatever the model would end them with; a later prompt
// that holds an answer holds what was answered.
//
// Not deterministic, even by the CPU clock: how long each step takes, so which arrivals it meets;
// given the same arrivals at each step all decisions are the same.
#pragma once

#include <functional>
#include <string>

#include "exec/engine/engine.h"
#include "exec/engine/engine_clock.h"
#include "exec/engine/trace_arrivals.h"
#include "traces/result.h"

namespace scsim::exec {

struct ReplayOptions {
  Encode encode = {};            // of contents with text; empty: as if they had none
  bool isolate_tenants = false;  // no tenant finds another's blocks
  // Told after each step: part of the requests that have ended, and how many.
  std::function<void(double, std::uint64_t)> progress = {};
  // Told each request's answer when it ends.
  std::function<void(RequestId, std::span<const std::int32_t>)> answered = {};
};

// The error is the trace's or the model's. REQUIRES: the engine is idle and has ended no request.
Expected<Result> replay(const std::string& trace_path, Engine& engine, EngineClock& clock,
                        const ReplayOptions& options);

}  // namespace scsim::exec
