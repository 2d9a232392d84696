// What holds of every eviction policy in the table.
#include "sim/store/eviction.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "tests/oracle/block_cache_oracle.h"
#include "tests/sim/store/random_visits.h"
#include "tests/sim/store/store_run.h"

namespace scsim::sim {
namespace {

using test::OneTier;
using test::Visit;

// Deeper blocks cost more, as attention makes them.
double recompute(std::int64_t from, std::int64_t tokens) {
  return static_cast<double>(tokens) * (16 + static_cast<double>(from));
}

// All parameters somewhere between their least and their greatest, or as they are by default.
PolicyParameters random_parameters(const EvictionEntry& policy, Rng& rng) {
  PolicyParameters parameters;
  for (const PolicyParameter& parameter : policy.parameters) {
    double value = parameter.default_value;
    if (rng.chance(0.7)) {
      const double max = std::min(parameter.max, 20.0);
      value = parameter.min + rng.uniform() * (max - parameter.min);
      if (parameter.max > 1) value = std::ceil(value);
    }
    parameters[parameter.name] = value;
  }
  return parameters;
}

std::vector<std::int64_t> found_by(OneTier& store, const std::vector<Visit>& visits) {
  std::vector<std::int64_t> found;
  for (const Visit& visit : visits)
    found.push_back(store.serve(visit.prompt(), visit.at_seconds, visit.tenant, visit.future()));
  return found;
}

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  std::int64_t sum = 0;
  for (const std::int64_t number : numbers) sum += number;
  return sum;
}

TEST_CASE("every eviction policy says what it is", "[sim][store]") {
  std::set<std::string> names;
  for (const EvictionEntry& policy : eviction_table()) {
    CAPTURE(policy.name);
    CHECK(names.insert(policy.name).second);
    CHECK(policy.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
          std::string::npos);
    CHECK(policy.sentence.size() > 10);
    CHECK(policy.source.size() > 10);
    std::set<std::string> parameters;
    for (const PolicyParameter& parameter : policy.parameters) {
      CHECK(parameters.insert(parameter.name).second);
      CHECK(parameter.sentence.size() > 10);
      CHECK(parameter.min <= parameter.default_value);
      CHECK(parameter.default_value <= parameter.max);
    }
  }
}

TEST_CASE("every eviction policy decides of runs what it decides of blocks", "[sim][store]") {
  for (const EvictionEntry& policy : eviction_table()) {
    std::int64_t found = 0;
    for (std::uint64_t trial = 0; trial < 8; ++trial) {
      Rng rng(trial, "test.eviction");
      const std::vector<Visit> visits = test::random_visits(rng, 60);
      const auto prompts = test::distinct_prompts(visits);
      const auto distinct = static_cast<std::int64_t>(test::distinct_blocks(visits).size());
      for (std::int64_t capacity = 1; capacity <= distinct; capacity += 1 + capacity / 16) {
        const PolicyParameters parameters = random_parameters(policy, rng);
        CAPTURE(policy.name, trial, capacity, parameters);
        OneTier store(policy.name, capacity, parameters, recompute);
        if (trial % 2 == 1) store.add_shadow();
        oracle::BlockCacheOracle oracle(
            policy.name, find_eviction(policy.name, parameters)->parameters, capacity,
            [](std::int64_t depth) { return recompute(depth * test::kBlock, test::kBlock); });
        for (std::size_t i = 0; i < visits.size(); ++i) {
          CAPTURE(i);
          const Visit& visit = visits[i];
          const std::int64_t hits =
              store.serve(visit.prompt(), visit.at_seconds, visit.tenant, visit.future());
          REQUIRE(hits ==
                  oracle.serve({visit.blocks, visit.tenant,
                                static_cast<std::int64_t>(visit.at_seconds * 1e9), visit.next}));
          found += hits;
          std::vector<std::int64_t> resident, expected;
          for (const std::vector<int>& prompt : prompts) {
            resident.push_back(store.resident(Visit{prompt, 0, 0, {}}.prompt()));
            expected.push_back(oracle.resident(prompt));
          }
          REQUIRE(resident == expected);
          REQUIRE(store.tier().used() == oracle.size());
        }
      }
    }
    CHECK(found > 10'000);
  }
}

TEST_CASE("no policy finds more blocks than belady", "[sim][store][belady]") {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(trial, "test.belady");
    const std::vector<Visit> visits = test::random_visits(rng, 80);
    const auto distinct = test::distinct_blocks(visits).size();
    const auto capacity = static_cast<std::int64_t>(1 + rng.below(distinct));
    OneTier optimum("belady", capacity);
    const std::int64_t most = sum(found_by(optimum, visits));
    for (const EvictionEntry& policy : eviction_table()) {
      CAPTURE(trial, capacity, policy.name);
      OneTier store(policy.name, capacity, random_parameters(policy, rng), recompute);
      CHECK(sum(found_by(store, visits)) <= most);
    }
  }
}

TEST_CASE("where all blocks fit every policy finds all that was there before", "[sim][store]") {
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    Rng rng(trial, "test.all_fit");
    const std::vector<Visit> visits = test::random_visits(rng, 60);
    std::vector<std::int64_t> ideal;
    for (std::size_t i = 0; i < visits.size(); ++i) {
      std::int64_t longest = 0;
      for (std::size_t j = 0; j < i; ++j) {
        const auto& own = visits[i].blocks;
        const auto common = std::ranges::mismatch(own, visits[j].blocks).in1 - own.begin();
        longest = std::max<std::int64_t>(longest, common);
      }
      ideal.push_back(longest);
    }
    const auto capacity = static_cast<std::int64_t>(test::distinct_blocks(visits).size());
    for (const EvictionEntry& policy : eviction_table()) {
      CAPTURE(trial, policy.name);
      OneTier store(policy.name, capacity);  // a TTL by default is longer than the trace
      CHECK(found_by(store, visits) == ideal);
      CHECK(store.tier().used() == capacity);
    }
  }
}

