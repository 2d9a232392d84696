// What a router may know of an engine for good: a few coefficients in place of its cost model.
#pragma once

#include "sim/engine.h"
#include "sim/router.h"

namespace scsim::sim {

// From exact costs of a few steps: the shortest prefill, a full step at the start of a prompt, and
// one deep in it; between them the roofline bends, so what they give is an estimate. No tiers.
EngineFacts engine_facts(const EngineSettings& settings);

// The formula of EngineFacts.
inline double attention_seconds(const EngineFacts& facts, double cached, double fresh) {
  return facts.pair * fresh * (cached + (fresh + 1) / 2);
}

}  // namespace scsim::sim
