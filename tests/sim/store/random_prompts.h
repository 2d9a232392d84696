// Prompts that repeat, continue and leave earlier ones, of a few tenants.
#pragma once

#include "tests/sim/random_cluster.h"

namespace scsim::test {

inline SmallTrace random_prompts(Rng& rng, int requests) {
  SmallTrace trace;
  for (int i = 0; i < requests; ++i) {
    std::vector<Span> prompt;
    if (i > 0 && rng.chance(0.7)) {  // an earlier one, or its beginning
      const std::vector<Request>& all = trace.requests();
      const std::uint64_t recent = std::min<std::uint64_t>(all.size(), 12);
      prompt = all[all.size() - 1 - rng.below(rng.chance(0.5) ? recent : all.size())].prompt;
      if (rng.chance(0.5)) prompt.resize(1 + rng.below(prompt.size()));
    }
    if (prompt.empty() || rng.chance(0.6)) {
      const std::int64_t tokens = between(rng, 1, 30);
      prompt.push_back({trace.content(tokens), Tokens(0), Tokens(tokens)});
    }
    if (prompt.size() > 6) prompt.resize(6);
    trace.ask(TimePoint(0), prompt, 1).tenant = TenantId(rng.below(3));
  }
  return trace;
}

}  // namespace scsim::test
