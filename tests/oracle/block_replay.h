// The slow and obvious count of prefix hits: every prompt is cut into blocks, a block is the exact
// slice of contents it holds, and a cache without limit remembers every block below the blocks that
// came before it. Hits are judged before the request itself enters the cache. A partial block at
// the end of a prompt is a block like others.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "traces/trace.h"

namespace scsim::test {

struct BlockCounts {
  std::int64_t blocks = 0, hits = 0, distinct = 0;
};

inline std::vector<std::vector<Span>> cut_into_blocks(const Request& request, Tokens block_tokens) {
  std::vector<std::vector<Span>> blocks;
  Tokens room{0};  // left in the last block
  for (Span span : request.prompt) {
    while (span.count > Tokens(0)) {
      if (room == Tokens(0)) {
        blocks.emplace_back();
        room = block_tokens;
      }
      const Tokens part = std::min(room, span.count);
      std::vector<Span>& block = blocks.back();
      if (!block.empty() && block.back().content == span.content &&
          block.back().first + block.back().count == span.first) {
        block.back().count += part;
      } else {
        block.push_back(Span{span.content, span.first, part});
      }
      span.first += part;
      span.count -= part;
      room -= part;
    }
  }
  return blocks;
}

class BlockReplay {
 public:
  explicit BlockReplay(Tokens block_tokens) : block_tokens_(block_tokens) {}

  void add(const Request& request) {
    std::uint64_t parent = 0;
    bool hit = true;
    for (const std::vector<Span>& block : cut_into_blocks(request, block_tokens_)) {
      std::vector<std::int64_t> key;
      for (const Span& span : block) {
        key.push_back(static_cast<std::int64_t>(span.content.value()));
        key.push_back(span.first.value());
        key.push_back(span.count.value());
      }
      auto [node, is_new] = nodes_.try_emplace({parent, std::move(key)}, nodes_.size() + 1);
      hit = hit && !is_new;
      parent = node->second;
      ++counts_.blocks;
      counts_.hits += hit;
      counts_.distinct += is_new;
    }
  }

  const BlockCounts& counts() const { return counts_; }

 private:
  Tokens block_tokens_;
  std::map<std::pair<std::uint64_t, std::vector<std::int64_t>>, std::uint64_t> nodes_;
  BlockCounts counts_;
};

}  // namespace scsim::test
