// The processes of one mpirun, or this one alone. ranks.cpp is compiled with Open MPI where that
// was found (SCSIM_MPI).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "traces/expected.h"

namespace scsim::analysis {

// This class itself: a process alone.
class Ranks {
 public:
  // Under mpirun every process calls it, once. The error: started by mpirun, built without MPI.
  static Expected<std::unique_ptr<Ranks>> join();
  virtual ~Ranks() = default;

  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }

  struct Message {
    int from = 0;
    std::string bytes;
  };
  // Messages between rank 0 and the others. REQUIRES: called by the thread that called join().
  virtual std::optional<Message> poll() { return std::nullopt; }  // what has come, if anything
  virtual void send(int /*to*/, const std::string& /*bytes*/) {}
};

}  // namespace scsim::analysis
