// A tree of all prefixes seen, whose edges are runs of spans.
//
//   PrefixTree<Use> tree;
//   std::vector<std::uint32_t> path;
//   tree.descend(tree.kRoot, prompt, path);             // makes the nodes that are missing
//   for (std::uint32_t node : path) tree[node].payload  // those that together are the prompt
//
// Every token is named by (content, index), so two prompts share a node exactly as far as their
// spans agree, however they were cut into spans. A node ends wherever some descent ended or two
// went apart; a node that is split leaves a copy of its payload in both halves. The cost of a
// descent is the number of spans and nodes on its way, not of tokens.
#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "traces/quantity.h"
#include "traces/trace.h"

namespace scsim {

// Payload: copied when its node is split; then `payload.becomes_upper_part()` is called on the copy
// in the half nearer the root. New nodes have Payload().
template <class Payload>
class PrefixTree {
 public:
  static constexpr std::uint32_t kRoot = 0;

  struct Node {
    Tokens tokens{0};
    Payload payload{};

   private:
    friend class PrefixTree;
    std::size_t run_ = 0;  // its tokens are those of pool_[run_], pool_[run_ + 1], ...
    Tokens skip_{0};       // but the first so many of pool_[run_]
  };

  PrefixTree() : nodes_(1) {}

  // Appends to `path` the nodes from below `from` down to the end of `spans`, split and made where
  // needed.
  void descend(std::uint32_t from, std::span<const Span> spans, std::vector<std::uint32_t>& path) {
    std::uint32_t at = from;
    for (Place place(spans); !place.at_end();) {
      const Key key{at, place.content(), place.index()};
      const auto [child, fresh] = children_.try_emplace(key, size());
      if (fresh) {
        path.push_back(add_leaf(place));
        return;
      }
      at = child->second;
      const Tokens common = advance_together(place, nodes_[at]);
      if (common < nodes_[at].tokens) at = split(key, at, common);
      path.push_back(at);
    }
  }

  Node& operator[](std::uint32_t node) { return nodes_[node]; }
  const Node& operator[](std::uint32_t node) const { return nodes_[node]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(nodes_.size()); }

 private:
  struct Key {
    std::uint32_t parent;
    ContentId content;
    Tokens index;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct HashKey {
    using is_avalanching = void;
    std::size_t operator()(const Key& key) const {
      std::uint64_t x = key.content.value() * 0x9E3779B97F4A7C15u;
      x = (x ^ (x >> 29) ^ static_cast<std::uint64_t>(key.index.value())) * 0xBF58476D1CE4E5B9u;
      x = (x ^ (x >> 32) ^ key.parent) * 0x94D049BB133111EBu;
      return static_cast<std::size_t>(x ^ (x >> 31));
    }
  };

  // A token of a list of spans.
  struct Place {
    explicit Place(std::span<const Span> list) : spans(list) { pass_empty(); }
    bool at_end() const { return spans.empty(); }
    ContentId content() const { return spans.front().content; }
    Tokens index() const { return spans.front().first + passed; }
    Tokens left_in_span() const { return spans.front().count - passed; }
    void advance(Tokens count) {  // REQUIRES: count <= left_in_span()
      passed += count;
      if (passed < spans.front().count) return;
      passed = Tokens(0);
      spans = spans.subspan(1);
      pass_empty();
    }
    void pass_empty() {
      while (!spans.empty() && spans.front().count == Tokens(0)) spans = spans.subspan(1);
    }
    std::span<const Span> spans;
    Tokens passed{0};
  };

  // As far as `place` and the tokens of `node` agree.
  Tokens advance_together(Place& place, const Node& node) const {
    Place own(std::span<const Span>(pool_).subspan(node.run_));
    own.advance(node.skip_);
    Tokens common{0};
    while (common < node.tokens && !place.at_end() && place.content() == own.content() &&
           place.index() == own.index()) {
      const Tokens step =
          std::min({place.left_in_span(), own.left_in_span(), node.tokens - common});
      place.advance(step);
      own.advance(step);
      common += step;
    }
    return common;
  }

  std::uint32_t add_leaf(const Place& place) {
    Node& leaf = nodes_.emplace_back();
    leaf.run_ = pool_.size();
    leaf.skip_ = place.passed;
    for (const Span& span : place.spans) {
      pool_.push_back(span);
      leaf.tokens += span.count;
    }
    leaf.tokens -= leaf.skip_;
    return size() - 1;
  }

  // The first `tokens` of `node`, found by `key`, become a node of their own: the one given back.
  std::uint32_t split(const Key& key, std::uint32_t node, Tokens tokens) {
    const std::uint32_t upper_index = size();
    Node upper = nodes_[node];
    Node& lower = nodes_[node];
    upper.tokens = tokens;
    upper.payload.becomes_upper_part();
    lower.tokens -= tokens;
    Tokens skip = lower.skip_ + tokens;
    while (skip >= pool_[lower.run_].count) skip -= pool_[lower.run_++].count;
    lower.skip_ = skip;
    const Span& first = pool_[lower.run_];
    children_[key] = upper_index;
    children_[Key{upper_index, first.content, first.first + skip}] = node;
    nodes_.push_back(std::move(upper));
    return upper_index;
  }

  std::vector<Node> nodes_;
  std::vector<Span> pool_;
  boost::unordered_flat_map<Key, std::uint32_t, HashKey> children_;
};

}  // namespace scsim
