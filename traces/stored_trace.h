// A whole trace in memory, parsed once for many runs over it.
//
//   auto trace = StoredTrace::load("docs.pb", 1 << 30);   // nothing where it takes more than that
//   if (trace && *trace) TraceReader reader = TraceReader::over(*trace);
//   else ... TraceReader::open("docs.pb") ...
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/trace.h"

namespace scsim {

class StoredTrace {
 public:
  // Null, and no error, where the requests would take more than `most_bytes`.
  static Expected<std::shared_ptr<const StoredTrace>> load(const std::string& path,
                                                           std::uint64_t most_bytes);

  TraceHeader header;
  TraceTables tables;
  std::vector<Request> requests;
  std::uint64_t bytes = 0;  // that the requests take
};

}  // namespace scsim
