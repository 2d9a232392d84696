// What `scsim cache` prints and writes of a study (traces/cache_result.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "traces/cache_result.h"
#include "traces/expected.h"

namespace scsim::analysis {

// What the ratios are of, in full sentences: the same in every output.
std::string block_ratio_definition(const CacheStudy& study);
std::string token_ratio_definition(const CacheStudy& study);
std::string ideal_definition(const CacheStudy& study);
std::string gap_definition();

// The part of the way from LRU to the offline optimum that the row goes; nothing where the study
// has no optimum at this capacity, or where it finds no more than LRU.
std::optional<double> gap_closed(const CacheStudy& study, const CacheRow& row);

std::string cache_text(const CacheStudy& study);  // for the terminal
std::string cache_json(const CacheStudy& study);
std::string cache_curve_csv(const CacheStudy& study);

// cache.json and curve.csv; makes the directory. Gives their paths.
Expected<std::vector<std::string>> write_cache_outputs(const CacheStudy& study,
                                                       const std::string& directory);

}  // namespace scsim::analysis
