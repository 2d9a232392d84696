// A trace as JSON lines, one object per request in file order:
//
//   {"request":3,"tenant":"acme","session":1,"turn":1,"parents":[0],"think_ns":45000000000,
//    "earliest_ns":45100000000,"model":"default","prompt":[[0,0,1500],[7,0,16000]],
//    "prompt_tokens":17500,"output_content":9,"output_tokens":350,"max_tokens":1024,
//    "task":"document_qa","slo":"default","priority":0}
//
// A span is [content, first token, count]. Open loop has "arrival_ns" in place of think_ns and
// earliest_ns; "cancel_after_ns" is there where a client gives up. With contents, objects
// {"content":7,"tokens":16000} and {"content":7,"role":"document","text":"..."} come before the
// requests that need them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "traces/expected.h"

namespace scsim {

struct DumpOptions {
  bool contents = false;
  std::function<void(double)> progress{};  // called with the part read, 0..1, now and then
};

// Writes to `out`, or to stdout if it is empty; gives the number of requests.
Expected<std::uint64_t> dump_trace(const std::string& in, const std::string& out,
                                   const DumpOptions& options = {});

}  // namespace scsim
