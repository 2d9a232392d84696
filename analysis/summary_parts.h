// The parts of summarise(), one file each. They run in the order below, and each may read what the
// ones before it have filled in.
#pragma once

#include "analysis/summary.h"

namespace scsim::analysis {

// groups.cpp
void summarise_groups(const Result& result, Summary& summary);
void summarise_slos(const Result& result, Summary& summary);
void summarise_rates(const Result& result, Summary& summary);
std::string tenant_name(const Result& result, std::size_t tenant);

// engines.cpp
void summarise_engines(const Result& result, Summary& summary);
void summarise_lifetimes(const Result& result, Summary& summary);
void summarise_cache_worth(const Result& result, Summary& summary);
void summarise_money(const Result& result, Summary& summary);

// verdict.cpp
Verdict judge_load(const Result& result, const Summary& summary);

// bottleneck.cpp
BottleneckFinding find_bottleneck(const Result& result, const Summary& summary);

// gap_quantiles.cpp: linear inside a bin; the mean and the worst gap are exact.
Distribution describe_gaps(const GapHistogram& gaps);

}  // namespace scsim::analysis
