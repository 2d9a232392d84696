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

void PrefixIndex::match(std::span<const Span> prompt, std::size_t num_engines,
                        std::vector<std::int64_t>& matched) {
  matched.assign(num_engines, 0);
  alive_.assign(num_engines, 1);
  std::size_t left = num_engines;
  std::uint64_t path = 0;
  std::int64_t before = 0;
  for (const Span& span : merged(prompt)) {
    const std::uint64_t key = next_key(path, span);
    const std::int32_t node = find_node(key);
    if (node == kNone || left == 0) return;
    const std::int64_t count = span.count.value();
    for (std::int32_t e = nodes_[node].first_entry; e != kNone; e = entries_[e].next) {
      const Entry& entry = entries_[e];
      const std::size_t engine = static_cast<std::size_t>(entry.engine);
      if (!alive_[engine] || matched[engine] != before) continue;
      matched[engine] += entry.answer ? count : std::min(count, entry.tokens);
    }
    before += count;
    left = 0;
    for (std::size_t engine = 0; engine < num_engines; ++engine) {
      alive_[engine] = matched[engine] == before;
      left += alive_[engine];
    }
    path = passed(key, count);
  }
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

void PrefixIndex::touch(std::uint64_t key, std::size_t engine, std::int64_t tokens, bool answer) {
  auto [place, fresh] = nodes_by_key_.try_emplace(key, kNone);
  if (fresh) {
    if (unused_nodes_.empty()) {
      place->second = static_cast<std::int32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      place->second = unused_nodes_.back();
      unused_nodes_.pop_back();
    }
    nodes_[place->second] = Node{key, kNone};
  }
  Node& node = nodes_[place->second];
  std::int32_t e = node.first_entry;
  while (e != kNone && entries_[e].engine != static_cast<std::int32_t>(engine))
    e = entries_[e].next;
  if (e == kNone) {
    if (unused_entries_.empty()) {
      e = static_cast<std::int32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      e = unused_entries_.back();
      unused_entries_.pop_back();
      entries_[e] = Entry{};
    }
    entries_[e].engine = static_cast<std::int32_t>(engine);
    entries_[e].node = place->second;
    entries_[e].next = node.first_entry;
    node.first_entry = e;
  } else {
    unlink(e);
  }
  Entry& entry = entries_[e];
  recency_[engine].tokens += std::max<std::int64_t>(tokens - entry.tokens, 0);
  entry.tokens = std::max(entry.tokens, tokens);
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
  Node& node = nodes_[entries_[e].node];
  std::int32_t* link = &node.first_entry;
  while (*link != e) link = &entries_[*link].next;
  *link = entries_[e].next;
  if (node.first_entry == kNone) {
    nodes_by_key_.erase(node.key);
    unused_nodes_.push_back(entries_[e].node);
  }
  unused_entries_.push_back(e);
}

}  // namespace scsim::sim
