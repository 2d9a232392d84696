#include "exec/api/measure.h"

#include <algorithm>

namespace scsim::exec {

StageCounts& StageCounts::operator+=(const StageCounts& other) {
  tokens += other.tokens;
  attended_pairs += other.attended_pairs;
  operations += other.operations;
  bytes_read += other.bytes_read;
  bytes_allocated += other.bytes_allocated;
  bytes_freed += other.bytes_freed;
  bytes_moved += other.bytes_moved;
  peak_bytes = std::max(peak_bytes, other.peak_bytes);
  return *this;
}

}  // namespace scsim::exec
