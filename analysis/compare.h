// Two results side by side: what changed, and how sure that is.
//
//   Comparison comparison = compare(a, b, {});
//   std::fputs(comparison_text(comparison).c_str(), stdout);
//
// Where both ran the same trace, requests are paired by their place in it: the difference B - A of
// each request that finished in both and was measured in both, in order of arrival in A, so that
// the interval of the mean difference (batch means) is free of what differs between requests. Where
// the traces differ, a sentence says how, and only the two summaries are set side by side.
#pragma once

#include <string>
#include <vector>

#include "analysis/summary.h"

namespace scsim::analysis {

// A request got better or worse when it changed by more than this part of what it was in A.
inline constexpr double kSameWithin = 0.01;

struct PairedMetric {
  std::string_view name;                         // "TTFT", ...
  Distribution difference;                       // B - A, seconds; `worst` is the largest increase
  std::int64_t better = 0, same = 0, worse = 0;  // shorter, within 1 %, longer
};

struct Comparison {
  std::string name_a, name_b;
  Summary a, b;
  std::vector<std::string> cluster_a, cluster_b;  // lines of the cluster that only this one has
  std::string why_unpaired;                       // empty: the traces are the same
  std::int64_t pairs = 0;                         // finished and measured in both
  std::int64_t finished_only_in_a = 0, finished_only_in_b = 0;  // among those measured in both
  std::vector<PairedMetric> paired;

  bool is_paired() const { return why_unpaired.empty(); }
};

// The names are what the reports call the two, such as their paths.
Comparison compare(const Result& a, const Result& b, const SummaryOptions& options,
                   const std::string& name_a, const std::string& name_b);

// For the terminal.
std::string comparison_text(const Comparison& comparison);

}  // namespace scsim::analysis
