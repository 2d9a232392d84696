#include "sim/prefix_index.h"

#include <algorithm>

#include "traces/hash.h"

namespace scsim::sim {
namespace {

// The node behind `before` tokens-exact path `key` that continues with `content` from `first` on.
std::uint64_t next_key(std::uint64_t key, const Span& span) {
  return scramble(scramble(key ^ span.content.value()) +
                  static_cast<std::uint64_t>(span.first.value()));
}

// The path key once `count` tokens of the node were passed.
std::uint64_t passed(std::uint64_t key, std::int64_t count) {
  return scramble(key + static_cast<std::uint64_t>(count));
}

}  // namespace

const std::vector<Span>& PrefixIndex::merged(std::span<const Span> prompt) {
  merged_.clear();
  for (const Span& span : prompt) {
    if (!merged_.empty() && merged_.back().content == span.content &&
        merged_.back().first + merged_.back().count == span.first) {
      merged_.back().count += span.count;
    } else {
      merged_.push_back(span);
    }
  }
  return merged_;
}

std::int32_t PrefixIndex::find_node(std::uint64_t key) const {
  const auto found = nodes_by_key_.find(key);
  return found == nodes_by_key_.end() ? kNone : found->second;
}

std::int32_t PrefixIndex::find_entry(std::int32_t node, std::size_t engine) const {
  if (nodes_[node].by_engine) {
    const auto found = entry_of_.find(place(node, engine));
    return found == entry_of_.end() ? kNone : found->second;
  }
  std::int32_t e = nodes_[node].first_entry;
  while (e != kNone && entries_[e].engine != static_cast<std::int32_t>(engine))
    e = entries_[e].next;
  return e;
}

void PrefixIndex::look_up(std::span<const Span> prompt) {
  levels_.clear();
  std::uint64_t path = 0;
  std::int64_t before = 0;
  for (const Span& span : merged(prompt)) {
    const std::uint64_t key = next_key(path, span);
    const std::int32_t node = find_node(key);
    if (node == kNone) return;
    const std::int64_t count = span.count.value();
    levels_.push_back({node, before, count});
    before += count;
    path = passed(key, count);
  }
}

std::int64_t PrefixIndex::matched(std::size_t engine, std::size_t levels) const {
  while (levels-- > 0) {
    const std::int32_t e = find_entry(levels_[levels].node, engine);
    if (e != kNone) return levels_[levels].before + had(entries_[e], levels_[levels].count);
  }
  return 0;
}

void PrefixIndex::match(std::span<const Span> prompt, std::size_t num_engines,
                        std::vector<std::int64_t>& matched) {
  matched.assign(num_engines, 0);
  look_up(prompt);
  for (std::size_t level = 0; level < levels(); ++level)
    for_each_engine(level, [&](std::size_t e, std::int64_t tokens) { matched[e] = tokens; });
}

void PrefixIndex::insert(std::span<const Span> prompt, ContentId answer, std::size_t engine,
                         std::int64_t capacity) {
  if (engine >= recency_.size()) recency_.resize(engine + 1);
  keys_.clear();
  std::uint64_t path = 0;
  const std::vector<Span>& spans = merged(prompt);
  for (const Span& span : spans) {
    keys_.push_back(next_key(path, span));
    path = passed(keys_.back(), span.count.value());
  }
  // Deepest first, so that what is deeper is older and is forgotten before what it stands on.
  if (answer.valid()) touch(next_key(path, {answer, Tokens(0), Tokens(0)}), engine, 0, true);
  for (std::size_t i = spans.size(); i-- > 0;) {
    touch(keys_[i], engine, spans[i].count.value(), false);
  }
  while (recency_[engine].tokens > capacity && recency_[engine].oldest != kNone)
    forget_oldest(engine);
}

std::int32_t PrefixIndex::new_node(std::uint64_t key) {
  std::int32_t node;
  if (unused_nodes_.empty()) {
    node = static_cast<std::int32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    node = unused_nodes_.back();
    unused_nodes_.pop_back();
  }
  nodes_[node] = Node{.key = key};
  return node;
}

std::int32_t PrefixIndex::new_entry(std::int32_t node, std::size_t engine) {
  std::int32_t e;
  if (unused_entries_.empty()) {
    e = static_cast<std::int32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    e = unused_entries_.back();
    unused_entries_.pop_back();
  }
  Node& at = nodes_[node];
  entries_[e] =
      Entry{.engine = static_cast<std::int32_t>(engine), .node = node, .next = at.first_entry};
  if (at.first_entry != kNone) entries_[at.first_entry].previous = e;
  at.first_entry = e;
  ++at.num_entries;
  if (at.by_engine) {
    entry_of_.emplace(place(node, engine), e);
  } else if (at.num_entries > kFewEntries) {
    at.by_engine = true;
    for (std::int32_t other = e; other != kNone; other = entries_[other].next)
      entry_of_.emplace(place(node, static_cast<std::size_t>(entries_[other].engine)), other);
  }
  return e;
}

void PrefixIndex::touch(std::uint64_t key, std::size_t engine, std::int64_t tokens, bool answer) {
  auto [place, fresh] = nodes_by_key_.try_emplace(key, kNone);
  if (fresh) place->second = new_node(key);
  const std::int32_t node = place->second;
  std::int32_t e = find_entry(node, engine);
  if (e == kNone) {
    e = new_entry(node, engine);
  } else {
    unlink(e);
  }
  Entry& entry = entries_[e];
  if (tokens > entry.tokens) {
    recency_[engine].tokens += tokens - entry.tokens;
    entry.tokens = static_cast<std::int32_t>(tokens);
  }
  entry.answer = entry.answer || answer;
  append(e);
}

void PrefixIndex::append(std::int32_t e) {
  Recency& recency = recency_[static_cast<std::size_t>(entries_[e].engine)];
  entries_[e].older = recency.newest;
  entries_[e].newer = kNone;
  (recency.newest == kNone ? recency.oldest : entries_[recency.newest].newer) = e;
  recency.newest = e;
}

void PrefixIndex::unlink(std::int32_t e) {
  Entry& entry = entries_[e];
  Recency& recency = recency_[static_cast<std::size_t>(entry.engine)];
  (entry.older == kNone ? recency.oldest : entries_[entry.older].newer) = entry.newer;
  (entry.newer == kNone ? recency.newest : entries_[entry.newer].older) = entry.older;
}

void PrefixIndex::forget_oldest(std::size_t engine) {
  const std::int32_t e = recency_[engine].oldest;
  unlink(e);
  recency_[engine].tokens -= entries_[e].tokens;
  const Entry& entry = entries_[e];
  Node& node = nodes_[entry.node];
  (entry.previous == kNone ? node.first_entry : entries_[entry.previous].next) = entry.next;
  if (entry.next != kNone) entries_[entry.next].previous = entry.previous;
  if (node.by_engine) entry_of_.erase(place(entry.node, engine));
  if (--node.num_entries == 0) {
    nodes_by_key_.erase(node.key);
    unused_nodes_.push_back(entry.node);
  }
  unused_entries_.push_back(e);
}

}  // namespace scsim::sim
