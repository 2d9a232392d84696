// What `scsim cache` prints and writes of a study (traces/cache_result.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "traces/cache_result.h"
#include "traces/expected.h"

namespace scsim::analysis {

// What the ratios are of, as "term: full sentence": the same in every output. Those of the gap and
// of oracles only where the study has some.
std::vector<std::string> definitions(const CacheStudy& study);

// The part of the way from LRU to the offline optimum that the row goes; nothing where the study
// has no optimum at this capacity, or where it finds no more than LRU.
std::optional<double> gap_closed(const CacheStudy& study, const CacheRow& row);

// The rows by capacity, of equal ones in the order of the study.
std::vector<const CacheRow*> by_capacity(const CacheStudy& study);

std::string cache_text(const CacheStudy& study);  // for the terminal
std::string cache_json(const CacheStudy& study);
std::string cache_html(const CacheStudy& study);  // like analysis/html_report.h
std::string cache_curve_csv(const CacheStudy& study);

// cache.json, curve.csv and report.html; makes the directory. Gives their paths.
Expected<std::vector<std::string>> write_cache_outputs(const CacheStudy& study,
                                                       const std::string& directory);

}  // namespace scsim::analysis
