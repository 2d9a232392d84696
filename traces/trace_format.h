// The table of formats that `scsim trace import` reads. One line `add_trace_format(x)` in
// traces/CMakeLists.txt, one file traces/x_importer.cpp and its test add one.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/trace.h"

namespace scsim {

struct ImportOption {
  std::string name, default_value, sentence;
};

struct ImportReport {
  std::uint64_t rows = 0, requests = 0, rejected = 0;
  std::vector<std::string> first_rejected;  // "in.jsonl:17: why", the first ten
  std::vector<std::string> assumptions;     // "4 characters per token", ...
};

struct ImportInputs {
  std::vector<std::string> paths;              // one, where the format is one file
  std::map<std::string, std::string> options;  // validated against the format's table
  bool strict = false;                         // stop at the first rejected row
};

struct TraceFormat {
  std::string name, sentence, source;
  std::vector<ImportOption> options;
  // Writes all requests through `writer` (not finish()). An error leaves no file behind.
  std::function<Expected<ImportReport>(const ImportInputs&, TraceWriter& writer)> import;
};

const std::vector<TraceFormat>& trace_format_table();
Expected<TraceFormat> find_trace_format(const std::string& name);

// The whole job: checks options by name, writes OUT.pb, gives the report.
Expected<ImportReport> import_trace(const std::string& format, const ImportInputs& inputs,
                                    const std::string& out, const std::string& made_by);

}  // namespace scsim
