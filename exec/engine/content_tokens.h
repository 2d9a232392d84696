// The tokens of a trace's contents. A trace says how long a content is and which spans of it a
// prompt has, seldom what it says; so that equal spans are equal tokens, a content without text is
// a sequence of pseudo-random tokens that depend on its number and the place in it alone. A content
// with text begins with the text's tokens, and one that a request of this replay answered with what
// it answered, unless somebody asked for tokens of it before it was known.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "traces/trace.h"

namespace scsim::exec {

class ContentTokens {
 public:
  explicit ContentTokens(std::int64_t vocabulary) : vocabulary_(vocabulary) {}

  // What it begins with. False, and nothing changes, if it has been asked for.
  bool set(ContentId content, const std::vector<std::int32_t>& tokens);
  void append(const Span& span, std::vector<std::int32_t>& to);
  // Of all the spans, one after another.
  std::vector<std::int32_t> of(std::span<const Span> spans);

 private:
  std::int64_t vocabulary_;
  boost::unordered_flat_map<std::uint64_t, std::vector<std::int32_t>> known_;
  boost::unordered_flat_set<std::uint64_t> asked_;
};

}  // namespace scsim::exec
