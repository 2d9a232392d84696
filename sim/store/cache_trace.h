// The requests of a trace as a cache without a clock meets them.
//
//   auto trace = CacheTrace::open("conversation.pb", keeping, paths);
//   CacheRequest request;
//   while (*trace->next(request)) { ...; paths.drop_reference(request.path); }
#pragma once

#include <string>

#include "sim/store/eviction.h"
#include "sim/token_path.h"
#include "traces/trace.h"

namespace scsim::sim {

// What of a request is a block, and who shares it.
struct CacheKeeping {
  std::int64_t block_tokens = 512;
  bool tail = true;              // the last, partly filled block counts and is kept
  bool outputs = false;          // answers are kept behind their prompts
  bool isolate_tenants = false;  // nobody finds what another tenant's requests left

  std::int64_t blocks(std::int64_t tokens) const {
    return tokens / block_tokens + (tail && tokens % block_tokens != 0 ? 1 : 0);
  }
  // Of the first `blocks` of a prompt of so many tokens.
  std::int64_t tokens(std::int64_t blocks, std::int64_t prompt_tokens) const {
    return std::min(blocks * block_tokens, prompt_tokens);
  }
};

struct CacheRequest {
  PathId path = kNoPath;           // the reader's to drop
  std::int64_t prompt_tokens = 0;  // of the path: what is judged
  std::int64_t kept_tokens = 0;    // of the path: what is there afterwards
  Use use;                         // at Request::earliest; numbered from 0
};

class CacheTrace {
 public:
  static Expected<CacheTrace> open(const std::string& path, const CacheKeeping& keeping,
                                   TokenPaths& paths);
  // False at the end of the file.
  Expected<bool> next(CacheRequest& request);
  const TraceHeader& header() const { return reader_.header(); }
  double progress() const { return reader_.progress(); }

 private:
  CacheTrace(TraceReader reader, const CacheKeeping& keeping, TokenPaths& paths)
      : reader_(std::move(reader)), keeping_(keeping), paths_(&paths) {}

  TraceReader reader_;
  CacheKeeping keeping_;
  TokenPaths* paths_;
  Request request_;
};

}  // namespace scsim::sim
