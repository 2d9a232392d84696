#include "methods/rewriting.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::methods {

// The tokens cached are not those of the cache: it stands for all of them or for nothing.
std::int64_t RewritingRuntime::retrieve(const exec::KvCache&, std::span<const std::int32_t> cached,
                                        std::span<const std::int32_t> prompt, exec::Measure&) {
  const bool goes_on =
      cached.size() < prompt.size() && std::ranges::equal(cached, prompt.first(cached.size()));
  return goes_on ? std::ssize(cached) : 0;
}

Expected<std::vector<std::int32_t>> RewritingRuntime::rewrite_prompt(
    const exec::RecalledPrompt& fresh, bool first, exec::PromptTools& tools,
    exec::Measure& measure) {
  std::vector<exec::TokenRange> ranges(fresh.documents.begin(), fresh.documents.end());
  if (ranges.empty() && first) ranges.push_back({.begin = 0, .end = std::ssize(fresh.tokens)});
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return fresh.tokens.subspan(static_cast<std::size_t>(begin),
                                static_cast<std::size_t>(end - begin));
  };
  Documents documents;
  for (const exec::TokenRange& range : ranges) {
    const auto tokens = part(range.begin, range.end);
    documents.emplace_back(tokens.begin(), tokens.end());
  }
  if (!documents.empty()) {
    const exec::MeasuredStage stage(measure, Stage::kCompression);
    Expected<Documents> found = compressed(documents, tools, measure);
    if (!found) return found.error();
    documents = *std::move(found);
  }
  std::vector<std::int32_t> rewritten;
  std::int64_t behind = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto between = part(behind, ranges[i].begin);
    rewritten.insert(rewritten.end(), between.begin(), between.end());
    rewritten.insert(rewritten.end(), documents[i].begin(), documents[i].end());
    behind = ranges[i].end;
  }
  const auto rest = part(behind, std::ssize(fresh.tokens));
  rewritten.insert(rewritten.end(), rest.begin(), rest.end());
  // Nothing left of a prompt: there must be a token to answer behind.
  if (rewritten.empty()) rewritten.push_back(fresh.tokens.back());
  return rewritten;
}

}  // namespace scsim::methods
