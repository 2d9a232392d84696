// The table of formats that `scsim trace import` reads. One line `add_trace_format(x)` in
// traces/CMakeLists.txt, one file traces/x_importer.cpp and its test add one. azure_importer.cpp is
// the shortest and the one to copy.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"
#include "traces/trace.h"

namespace scsim {

struct ImportOption {
  std::string name, default_value, sentence;
};

struct ImportReport {
  // Every row is a request, rejected, or left out by a rule of the format that `assumptions`
  // states.
  std::uint64_t rows = 0, requests = 0, rejected = 0, left_out = 0;
  std::vector<std::string> first_rejected;  // "in.jsonl:17: why", the first ten
  std::vector<std::string> assumptions;  // "4 characters per token", ...; also in the trace's notes
};

struct ImportInputs {
  std::vector<std::string> paths;              // one, where the format is one file
  std::map<std::string, std::string> options;  // validated against the format's table
  bool strict = false;                         // stop at the first rejected row
};

// The options of one import: what was given, else the format's default. The getters' errors name
// the option and what was expected. REQUIRES of all: `name` is in the format's table.
class ImportOptions {
 public:
  static Expected<ImportOptions> make(const std::vector<ImportOption>& table,
                                      const std::map<std::string, std::string>& given);
  bool given(const std::string& name) const;
  const std::string& text(const std::string& name) const;
  Expected<std::int64_t> integer(const std::string& name, std::int64_t min,
                                 std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
  Expected<double> number(const std::string& name, double min) const;  // above `min`
  Expected<bool> flag(const std::string& name) const;
  // One of `choices`.
  Expected<std::string> choice(const std::string& name,
                               const std::vector<std::string>& choices) const;

 private:
  const ImportOption& entry(const std::string& name) const;
  std::vector<ImportOption> table_;
  std::map<std::string, std::string> given_;
};

// Creates the trace, once all that is assumed of the input is known: the sentences become its
// notes.
using OpenTrace = std::function<Expected<TraceWriter>(const std::vector<std::string>& assumptions)>;

struct TraceFormat {
  std::string name, sentence, source;
  std::vector<ImportOption> options;
  // Opens the trace, writes all requests and finishes it. An error leaves no file behind.
  std::function<Expected<ImportReport>(const ImportInputs&, const ImportOptions&, const OpenTrace&)>
      import;
};

const std::vector<TraceFormat>& trace_format_table();
Expected<TraceFormat> find_trace_format(const std::string& name);

// The whole job: checks options by name, writes OUT.pb, gives the report.
Expected<ImportReport> import_trace(const std::string& format, const ImportInputs& inputs,
                                    const std::string& out, const std::string& made_by);

}  // namespace scsim
