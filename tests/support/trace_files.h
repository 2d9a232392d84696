// Traces written from memory and read into it.
//
//   TemporaryFolder folder;
//   write_trace(folder.file("a.pb"), contents, requests);
//   LoadedTrace trace = load_trace(folder.file("a.pb"));
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "traces/trace.h"

namespace scsim::test {

struct LoadedTrace {
  TraceHeader header;
  TraceTables tables;
  std::vector<Request> requests;
  std::vector<Tokens> contents;                                        // lengths, by id
  std::vector<std::tuple<ContentId, std::string, std::string>> texts;  // content, role, text
};

// Fails the test where the file cannot be read.
LoadedTrace load_trace(const std::string& path);

// Tenants "a", "b", ... and SLO classes "default", "slo 1", ... as many as the requests name; all
// else "default". Contents by id.
void write_trace(const std::string& path, const std::vector<Tokens>& contents,
                 const std::vector<Request>& requests);

// One request of session and turn 0 that asks at `arrival` for this prompt and one token.
Request open_request(TimePoint arrival, std::vector<Span> prompt);

std::string bytes_of(const std::string& path);

}  // namespace scsim::test
