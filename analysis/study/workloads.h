// The traces that the points of a study serve: made once, parsed once, and shared by all threads
// as long as they fit into memory.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "analysis/study/design.h"
#include "traces/stored_trace.h"
#include "traces/trace.h"

namespace scsim::analysis {

class Workloads {
 public:
  // `most_bytes`: of requests held in memory at a time. What does not fit is read from its file at
  // every run; made traces (of recipes, and of loads other than 1) then stay in a folder of the
  // system's temporary one until the end.
  explicit Workloads(std::uint64_t most_bytes);
  ~Workloads();
  Workloads(const Workloads&) = delete;
  Workloads& operator=(const Workloads&) = delete;

  // A reader at the start of the trace. From any thread; who asks for a trace that another one is
  // making waits for it. `requests`: the first so many alone.
  Expected<TraceReader> open(const Workload& workload,
                             std::optional<std::uint64_t> requests = std::nullopt);

 private:
  using Key = std::pair<Workload, std::uint64_t>;
  struct Entry {
    bool made = false;
    std::string error;
    std::shared_ptr<const StoredTrace> stored;
    std::string path;  // where it is not stored
    std::uint64_t last_use = 0;
  };
  void make(const Key& key, Entry& entry);
  void make_room(std::uint64_t bytes);
  Expected<std::string> temporary(const std::string& name);

  std::uint64_t most_bytes_, held_bytes_ = 0, uses_ = 0, files_ = 0;
  std::string folder_;  // of temporary files; empty: none so far
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, std::shared_ptr<Entry>> entries_;
};

// A number that tells the file's bytes; the error says that it cannot be read.
Expected<std::string> checksum_of(const std::string& path);

}  // namespace scsim::analysis
