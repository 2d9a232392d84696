// Traces with a bit of everything: open and closed loop, shared documents, turns that quote
// answers, requests with two parents, several tenants, clients that give up.
#pragma once

#include "tests/sim/small_cluster.h"

namespace scsim::test {

struct TraceTraits {
  std::uint64_t sessions = 40;
  double mean_pause_ms = 30;  // between sessions
  bool cancels = true, shared = true;
};

inline SmallTrace random_trace(Rng& rng, const TraceTraits& traits) {
  SmallTrace trace;
  std::vector<ContentId> documents;
  for (int i = 0; i < 4; ++i) documents.push_back(trace.content(120));
  double now_ms = 0;
  for (std::uint64_t session = 0; session < traits.sessions; ++session) {
    now_ms += rng.exponential(traits.mean_pause_ms);
    const std::uint64_t turns = 1 + rng.below(4);
    std::vector<Span> context;
    if (traits.shared && rng.chance(0.7))
      context.push_back({documents[rng.below(4)], Tokens(0), Tokens(between(rng, 1, 120))});
    for (std::uint64_t turn = 0; turn < turns; ++turn) {
      const std::int64_t question = between(rng, 1, 40);
      context.push_back({trace.content(question), Tokens(0), Tokens(question)});
      const std::uint64_t place = trace.requests().size();
      const std::vector<Span> prompt = context;
      Request& request = trace.ask(TimePoint(static_cast<std::int64_t>(now_ms * 1e6)), prompt,
                                   between(rng, 1, 50));
      request.session = SessionId(session);
      request.tenant = TenantId(session % 3);
      request.turn = static_cast<int>(turn);
      request.priority = static_cast<int>(rng.below(3));
      if (turn > 0 && rng.chance(0.8)) {
        request.arrival.reset();
        request.parents.emplace_back(place - 1);
        if (turn > 1 && rng.chance(0.3)) request.parents.emplace_back(place - 2);
        request.think = Duration(static_cast<std::int64_t>(rng.exponential(20e6)));
      }
      if (traits.cancels && rng.chance(0.1))
        request.cancel_after = Duration(1 + static_cast<std::int64_t>(rng.exponential(30e6)));
      if (traits.shared)
        context.push_back({request.output, Tokens(0), request.output_tokens});
      else
        context.clear();
    }
  }
  return trace;
}

}  // namespace scsim::test
