// Traces in files that are gone when the test is, and all of a trace in memory.
//
//   TraceFolder folder;
//   write_trace(folder / "a.pb", contents, requests);
//   LoadedTrace trace = load_trace(folder / "a.pb");
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "traces/trace.h"

namespace scsim::test {

class TraceFolder {
 public:
  TraceFolder();
  ~TraceFolder();
  TraceFolder(const TraceFolder&) = delete;
  TraceFolder& operator=(const TraceFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct LoadedTrace {
  TraceHeader header;
  TraceTables tables;
  std::vector<Request> requests;
  std::vector<Tokens> contents;                                        // lengths, by id
  std::vector<std::tuple<ContentId, std::string, std::string>> texts;  // content, role, text
};

// Fails the test where the file cannot be read.
LoadedTrace load_trace(const std::string& path);

// Tenants "a", "b", ... as many as the requests name; all else "default". Contents by id.
void write_trace(const std::string& path, const std::vector<Tokens>& contents,
                 const std::vector<Request>& requests);

// One request of session and turn 0 that asks at `arrival` for this prompt and one token.
Request open_request(TimePoint arrival, std::vector<Span> prompt);

std::string bytes_of(const std::string& path);

}  // namespace scsim::test