// The stack property (Mattson, Gecsei, Slutz and Traiger 1970).
TEST_CASE("what lru keeps it keeps in a larger tier too", "[sim][store][lru]") {
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    Rng rng(trial, "test.inclusion");
    const std::vector<Visit> visits = test::random_visits(rng, 60);
    const auto prompts = test::distinct_prompts(visits);
    std::size_t longest = 0;
    for (const Visit& visit : visits) longest = std::max(longest, visit.blocks.size());
    // From the longest prompt on: of what does not fit at all, only the beginning is stored.
    const auto capacity = static_cast<std::int64_t>(longest + rng.below(20));
    OneTier small("lru", capacity);
    OneTier large("lru", capacity + static_cast<std::int64_t>(1 + rng.below(10)));
    for (const Visit& visit : visits) {
      CHECK(small.serve(visit.prompt()) <= large.serve(visit.prompt()));
      for (const std::vector<int>& prompt : prompts) {
        const std::vector<Span> spans = Visit{prompt, 0, 0, {}}.prompt();
        CHECK(small.resident(spans) <= large.resident(spans));
      }
    }
  }
}

TEST_CASE("a policy decides the same a second time", "[sim][store]") {
  Rng rng(1, "test.twice");
  const std::vector<Visit> visits = test::random_visits(rng, 200);
  for (const EvictionEntry& policy : eviction_table()) {
    CAPTURE(policy.name);
    OneTier first(policy.name, 30), second(policy.name, 30);
    CHECK(found_by(first, visits) == found_by(second, visits));
  }
}

