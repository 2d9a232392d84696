// Random traces for a store of one tier and for its oracle: short prompts of few contents that
// repeat, continue and leave earlier ones, some with a partly filled block at the end, of a few
// tenants, at growing times. Each knows when its blocks are used next.
#pragma once

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "sim/store/kv_store.h"
#include "tests/sim/store/store_run.h"
#include "traces/rng.h"

namespace scsim::test {

struct Visit {
  std::vector<int> blocks;  // ids: of equal ids at equal places the contents are equal
  double at_seconds = 0;
  std::uint32_t tenant = 0;
  std::vector<std::uint64_t> next;  // for each block, the number of the next visit to use it

  std::vector<Span> prompt() const {
    std::vector<Span> spans;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const bool partly = i + 1 == blocks.size() && blocks[i] >= kPartly;
      spans.push_back({ContentId(static_cast<std::uint64_t>(blocks[i] % kPartly + 1)),
                       Tokens(static_cast<std::int64_t>(i) * kBlock),
                       Tokens(partly ? blocks[i] / kPartly : kBlock)});
    }
    return spans;
  }
  std::vector<sim::KvStore::NextUse> future() const {
    std::vector<sim::KvStore::NextUse> runs;
    for (std::size_t i = 0; i < next.size(); ++i) {
      const auto end = static_cast<std::int64_t>(i) + 1;
      if (!runs.empty() && runs.back().number == next[i]) {
        runs.back().end = end;
      } else {
        runs.push_back({end, next[i]});
      }
    }
    return runs;
  }

  static constexpr int kPartly =
      100;  // the id of a block of t < kBlock tokens is above t * kPartly
};

inline std::vector<Visit> random_visits(Rng& rng, int count) {
  std::vector<Visit> visits;
  const std::uint64_t letters = 2 + rng.below(3), longest = 1 + rng.below(9);
  double now = 0;
  for (int i = 0; i < count; ++i) {
    Visit visit;
    if (!visits.empty() && rng.chance(0.75)) {
      const std::uint64_t recent = std::min<std::uint64_t>(visits.size(), 6);
      visit.blocks =
          visits[visits.size() - 1 - rng.below(rng.chance(0.5) ? recent : visits.size())].blocks;
      if (rng.chance(0.4)) visit.blocks.resize(1 + rng.below(visit.blocks.size()));
    }
    if (visit.blocks.empty() || rng.chance(0.6)) {
      if (!visit.blocks.empty() && visit.blocks.back() >= Visit::kPartly) visit.blocks.pop_back();
      for (std::uint64_t more = 1 + rng.below(longest); more > 0; --more)
        visit.blocks.push_back(static_cast<int>(rng.below(letters)));
      if (rng.chance(0.3))
        visit.blocks.back() += Visit::kPartly * static_cast<int>(1 + rng.below(kBlock - 1));
    }
    visit.at_seconds = now += static_cast<double>(rng.below(4));
    visit.tenant = static_cast<std::uint32_t>(rng.below(3));
    visits.push_back(std::move(visit));
  }
  for (std::size_t i = 0; i < visits.size(); ++i) {
    std::vector<int>& own = visits[i].blocks;
    visits[i].next.assign(own.size(), sim::kNeverUsed);
    for (std::size_t j = visits.size() - 1; j > i; --j) {
      const std::vector<int>& other = visits[j].blocks;
      const auto common = std::ranges::mismatch(own, other).in1 - own.begin();
      std::fill(visits[i].next.begin(), visits[i].next.begin() + common, j);
    }
  }
  return visits;
}

inline std::set<std::vector<int>> distinct_prompts(const std::vector<Visit>& visits) {
  std::set<std::vector<int>> prompts;
  for (const Visit& visit : visits) prompts.insert(visit.blocks);
  return prompts;
}
// All blocks there are, each named by those up to it.
inline std::set<std::vector<int>> distinct_blocks(const std::vector<Visit>& visits) {
  std::set<std::vector<int>> blocks;
  for (const Visit& visit : visits) {
    for (auto end = visit.blocks.begin(); end != visit.blocks.end();)
      blocks.insert({visit.blocks.begin(), ++end});
  }
  return blocks;
}

}  // namespace scsim::test
