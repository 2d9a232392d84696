#include "exec/engine/content_tokens.h"

#include "traces/hash.h"

namespace scsim::exec {

bool ContentTokens::set(ContentId content, const std::vector<std::int32_t>& tokens) {
  if (asked_.contains(content.value())) return false;
  return known_.try_emplace(content.value(), tokens).second;
}

void ContentTokens::append(const Span& span, std::vector<std::int32_t>& to) {
  const std::uint64_t content = span.content.value();
  asked_.insert(content);
  const auto known = known_.find(content);
  const std::int64_t first = span.first.value();
  for (std::int64_t i = first; i < first + span.count.value(); ++i) {
    const auto place = static_cast<std::uint64_t>(i);
    if (known != known_.end() && place < known->second.size()) {
      to.push_back(known->second[place]);
    } else {
      const std::uint64_t drawn = scramble(scramble(content + 1) + place);
      to.push_back(static_cast<std::int32_t>(drawn % static_cast<std::uint64_t>(vocabulary_)));
    }
  }
}

std::vector<std::int32_t> ContentTokens::of(std::span<const Span> spans) {
  std::vector<std::int32_t> tokens;
  for (const Span& span : spans) append(span, tokens);
  return tokens;
}

}  // namespace scsim::exec