// Two tiers that share a tree of runs, tenants with quotas and guarantees, blocks of several sizes,
// reads that go on for a while, a TTL, blocks that move out and parts of prompts that come in: the
// store's own count of everything must hold, and nobody exceeds a quota.
TEST_CASE("whatever happens to a store, under every policy it keeps count", "[sim][store]") {
  for (const EvictionEntry& policy : eviction_table()) {
    if (policy.oracle) continue;
    std::int64_t evicted = 0, pinned = 0;
    for (std::uint64_t trial = 0; trial < 150; ++trial) {
      CAPTURE(policy.name, trial);
      Rng rng(trial, "test.store_counts");
      TokenPaths paths;
      KvStore store({.block_tokens = test::kBlock, .tail = true}, paths, nullptr);
      std::vector<bool> limited;
      const auto quota = static_cast<std::int64_t>(3 + rng.below(12));
      for (int i = 0; i < 2; ++i) {
        TierOptions options;
        options.name = "tier";
        options.capacity = static_cast<std::int64_t>(5 + rng.below(35));
        options.eviction = *find_eviction(policy.name, random_parameters(policy, rng));
        options.ttl = Duration(rng.chance(0.3) ? 8'000'000'000 : 0);
        options.recompute_seconds = recompute;
        if (rng.chance(0.7)) {
          options.limits = {
              {.quota = quota},
              {.quota = {}, .guarantee = std::min<std::int64_t>(options.capacity, 9)}};
        }
        const std::size_t limits = options.limits.size();
        limited.push_back(limits > 0);
        const TierId tier = store.add_tier(std::move(options));
        for (std::size_t limit = 0; limit < limits; ++limit)
          store.tier(tier).join(static_cast<std::uint32_t>(limit + 1), limit);
      }
      struct Read {
        PathId path;
        TierId tier;
        std::int64_t from, to;
      };
      std::vector<Read> reads;
      const auto look_up = [&](PathId path) { store.look_up(path, paths.tokens(path)); };
      const std::vector<Visit> visits = test::random_visits(rng, 150);
      for (std::size_t i = 0; i < visits.size(); ++i) {
        CAPTURE(i);
        const Visit& visit = visits[i];
        const PathId path = paths.make(visit.prompt(), ContentId{}, 0, 0);
        const Use use{TimePoint(static_cast<std::int64_t>(visit.at_seconds * 1e9)), visit.tenant,
                      i};
        const auto tier = static_cast<TierId>(rng.below(2));
        for (TierId t = 0; t < 2; ++t) store.tier(t).expire(use.now);
        look_up(path);
        const std::int64_t here = store.leading(tier, 0);
        const std::int64_t from =
            here == 0 ? 0
                      : static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(here) + 1));
        const std::uint64_t what = rng.below(8);
        if (what < 4) {
          store.serve(tier, use, 1 + static_cast<std::int64_t>(rng.below(2)));
        } else if (what == 4) {
          store.use(tier, here, use);
          const ArrivingBlocks blocks{1, rng.chance(0.5), rng.chance(0.5)};
          store.insert(tier, from, from + (store.blocks() - from + 1) / 2, use, blocks);
        } else if (what == 5 && here > from) {
          store.pin(tier, from, here);
          paths.add_reference(path);
          reads.push_back({path, tier, from, here});
          pinned += here - from;
        } else if (what == 6) {
          store.move_out(tier, from, store.blocks(), use.now);
        }
        store.check_everything();
        if (!reads.empty() && rng.chance(0.5)) {
          const Read read = reads.front();
          reads.erase(reads.begin());
          look_up(read.path);
          store.unpin(read.tier, read.from, read.to);
          paths.drop_reference(read.path);
          store.check_everything();
        }
        paths.drop_reference(path);
      }
      for (TierId t = 0; t < 2; ++t) {
        if (limited[static_cast<std::size_t>(t)]) CHECK(store.tier(t).used_by(1) <= quota);
        evicted += store.tier(t).statistics().evicted_bytes;
      }
    }
    CHECK(evicted > 10'000);
    CHECK(pinned > 1'000);
  }
}

}  // namespace
}  // namespace scsim::sim
