// The times of one request, as vLLM defines them, and whether it met its targets.
#pragma once

#include <algorithm>
#include <optional>

#include "traces/result.h"

namespace scsim::analysis {

inline bool finished(const RequestResult& r) { return r.outcome == Outcome::kFinished; }

inline bool admitted(const RequestResult& r) {
  return finished(r) || r.output_tokens > 0 || r.scheduled.ns() > 0;
}

// In seconds; absent where the request produced too few tokens to have one.
inline std::optional<double> ttft(const RequestResult& r) {
  if (r.output_tokens < 1) return std::nullopt;
  return (r.first_token - r.arrival).seconds().value();
}
inline std::optional<double> tpot(const RequestResult& r) {
  if (r.output_tokens < 2) return std::nullopt;
  return (r.end - r.first_token).seconds().value() / static_cast<double>(r.output_tokens - 1);
}
inline double e2e(const RequestResult& r) { return (r.end - r.arrival).seconds().value(); }

struct TargetsMet {
  bool ttft = false, tpot = false, e2e = false;
  bool all() const { return ttft && tpot && e2e; }
};

inline bool has_targets(const SloClass& slo) { return slo.ttft || slo.tpot || slo.e2e; }

// A target that a class does not have is met by every finished request; a request that did not
// finish meets none. An answer of one token has no TPOT and meets that target.
inline TargetsMet targets_met(const RequestResult& r, const SloClass& slo) {
  if (!finished(r)) return {};
  const auto within = [](const std::optional<Duration>& target, std::optional<double> seconds) {
    return !target || !seconds || *seconds <= target->seconds().value();
  };
  return {within(slo.ttft, ttft(r)), within(slo.tpot, tpot(r)), within(slo.e2e, e2e(r))};
}

// The targets in force for `r`; a class without any where the result names none.
inline const SloClass& slo_of(const Result& result, const RequestResult& r) {
  static const SloClass kNone;
  return r.slo < result.slos.size() ? result.slos[r.slo] : kNone;
}

// Prompt tokens of an admitted request that were neither found nor fetched, and what preemptions
// had computed again.
inline std::int64_t computed_tokens(const Result& result, std::size_t request) {
  const RequestResult& r = result.requests[request];
  if (!admitted(r)) return 0;
  std::int64_t tokens = r.prompt_tokens - r.found_tokens + r.recomputed_tokens;
  if (request < result.fetches.size())
    for (const std::int64_t fetched : result.fetches[request].tokens) tokens -= fetched;
  return std::max<std::int64_t>(0, tokens);
}

}  // namespace scsim::analysis
