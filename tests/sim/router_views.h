// Views of engines, routers by name, and requests, for tests of routers.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "sim/router.h"
#include "tests/sim/written_out.h"

namespace scsim::test {

inline std::unique_ptr<sim::Router> router(const std::string& name,
                                           const sim::PolicyParameters& parameters = {},
                                           std::uint64_t seed = 0) {
  Expected<std::unique_ptr<sim::Router>> made = sim::make_router(name, parameters, seed);
  if (!made) FAIL(made.error().message);
  return std::move(*made);
}

inline std::string router_error(const std::string& name,
                                const sim::PolicyParameters& parameters = {}) {
  const Expected<std::unique_ptr<sim::Router>> made = sim::make_router(name, parameters, 0);
  return made ? "" : made.error().message;
}

// The request lives as long as `prompt`.
inline sim::RoutableRequest request_for(const std::vector<Span>& prompt, std::uint64_t session = 0,
                                        ContentId answer = {}) {
  sim::RoutableRequest request;
  request.tenant = TenantId(0);
  request.session = SessionId(session);
  request.prompt = prompt;
  for (const Span& span : prompt) request.prompt_tokens += span.count.value();
  request.answer = answer;
  return request;
}

inline std::vector<sim::EngineView> idle_engines(std::size_t count,
                                                 std::int64_t cache_tokens = 1'000'000) {
  sim::EngineView view;
  view.cache_tokens = cache_tokens;
  return std::vector<sim::EngineView>(count, view);
}

// Engines as loaded as chance has it; sent counts as if views were stale.
inline std::vector<sim::EngineView> random_engines(Rng& rng, std::size_t count) {
  std::vector<sim::EngineView> views = idle_engines(count, 5000);
  for (sim::EngineView& view : views) {
    view.waiting = between(rng, 0, 3);
    view.running = between(rng, 0, 12);
    view.pending_tokens = between(rng, 0, 500);
    view.used_blocks = rng.uniform();
    view.sent_requests = between(rng, 0, 3);
    view.sent_tokens = view.sent_requests * between(rng, 1, 100);
  }
  return views;
}

}  // namespace scsim::test
