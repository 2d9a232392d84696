// The slow and obvious count of what sharing is in a trace: every prompt is written out token by
// token, and every prefix of it is remembered as it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "traces/trace.h"

namespace scsim::test {

class SharingOracle {
 public:
  explicit SharingOracle(std::size_t block_tokens) : block_(block_tokens) {}

  std::int64_t tokens = 0, found = 0, found_with_outputs = 0, position_free = 0;
  std::int64_t blocks = 0, found_blocks = 0, found_blocks_with_outputs = 0;
  std::int64_t own_session = 0, own_tenant = 0, other_tenant = 0;
  std::vector<std::int64_t> gaps_ns;  // one for each token found

  void add(const Request& request) {
    const Sequence prompt = written_out(request.prompt);
    Sequence whole = prompt;
    for (std::int64_t i = 0; request.output.valid() && i < request.output_tokens.value(); ++i)
      whole.emplace_back(request.output.value(), i);

    tokens += static_cast<std::int64_t>(prompt.size());
    for (const Token& token : prompt)
      position_free += static_cast<std::int64_t>(seen_.count(token));
    for (std::size_t end = 1; end <= prompt.size(); ++end) {
      const Sequence prefix(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(end));
      found_with_outputs += static_cast<std::int64_t>(prefixes_with_outputs_.count(prefix));
      const auto use = uses_.find(prefix);
      if (use == uses_.end()) continue;
      ++found;
      gaps_ns.push_back((request.earliest - use->second.last).ns());
      ++(use->second.session == request.session ? own_session
         : use->second.tenant == request.tenant ? own_tenant
                                                : other_tenant);
    }
    bool hit = true, hit_with_outputs = true;
    for (const Sequence& block : block_ends(prompt)) {
      ++blocks;
      found_blocks += hit = hit && blocks_.contains(block);
      found_blocks_with_outputs += hit_with_outputs =
          hit_with_outputs && blocks_with_outputs_.contains(block);
    }

    seen_.insert(prompt.begin(), prompt.end());
    for (const Sequence& block : block_ends(prompt)) blocks_.insert(block);
    for (const Sequence& block : block_ends(whole)) blocks_with_outputs_.insert(block);
    for (std::size_t end = 1; end <= whole.size(); ++end) {
      Sequence prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(end));
      if (end <= prompt.size()) {
        Use& use = uses_
                       .try_emplace(prefix, Use{request.session, request.tenant, request.earliest,
                                                request.earliest, 0})
                       .first->second;
        use.last = request.earliest;
        ++use.prompts;
      }
      prefixes_with_outputs_.insert(std::move(prefix));
    }
  }

  std::int64_t unique() const { return static_cast<std::int64_t>(uses_.size()); }
  std::int64_t unique_in(std::int64_t fewest, std::int64_t most) const {
    return std::ranges::count_if(uses_, [&](const auto& use) {
      return use.second.prompts >= fewest && use.second.prompts <= most;
    });
  }
  // Tokens used at or before `time` that are used again after it.
  std::int64_t live_at(TimePoint time) const {
    return std::ranges::count_if(
        uses_, [&](const auto& use) { return use.second.first <= time && time < use.second.last; });
  }

 private:
  using Token = std::pair<std::uint64_t, std::int64_t>;  // content, index
  using Sequence = std::vector<Token>;
  struct Use {
    SessionId session;
    TenantId tenant;
    TimePoint first, last;
    std::int64_t prompts;
  };

  static Sequence written_out(const std::vector<Span>& spans) {
    Sequence sequence;
    for (const Span& span : spans)
      for (std::int64_t i = 0; i < span.count.value(); ++i)
        sequence.emplace_back(span.content.value(), span.first.value() + i);
    return sequence;
  }

  // A block of a sequence is all of the sequence up to the block's end.
  std::vector<Sequence> block_ends(const Sequence& sequence) const {
    std::vector<Sequence> ends;
    for (std::size_t begin = 0; begin < sequence.size(); begin += block_) {
      const std::size_t end = std::min(begin + block_, sequence.size());
      ends.emplace_back(sequence.begin(), sequence.begin() + static_cast<std::ptrdiff_t>(end));
    }
    return ends;
  }

  std::size_t block_;
  std::set<Token> seen_;
  std::map<Sequence, Use> uses_;
  std::set<Sequence> prefixes_with_outputs_, blocks_, blocks_with_outputs_;
};

}  // namespace scsim::test
