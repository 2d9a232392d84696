// Everything `--out DIR` writes: result.pb, requests.csv, summary.json, report.html, trace.json.
#pragma once

#include <string>
#include <vector>

#include "analysis/summary.h"

namespace scsim::analysis {

struct WrittenFiles {
  std::vector<std::string> paths;
  std::vector<std::string> notes;  // for stderr: what a file left out
};

// Makes the directory where it does not exist. Each file appears under its name when it is whole;
// the first that fails ends the call with its message.
Expected<WrittenFiles> write_outputs(const Result& result, const Summary& summary,
                                     const std::string& directory);

// Makes the directory and those above it, where they do not exist.
Expected<void> make_directory(const std::string& directory);

}  // namespace scsim::analysis
