// Prompts token by token: the slow and obvious form of what span lists stand for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "traces/rng.h"
#include "traces/trace.h"

namespace scsim::test {

using Token = std::pair<std::uint64_t, std::int64_t>;  // content, index in it

inline std::vector<Token> written_out(std::span<const Span> spans) {
  std::vector<Token> tokens;
  for (const Span& span : spans) {
    for (std::int64_t i = 0; i < span.count.value(); ++i)
      tokens.emplace_back(span.content.value(), span.first.value() + i);
  }
  return tokens;
}

inline std::size_t common_prefix(const std::vector<Token>& a, const std::vector<Token>& b) {
  const std::size_t most = std::min(a.size(), b.size());
  const auto [end, other] =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin());
  return static_cast<std::size_t>(end - a.begin());
}

inline Span span(std::uint64_t content, std::int64_t first, std::int64_t count) {
  return {ContentId(content), Tokens(first), Tokens(count)};
}

// Whole number from `least` to `most`, both possible.
inline std::int64_t between(Rng& rng, std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most - least + 1)));
}

// A few spans of few contents: alike enough that two such lists often begin alike, and cut at other
// places when they do.
inline std::vector<Span> random_spans(Rng& rng, std::uint64_t contents, std::int64_t longest) {
  std::vector<Span> spans;
  do {
    const std::int64_t first = rng.chance(0.7) ? 0 : between(rng, 0, 5);
    spans.push_back(span(rng.below(contents), first, between(rng, 1, longest)));
    if (rng.chance(0.3)) {  // the same content goes on in a span of its own
      const Span& last = spans.back();
      spans.push_back({last.content, last.first + last.count, Tokens(between(rng, 1, longest))});
    }
  } while (rng.chance(0.6));
  return spans;
}

}  // namespace scsim::test
