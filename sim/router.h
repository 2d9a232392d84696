// Routers: which engine a request goes to.
//
// A router is a function of what it has heard: the request as its client sent it, views of the
// engines that are `staleness` old, and its own earlier decisions. It cannot reach into the
// simulator, and nothing it is given tells how long an answer will be or when its client comes back
// (INV-ORACLE). One file in sim/policies/, one test and one line `add_policy(x router)` add a
// router; round_robin.cpp is the shortest and the one to copy.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/policy.h"
#include "traces/expected.h"
#include "traces/time.h"
#include "traces/trace.h"

namespace scsim::sim {

// A request as its client sent it.
struct RoutableRequest {
  TenantId tenant;
  SessionId session;
  int turn = 0;
  std::span<const Span> prompt;
  std::int64_t prompt_tokens = 0;
  std::int64_t max_tokens = 0;  // 0: the client set no limit
  ContentId answer;  // names the answer to come, so that its continuation can be recognised
  int priority = 0;
};

// What an engine said of itself, `as_of` some moment in the past, and what the router sent it
// since.
struct EngineView {
  TimePoint as_of;
  std::int64_t waiting = 0, running = 0;
  std::int64_t pending_tokens = 0;  // prompt tokens of requests that wait or are being prefilled
  double used_blocks = 0;           // share of its KV blocks held by running requests
  std::int64_t cache_tokens = 0;    // size of its KV pool; constant
  std::int64_t sent_requests = 0, sent_tokens = 0;  // by the router since `as_of`
};

// A tier of the store that an engine can fetch KV from (sim/store/), as configured.
struct TierFacts {
  std::uint32_t instance = 0;    // which one: engines with the same number share it
  double seconds_per_token = 0;  // to the engine when nothing else moves, decoding included
  double latency = 0;            // seconds before the first byte
  std::int64_t tokens = 0;       // that it holds, those included that are written back to it
};

// What is known of an engine before anything runs, in seconds: `fresh` prompt tokens behind
// `cached` ones take about
//     max(step, token * fresh) + pair * (cached * fresh + fresh * (fresh + 1) / 2)
// and a step's decodes add
//     decode_sequence * sequences + decode_context_token * (tokens of context they read).
// Of an engine of which nothing is known, a prompt token takes one unit.
struct EngineFacts {
  double step = 0, token = 1, pair = 0;
  double decode_sequence = 0, decode_context_token = 0;
  std::int64_t step_tokens = 8192;  // that a step computes at most
  bool keeps_prefixes = true;
  bool always_fetches = false;  // or only what is sooner fetched than computed
  bool tiers_keep_answers = true;
  std::vector<TierFacts> tiers = {};  // nearest first
};

// The first token of an answer has passed the frontend.
struct AnsweredRequest {
  TenantId tenant;
  SessionId session;
  int turn = 0;
  std::size_t place = 0;  // of its engine
  std::int64_t prompt_tokens = 0;
  double seconds = 0;  // since the request's arrival
};

class Router {
 public:
  virtual ~Router() = default;
  // Once, before the first request: the engines, in the order of the views to come.
  virtual void meet(std::span<const EngineFacts>) {}
  // The view at that place is not what it was at the last call of route(). Who was never told so
  // has to look at all views at every call; who was once is told of every change.
  virtual void heard(std::size_t) {}
  // The place in `engines` of the one the request goes to. REQUIRES: at least one engine, and the
  // same number at every call.
  virtual std::size_t route(const RoutableRequest& request,
                            std::span<const EngineView> engines) = 0;
  // For those that learn; they may be told of requests that others have routed.
  virtual bool listens() const { return false; }
  virtual void answered(const AnsweredRequest&) {}
};

struct RouterEntry : PolicyDescription {
  // All parameters are present and in range; `seed` is for random choices.
  std::function<std::unique_ptr<Router>(const PolicyParameters& parameters, std::uint64_t seed)>
      make;
};

const std::vector<RouterEntry>& router_table();
// Errors name an unknown router or parameter with the nearest known one, and a value out of range.
Expected<std::unique_ptr<Router>> make_router(const std::string& name,
                                              const PolicyParameters& given, std::uint64_t seed);

}  // namespace scsim::sim
