// Eviction policies on traces of real services, against numbers that others have counted.
#include <catch2/catch.hpp>
#include <map>

#include "sim/store/kv_store.h"
#include "tests/oracle/block_cache_oracle.h"
#include "tests/oracle/block_replay.h"
#include "tests/support/real_data.h"
#include "tests/traces/imported.h"

namespace scsim::sim {
namespace {

constexpr std::int64_t kBlockTokens = 512;

// Each request's blocks by number: equal where they and all before them are equal.
std::vector<std::vector<int>> block_names(const std::vector<Request>& requests) {
  std::map<std::pair<int, std::vector<std::int64_t>>, int> names;
  std::vector<std::vector<int>> blocks;
  for (const Request& request : requests) {
    int name = 0;
    std::vector<int>& own = blocks.emplace_back();
    for (const auto& block : test::cut_into_blocks(request, Tokens(kBlockTokens))) {
      std::vector<std::int64_t> key;
      for (const Span& span : block) {
        key.push_back(static_cast<std::int64_t>(span.content.value()));
        key.push_back(span.first.value());
        key.push_back(span.count.value());
      }
      const int fresh = static_cast<int>(names.size()) + 1;
      name = names.try_emplace({name, key}, fresh).first->second;
      own.push_back(name);
    }
  }
  return blocks;
}

// For each request, when its blocks are used next: found block by block, from the last request.
std::vector<std::vector<KvStore::NextUse>> futures(const std::vector<Request>& requests) {
  const std::vector<std::vector<int>> blocks = block_names(requests);
  std::map<int, std::uint64_t> next;
  std::vector<std::vector<KvStore::NextUse>> futures(requests.size());
  for (std::size_t i = requests.size(); i-- > 0;) {
    for (std::size_t depth = 0; depth < blocks[i].size(); ++depth) {
      std::uint64_t& known = next.try_emplace(blocks[i][depth], kNeverUsed).first->second;
      const std::uint64_t number = std::exchange(known, i);
      if (futures[i].empty() || futures[i].back().number != number)
        futures[i].push_back({0, number});
      futures[i].back().end = static_cast<std::int64_t>(depth) + 1;
    }
  }
  return futures;
}

// A block's compute grows with what it attends to: here it has doubled after 50,000 tokens.
double recompute_seconds(std::int64_t from, std::int64_t tokens) {
  return static_cast<double>(tokens) * (50'000 + static_cast<double>(from));
}

std::int64_t hits(const std::vector<Request>& requests,
                  const std::vector<std::vector<KvStore::NextUse>>& futures,
                  const std::string& policy, std::int64_t capacity) {
  TokenPaths paths;
  KvStore store({.block_tokens = kBlockTokens, .tail = true}, paths, nullptr);
  TierOptions options;
  options.name = "cache";
  options.capacity = capacity;
  options.eviction = *find_eviction(policy, {});
  options.observe = false;
  options.recompute_seconds = recompute_seconds;
  const TierId tier = store.add_tier(std::move(options));
  std::int64_t found = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const PathId path = paths.make(requests[i].prompt, ContentId{}, 0, 0);
    store.look_up(path, paths.tokens(path));
    const Use use{requests[i].earliest, static_cast<std::uint32_t>(requests[i].tenant.value()), i};
    found += store.serve(tier, use, 1, futures[i]);
    paths.drop_reference(path);
  }
  store.check_everything();
  return found;
}

TEST_CASE("on mooncake's conversations lru finds the known blocks, and no policy more than belady",
          "[sim][store][real]") {
  const auto path = test::real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!path) return;
  const test::Imported trace = test::import_files("mooncake", {*path});
  const auto future = futures(trace.requests);
  const std::map<std::int64_t, std::int64_t> lru = {
      {1'000, 12'847}, {10'000, 61'046}, {30'000, 93'978}};
  for (const auto& [capacity, known] : lru) {
    CHECK(hits(trace.requests, future, "lru", capacity) == known);
    const std::int64_t most = hits(trace.requests, future, "belady", capacity);
    CHECK(most > known);
    CHECK(most <= 105'710);  // what is found with room for all
    for (const EvictionEntry& policy : eviction_table()) {
      const std::int64_t found = hits(trace.requests, future, policy.name, capacity);
      CAPTURE(policy.name, capacity);
      CHECK(found <= most);
      CHECK(found > 0);
    }
  }
  for (const EvictionEntry& policy : eviction_table()) {
    if (policy.name != "ttl") CHECK(hits(trace.requests, future, policy.name, 182'790) == 105'710);
  }
}

// Prompts of up to 250 blocks, tails, and sessions that interleave as they do in a service.
TEST_CASE("on mooncake's first conversations every policy decides as it does block by block",
          "[sim][store][real]") {
  const auto path = test::real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!path) return;
  test::Imported trace = test::import_files("mooncake", {*path});
  trace.requests.resize(250);
  const auto future = futures(trace.requests);
  const auto blocks = block_names(trace.requests);
  for (const EvictionEntry& policy : eviction_table()) {
    CAPTURE(policy.name);
    const Eviction eviction = *find_eviction(policy.name, {});
    oracle::BlockCacheOracle oracle(policy.name, eviction.parameters, 300, [](std::int64_t d) {
      return recompute_seconds(d * kBlockTokens, kBlockTokens);
    });
    std::int64_t found = 0;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      std::vector<std::uint64_t> next;
      for (const KvStore::NextUse& run : future[i])
        next.resize(static_cast<std::size_t>(run.end), run.number);
      found += oracle.serve({blocks[i], 0, trace.requests[i].earliest.ns(), next});
    }
    CHECK(hits(trace.requests, future, policy.name, 300) == found);
    CHECK(found > 0);
  }
}

// A block waits from each use to its next. Where all that wait at once fit, nothing is missed.
TEST_CASE("belady needs as many blocks as ever wait for their next use", "[sim][store][real]") {
  const auto path = test::real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!path) return;
  const test::Imported trace = test::import_files("mooncake", {*path});
  const auto future = futures(trace.requests);
  std::vector<std::int64_t> change(trace.requests.size() + 1);
  for (std::size_t i = 0; i < future.size(); ++i) {
    std::int64_t begin = 0;
    for (const KvStore::NextUse& next : future[i]) {
      if (next.number != kNeverUsed) {
        change[i] += next.end - begin;
        change[next.number] -= next.end - begin;
      }
      begin = next.end;
    }
  }
  std::int64_t waiting = 0, most = 0;
  for (const std::int64_t step : change) most = std::max(most, waiting += step);
  CAPTURE(most);
  CHECK(hits(trace.requests, future, "belady", most) == 105'710);
  CHECK(hits(trace.requests, future, "belady", most - 1) == 105'709);
}

}  // namespace
}  // namespace scsim::sim
