// What a router believes each engine has cached: the prefixes it sent there, as paths of spans.
//
// A node is reached by a sequence of spans; each engine's entry in it says how many tokens of the
// node's content the engine was last sent behind that path. An engine's entries are forgotten,
// least recently used and deepest first, when their tokens exceed what the engine's cache holds. So
// cost and memory grow with spans, and the index is an estimate: it hears nothing from the engines.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <vector>

#include "traces/trace.h"

namespace scsim::sim {

class PrefixIndex {
 public:
  // Tokens of the prompt's prefix that each engine is believed to have; `matched` is resized.
  void match(std::span<const Span> prompt, std::size_t num_engines,
             std::vector<std::int64_t>& matched);
  // The engine was sent this prompt and will have its answer behind it. `capacity` in tokens.
  void insert(std::span<const Span> prompt, ContentId answer, std::size_t engine,
              std::int64_t capacity);

 private:
  static constexpr std::int32_t kNone = -1;
  struct Entry {  // one engine at one node
    std::int32_t engine = kNone;
    std::int32_t node = kNone;
    std::int32_t next = kNone;  // at the node
    std::int32_t older = kNone, newer = kNone;
    std::int64_t tokens = 0;  // of the node's content, from where the node begins
    bool answer = false;      // of unknown length: matches whatever is quoted of it
  };
  struct Node {
    std::uint64_t key = 0;
    std::int32_t first_entry = kNone;
  };
  struct Recency {
    std::int32_t oldest = kNone, newest = kNone;
    std::int64_t tokens = 0;
  };

  // The prompt with adjacent spans of one content made one; valid until the next call.
  const std::vector<Span>& merged(std::span<const Span> prompt);
  std::int32_t find_node(std::uint64_t key) const;
  void touch(std::uint64_t key, std::size_t engine, std::int64_t tokens, bool answer);
  void forget_oldest(std::size_t engine);
  void unlink(std::int32_t entry);
  void append(std::int32_t entry);

  boost::unordered_flat_map<std::uint64_t, std::int32_t> nodes_by_key_;
  std::vector<Node> nodes_;
  std::vector<Entry> entries_;
  std::vector<std::int32_t> unused_nodes_, unused_entries_;
  std::vector<Recency> recency_;
  std::vector<Span> merged_;         // the prompt being walked
  std::vector<std::uint64_t> keys_;  // of its path
  std::vector<char> alive_;          // engines that have matched everything so far
};

}  // namespace scsim::sim
