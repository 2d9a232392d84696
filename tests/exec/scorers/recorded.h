// The rows of tests/data/scorers/NAME.jsonl, which make_scores.py there wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "traces/files.h"

namespace scsim::exec {

inline std::vector<nlohmann::json> recorded(const std::string& name) {
  const std::string folder = SCSIM_SOURCE_DIR "/tests/data/scorers/";
  LineReader reader = LineReader::open(folder + name + ".jsonl").value();
  std::vector<nlohmann::json> rows;
  for (std::string line; reader.next(line).value();) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

}  // namespace scsim::exec
