// What a router believes each engine has cached: the prefixes it sent there, as paths of spans.
//
// A node is reached by a sequence of spans; each engine's entry in it says how many tokens of the
// node's content the engine was last sent behind that path. An engine's entries are forgotten,
// least recently used and deepest first, when their tokens exceed what the engine's cache holds. So
// cost and memory grow with spans, and the index is an estimate: it hears nothing from the engines.
//
// What an engine has of a prompt stands in the deepest of the prompt's nodes where it has an entry,
// for it has one at all nodes before. So a router can ask about single engines, or for the few that
// have the deepest nodes, and need not know of all:
//
//   index.look_up(prompt);
//   index.for_each_engine(index.levels() - 1, f);         // of those that have its deepest node
//   index.matched(engine, index.levels() - 1);            // of one that is not among them
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <vector>

#include "traces/trace.h"

namespace scsim::sim {

class PrefixIndex {
 public:
  // The prompt is the one at hand until the next look_up() or insert().
  void look_up(std::span<const Span> prompt);
  // Its nodes that any engine has, from the first on.
  std::size_t levels() const { return levels_.size(); }
  // Of the node: engines that have it, and the tokens that they have matched at its end, at most.
  std::size_t engines_at(std::size_t level) const {
    return static_cast<std::size_t>(nodes_[levels_[level].node].num_entries);
  }
  std::int64_t most(std::size_t level) const {
    return levels_[level].before + levels_[level].count;
  }
  // Tokens that the engine is believed to have of the first `levels` nodes.
  std::int64_t matched(std::size_t engine, std::size_t levels) const;
  // Calls f(engine, tokens it has at the end of the node) for each engine that has it.
  template <class F>
  void for_each_engine(std::size_t level, F f) const {
    const Level& at = levels_[level];
    for (std::int32_t e = nodes_[at.node].first_entry; e != kNone; e = entries_[e].next)
      f(static_cast<std::size_t>(entries_[e].engine), at.before + had(entries_[e], at.count));
  }

  // Tokens of the prompt's prefix that each engine is believed to have; `matched` is resized. Cost:
  // engines.
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
    std::int32_t next = kNone, previous = kNone;  // at the node
    std::int32_t older = kNone, newer = kNone;    // of the engine
    std::int32_t tokens = 0;  // of the node's content, from where the node begins
    bool answer = false;      // of unknown length: matches whatever is quoted of it
  };
  struct Node {
    std::uint64_t key = 0;
    std::int32_t first_entry = kNone, num_entries = 0;
    bool by_engine = false;  // its entries are in entry_of_
  };
  struct Level {
    std::int32_t node;
    std::int64_t before, count;  // tokens of the prompt
  };
  struct Recency {
    std::int32_t oldest = kNone, newest = kNone;
    std::int64_t tokens = 0;
  };

  // The prompt with adjacent spans of one content made one; valid until the next call.
  const std::vector<Span>& merged(std::span<const Span> prompt);
  static constexpr std::int32_t kFewEntries = 16;  // a list of so many is walked
  static std::int64_t had(const Entry& entry, std::int64_t count) {
    return entry.answer ? count : std::min<std::int64_t>(count, entry.tokens);
  }
  static std::uint64_t place(std::int32_t node, std::size_t engine) {
    return static_cast<std::uint64_t>(node) << 32 | engine;
  }
  std::int32_t find_node(std::uint64_t key) const;
  std::int32_t find_entry(std::int32_t node, std::size_t engine) const;
  std::int32_t new_node(std::uint64_t key);
  std::int32_t new_entry(std::int32_t node, std::size_t engine);
  void touch(std::uint64_t key, std::size_t engine, std::int64_t tokens, bool answer);
  void forget_oldest(std::size_t engine);
  void unlink(std::int32_t entry);
  void append(std::int32_t entry);

  boost::unordered_flat_map<std::uint64_t, std::int32_t> nodes_by_key_;
  boost::unordered_flat_map<std::uint64_t, std::int32_t> entry_of_;  // by node and engine
  std::vector<Node> nodes_;
  std::vector<Entry> entries_;
  std::vector<std::int32_t> unused_nodes_, unused_entries_;
  std::vector<Recency> recency_;
  std::vector<Span> merged_;         // the prompt being walked
  std::vector<std::uint64_t> keys_;  // of its path
  std::vector<Level> levels_;        // of the prompt at hand
};

}  // namespace scsim::sim
