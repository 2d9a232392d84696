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

}  // namespace
}  // namespace scsim::sim
