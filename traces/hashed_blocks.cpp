#include "traces/hashed_blocks.h"

#include <algorithm>

#include "traces/check.h"
#include "traces/text.h"

namespace scsim {

void append_span(std::vector<Span>& prompt, Span span) {
  if (!prompt.empty() && prompt.back().content == span.content &&
      prompt.back().first + prompt.back().count == span.first) {
    prompt.back().count += span.count;
  } else {
    prompt.push_back(span);
  }
}

Expected<void> HashedBlocks::check_fits(std::span<const std::uint64_t> ids, Tokens tokens) const {
  const std::int64_t whole = tokens / block_tokens_;
  const std::int64_t expected = whole + (block_tokens_ * whole < tokens ? 1 : 0);
  if (static_cast<std::int64_t>(ids.size()) == expected) return {};
  return Error{std::to_string(ids.size()) + " ids for " + format_integer(tokens.value()) +
               " tokens; expected " + std::to_string(expected) + " (blocks of " +
               format_integer(block_tokens_.value()) + ")"};
}

void HashedBlocks::append(std::span<const std::uint64_t> ids, Tokens tokens, TraceWriter& writer,
                          std::vector<Span>& prompt) {
  SCSIM_CHECK(check_fits(ids, tokens).has_value());
  run_.clear();
  auto end_run = [&] {
    if (run_.empty()) return;
    ContentId content = writer.add_content(block_tokens_ * static_cast<std::int64_t>(run_.size()));
    for (std::uint64_t id : run_) places_[id].content = content;
    run_.clear();
  };
  for (std::uint64_t id : ids) {
    Tokens first = block_tokens_ * static_cast<std::int64_t>(run_.size());
    if (places_.try_emplace(id, Place{ContentId(), first}).second) {
      run_.push_back(id);
    } else {
      end_run();  // also at an id that is in the run already
    }
  }
  end_run();

  Tokens left = tokens;
  for (std::uint64_t id : ids) {
    const Place& place = places_[id];
    append_span(prompt, Span{place.content, place.first, std::min(block_tokens_, left)});
    left -= block_tokens_;
  }
}

}  // namespace scsim
