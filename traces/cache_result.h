// What `scsim cache` found: how many blocks of a trace's prompts a cache of some size has when they
// are asked for, by policy and capacity, without a clock.
//
// Requests come in file order. Each is judged before it touches anything: found are the leading
// blocks of its prompt that are there (or, of blocks that forget that they are a tree, every one
// that is there when its turn comes). Then all its blocks come to be there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/trace.h"

namespace scsim {

struct CacheHits {
  std::int64_t blocks = 0, tokens = 0;
  friend bool operator==(const CacheHits&, const CacheHits&) = default;
};

struct CacheRow {
  std::string policy;  // with its parameters, as it was asked for
  bool oracle = false;
  std::int64_t capacity_blocks = 0;
  CacheHits hits;
  friend bool operator==(const CacheRow&, const CacheRow&) = default;
};

struct CachePoint {
  std::int64_t capacity_blocks = 0;
  CacheHits hits;
};

struct CacheStudy {
  std::string trace;  // path
  TraceHeader header;

  // What was asked.
  std::int64_t block_tokens = 0;
  bool tail = true;      // the last, partly filled block of a prompt is a block
  bool outputs = false;  // answers are kept behind their prompts
  bool isolate_tenants = false;
  bool flat = false;  // blocks forget that they are a tree

  std::int64_t requests = 0;
  CacheHits total;                   // asked for
  std::int64_t unique_blocks = 0;    // that many hold all there ever is
  CacheHits ideal;                   // found with room for all
  std::vector<CacheRow> rows;        // by policy in the order given, then by capacity
  std::vector<CachePoint> lru;       // lru, leaves first, at more capacities; increasing
  std::vector<std::string> honesty;  // what rows rest on
};

}  // namespace scsim
