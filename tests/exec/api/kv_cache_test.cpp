#include "exec/api/kv_cache.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "tests/exec/api/measured.h"
#include "tests/oracle/kv_cache_oracle.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

using test::KvCacheOracle;
using test::Measured;
using test::OracleHead;

constexpr std::int64_t kLayers = 2, kHeads = 3, kGroup = 2, kDim = 8, kPage = 8;
const QuantisedFormat kFormats[] = {{.key_bits = 2, .value_bits = 2, .group = 8},
                                    {.key_bits = 4, .value_bits = 8, .group = 12},
                                    {.key_bits = 8, .value_bits = 4, .group = 3}};

std::shared_ptr<KvMemory> make_memory(std::int64_t max_pages = 0, std::int64_t max_host = 0) {
  return std::make_shared<KvMemory>(KvMemoryOptions{
      .head_dim = kDim, .page_tokens = kPage, .max_pages = max_pages, .max_host_pages = max_host});
}

const KvShape kShape = {.layers = kLayers, .kv_heads = kHeads, .kinds = {}};

at::Tensor random_rows(Rng& rng, std::int64_t tokens) {
  at::Tensor rows = at::empty({tokens, kHeads, kDim});
  float* to = rows.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < rows.numel(); ++i) to[i] = static_cast<float>(rng.normal());
  return rows;
}

std::vector<float> floats(const at::Tensor& x) {
  const at::Tensor flat = x.contiguous().reshape({-1});
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

// A cache and what it must hold.
struct Pair {
  KvCache cache;
  KvCacheOracle oracle;
};

Pair make_pair(std::shared_ptr<KvMemory> memory) {
  Pair pair{KvCache(std::move(memory), kShape), {}};
  pair.oracle.layers.assign(kLayers, std::vector<OracleHead>(kHeads));
  return pair;
}

// One token after the other to every layer: true if there was room.
bool append(Pair& pair, Rng& rng, std::int64_t tokens, Measure& measure) {
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    // Strided as a model's are: parts of one matrix.
    const at::Tensor both = at::cat({random_rows(rng, tokens), random_rows(rng, tokens)}, 1);
    const at::Tensor k = both.narrow(1, 0, kHeads), v = both.narrow(1, kHeads, kHeads);
    if (!pair.cache.append(layer, k, v, measure)) return false;
    std::vector<OracleHead>& heads = pair.oracle.layers[static_cast<std::size_t>(layer)];
    for (std::int64_t h = 0; h < std::ssize(heads); ++h) {
      const std::int64_t kv_head = h * kHeads / std::ssize(heads);
      const std::vector<float> keys = floats(k.select(1, kv_head));
      const std::vector<float> values = floats(v.select(1, kv_head));
      OracleHead& head = heads[static_cast<std::size_t>(h)];
      auto& rows = head.rows;
      // A begun block of a prefix comes to pages first.
      if (tokens > 0) head.packed -= head.packed % static_cast<std::size_t>(head.format.group);
      for (std::int64_t i = 0; i < tokens; ++i) {
        const auto part = [&](const std::vector<float>& of) {
          return std::vector<float>(of.begin() + i * kDim, of.begin() + (i + 1) * kDim);
        };
        rows.push_back({part(keys), part(values)});
      }
    }
  }
  pair.cache.advance(tokens);
  pair.oracle.seen += tokens;
  return true;
}

// Reads the cache as an operator does, by block table and lengths.
void check_holds(const Pair& pair, Measure& measure) {
  REQUIRE(pair.cache.tokens_seen() == pair.oracle.seen);
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    const std::optional<CacheView> view = pair.cache.view(layer, measure);
    if (!view) continue;  // no room to stage
    const std::int32_t* table = view->block_table.const_data_ptr<std::int32_t>();
    REQUIRE(view->heads() == pair.cache.heads(layer));
    for (std::int64_t h = 0; h < view->heads(); ++h) {
      const auto& rows =
          pair.oracle.layers[static_cast<std::size_t>(layer)][static_cast<std::size_t>(h)].rows;
      const auto packed = static_cast<std::int64_t>(
          pair.oracle.layers[static_cast<std::size_t>(layer)][static_cast<std::size_t>(h)].packed);
      REQUIRE(view->kv_lengths.const_data_ptr<std::int32_t>()[h] == std::ssize(rows) - packed);
      REQUIRE(view->host_lengths.const_data_ptr<std::int32_t>()[h] == std::ssize(rows) - packed);
      REQUIRE(pair.cache.length(layer, h) == std::ssize(rows));
      REQUIRE(pair.cache.packed(layer, h) == packed);
      if (packed > 0) {
        REQUIRE(view->packed.has_value());
        REQUIRE(view->packed->host_lengths.const_data_ptr<std::int32_t>()[h] == packed);
        for (std::size_t i = 0; i < pair.cache.blocks(layer, h).size(); ++i) {
          REQUIRE(view->packed->block_table[0][h][static_cast<std::int64_t>(i)].item<int>() ==
                  pair.cache.blocks(layer, h)[i].page);
        }
      }
      const auto [k, v] = pair.cache.rows(layer, h);
      const std::int64_t third = std::ssize(rows) / 3;
      REQUIRE(at::equal(pair.cache.rows(layer, h, third, third).first, k.narrow(0, third, third)));
      const std::vector<float> keys = floats(k), values = floats(v);
      const auto equal = [](const std::vector<float>& row, const float* found) {
        return std::equal(row.begin(), row.end(), found);
      };
      bool same = true;
      for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
        const test::CacheRow& row = rows[static_cast<std::size_t>(i)];
        same = same && equal(row.key, keys.data() + i * kDim) &&
               equal(row.value, values.data() + i * kDim);
        const std::int64_t at = i - packed;  // in pages
        if (at < 0) continue;
        const std::int64_t page = table[h * view->block_table.size(2) + at / kPage];
        const float* in_pool =
            view->pool.const_data_ptr<float>() + (page * 2 * kPage + at % kPage) * kDim;
        same = same && equal(row.key, in_pool) && equal(row.value, in_pool + kPage * kDim);
      }
      REQUIRE(same);
    }
  }
}

// Every page has as many owners as caches refer to it, and live bytes are those of these pages.
void check_conserved(const KvMemory& memory, const std::vector<Pair>& pairs) {
  std::map<std::pair<int, std::int32_t>, std::int32_t> owners;
  for (const Pair& pair : pairs) {
    std::int64_t bytes = 0;
    std::set<std::pair<int, std::int32_t>> counted;  // heads may share pages
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      for (std::int64_t h = 0; h < pair.cache.heads(layer); ++h) {
        const std::int64_t pages = pair.cache.num_pages(layer, h);
        const std::int64_t packed = pair.cache.packed(layer, h);
        REQUIRE(pages == (pair.cache.length(layer, h) - packed + kPage - 1) / kPage);
        std::vector<PageRef> all(pair.cache.blocks(layer, h).begin(),
                                 pair.cache.blocks(layer, h).end());
        REQUIRE(all.empty() == (packed == 0));
        for (std::int64_t i = 0; i < pages; ++i) all.push_back(pair.cache.page(layer, h, i));
        for (const PageRef& page : all) {
          ++owners[{page.pool, page.page}];
          if (!counted.emplace(page.pool, page.page).second) continue;
          bytes += memory.pool(page.pool).page_bytes();
        }
      }
    }
    REQUIRE(pair.cache.bytes().total() == bytes);
    REQUIRE(pair.cache.pages() == std::ssize(counted));
  }
  std::vector<std::int64_t> live(memory.pools(), 0);
  for (const auto& [page, count] : owners) {
    const PagePool& pool = memory.pool(static_cast<std::uint8_t>(page.first));
    REQUIRE(pool.owners(page.second) == count);
    live[static_cast<std::size_t>(page.first)] += pool.page_bytes();
  }
  for (std::size_t i = 0; i < live.size(); ++i) {
    const MemoryUse& use = memory.pool(static_cast<std::uint8_t>(i)).use();
    REQUIRE(use.live() == live[i]);
    REQUIRE(use.peak >= use.live());
  }
}

std::vector<std::int32_t> random_positions(Rng& rng, std::int64_t length) {
  std::vector<std::int32_t> kept;
  const double share = rng.uniform();
  const std::int64_t sink = rng.chance(0.5) ? static_cast<std::int64_t>(rng.below(20)) : 0;
  for (std::int64_t i = 0; i < length; ++i) {
    if (i < sink || rng.chance(share)) kept.push_back(static_cast<std::int32_t>(i));
  }
  return kept;
}

// A random step on one of the caches. What finds no room must change nothing, which the comparison
// with the oracle shows.
void random_step(std::vector<Pair>& pairs, const std::shared_ptr<KvMemory>& memory, Rng& rng,
                 Measure& measure) {
  if (pairs.empty() || (pairs.size() < 6 && rng.chance(0.1))) pairs.push_back(make_pair(memory));
  const std::size_t chosen = rng.below(pairs.size());
  Pair& pair = pairs[chosen];
  const std::int64_t layer = static_cast<std::int64_t>(rng.below(kLayers));
  const std::int64_t head =
      static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(pair.cache.heads(layer))));
  const std::size_t l = static_cast<std::size_t>(layer), h = static_cast<std::size_t>(head);
  switch (rng.below(11)) {
    case 0:
    case 1:
    case 2: {
      const std::int64_t tokens = static_cast<std::int64_t>(rng.below(20));
      // A layer might find room and the next none, so the whole is asked for first.
      if (memory->pool(KvMemory::kDevice).can_allocate(pair.cache.pages_to_append(tokens))) {
        REQUIRE(append(pair, rng, tokens, measure));
      } else if (kLayers * tokens > 0) {
        const at::Tensor rows = random_rows(rng, 10000);
        REQUIRE(!pair.cache.append(layer, rows, rows, measure));
      }
      break;
    }
    case 3:
      if (pairs.size() < 6) pairs.push_back({pair.cache.fork(), pair.oracle});
      break;
    case 4: {
      auto kept = random_positions(rng, pair.cache.length(layer, head));
      if (rng.chance(0.2)) std::ranges::reverse(kept);
      if (pair.cache.keep(layer, head, kept, measure)) pair.oracle.keep(l, h, kept);
      break;
    }
    case 5: {
      const QuantisedFormat& format = kFormats[rng.below(3)];
      const std::int64_t tokens = static_cast<std::int64_t>(rng.below(60));
      if (pair.cache.quantise(layer, tokens, format, measure)) {
        pair.oracle.quantise(l, tokens, format);
      } else {
        // Heads come one after the other, so those before the one that found no room are packed;
        // the oracle cannot tell which.
        pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(chosen));
      }
      break;
    }
    case 6:
      (void)pair.cache.move_to_host(layer, head, static_cast<std::int64_t>(rng.below(20)),
                                    static_cast<std::int64_t>(rng.below(60)), measure);
      break;
    case 7:
      if (pair.cache.dense() && pairs.size() < 6) {
        const std::int64_t tokens =
            static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(pair.oracle.seen) + 1));
        Pair prefix{pair.cache.fork_prefix(tokens), pair.oracle};
        prefix.oracle.seen = tokens;
        for (auto& heads : prefix.oracle.layers) {
          for (OracleHead& of : heads) {
            of.rows.resize(static_cast<std::size_t>(tokens));
            of.packed = std::min(of.packed, static_cast<std::size_t>(tokens));
          }
        }
        pairs.push_back(std::move(prefix));
      }
      break;
    case 9: {
      const std::int64_t tokens = static_cast<std::int64_t>(rng.below(4));
      std::vector<OracleHead>& heads = pair.oracle.layers[l];
      const auto shortest = std::ranges::min(heads, {}, [](const OracleHead& of) {
                              return of.rows.size();
                            }).rows.size();
      if (shortest == 0) break;
      std::vector<std::int32_t> positions;
      for (const OracleHead& of : heads) {
        for (std::int64_t i = 0; i < tokens; ++i) {
          positions.push_back(static_cast<std::int32_t>(rng.below(of.rows.size())));
        }
      }
      const at::Tensor k = random_rows(rng, tokens), v = random_rows(rng, tokens);
      if (!pair.cache.overwrite(layer, positions, k, v, measure)) {
        pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(chosen));  // perhaps unpacked
        break;
      }
      for (OracleHead& of : heads) of.packed = 0;
      for (std::size_t i = 0; i < positions.size(); ++i) {
        const std::size_t of = i / static_cast<std::size_t>(tokens);
        const std::int64_t token = static_cast<std::int64_t>(i) % tokens;
        const std::int64_t kv_head = static_cast<std::int64_t>(of) * kHeads / std::ssize(heads);
        heads[of].rows[static_cast<std::size_t>(positions[i])] = {floats(k[token][kv_head]),
                                                                  floats(v[token][kv_head])};
      }
      break;
    }
    case 8:
      if (rng.chance(0.3) && std::ranges::all_of(pair.oracle.layers[l], [](const OracleHead& of) {
            return of.packed == 0;
          })) {
        pair.cache.expand_heads(layer, kGroup * kHeads);
        pair.oracle.expand_heads(l, kGroup * kHeads);
      }
      break;
    default:
      if (rng.chance(0.5)) {
        pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(chosen));
      } else if (pairs.size() > 1) {
        std::swap(pairs.front(), pairs.back());  // moves
      }
  }
}

void run_random(std::uint64_t draw, std::int64_t max_pages, std::int64_t max_host) {
  INFO("draw " << draw);
  Rng rng(7, "tests.kv_cache", draw);
  Measured measured;
  const std::shared_ptr<KvMemory> memory = make_memory(max_pages, max_host);
  std::vector<Pair> pairs;
  for (int step = 0; step < 120; ++step) {
    random_step(pairs, memory, rng, measured.measure);
    check_conserved(*memory, pairs);
    if (step % 10 == 9) {
      for (const Pair& pair : pairs) check_holds(pair, measured.measure);
      check_conserved(*memory, pairs);  // staged pages are gone
    }
    if (max_pages > 0) {
      REQUIRE(memory->pool(KvMemory::kDevice).pages_in_use() <= max_pages);
    }
  }
  pairs.clear();
  CHECK(memory->live_bytes() == 0);
}

}  // namespace

TEST_CASE("a cache holds what plain rows hold, through forks, drops and every rewriting",
          "[exec][api]") {
  for (std::uint64_t draw = 0; draw < 15; ++draw) run_random(draw, 0, 0);
}

TEST_CASE("where pages run out a cache says so and stays as it was", "[exec][api]") {
  for (std::uint64_t draw = 100; draw < 115; ++draw) run_random(draw, 40, 6);
}

TEST_CASE("a fork copies nothing until one of the two appends", "[exec][api]") {
  Rng rng(1, "tests.kv_cache.fork");
  Measured measured;
  const auto memory = make_memory();
  Pair first = make_pair(memory);
  REQUIRE(append(first, rng, kPage + 3, measured.measure));  // one whole page, one begun
  const std::int64_t live = memory->live_bytes(), moved = measured.of(Stage::kOther).bytes_moved;
  Pair second{first.cache.fork(), first.oracle};
  CHECK(memory->live_bytes() == live);
  CHECK(measured.of(Stage::kOther).bytes_moved == moved);

  REQUIRE(append(second, rng, 1, measured.measure));  // copies the begun page of each head
  const std::int64_t page = memory->pool(KvMemory::kDevice).page_bytes();
  CHECK(memory->live_bytes() == live + kLayers * kHeads * page);
  CHECK(measured.of(Stage::kOther).bytes_moved == moved + kLayers * kHeads * page);
  REQUIRE(append(first, rng, 1, measured.measure));  // it is now the first one's own
  CHECK(memory->live_bytes() == live + kLayers * kHeads * page);
  check_holds(first, measured.measure);
  check_holds(second, measured.measure);
}

TEST_CASE("a cache of pages that others computed reads as theirs, and goes on by itself",
          "[exec][api]") {
  const auto memory = make_memory();
  Measured measured;
  Rng rng(4, "tests.kv_cache");
  Pair pair = make_pair(memory);
  REQUIRE(append(pair, rng, 2 * kPage + 3, measured.measure));
  KvCache other(memory, kShape);
  for (std::int64_t number = 0; number < 2; ++number) {
    std::vector<PageRef> pages;
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      for (std::int64_t head = 0; head < kHeads; ++head)
        pages.push_back(pair.cache.page(layer, head, number));
    }
    other.adopt(pages);
  }
  CHECK(other.tokens_seen() == 2 * kPage);
  CHECK(other.dense());
  CHECK(memory->pool(KvMemory::kDevice).pages_in_use() == pair.cache.pages());
  const auto check = [&](std::int64_t layer, std::int64_t head) {
    const auto [k, v] = other.rows(layer, head, 0, 2 * kPage);
    const auto [ours, values] = pair.cache.rows(layer, head, 0, 2 * kPage);
    CHECK((floats(k) == floats(ours)));
    CHECK((floats(v) == floats(values)));
  };
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    REQUIRE(other.append(layer, random_rows(rng, 1), random_rows(rng, 1), measured.measure));
    for (std::int64_t head = 0; head < kHeads; ++head) check(layer, head);
  }
  pair.cache = KvCache(memory, kShape);  // the pages live as long as anybody has them
  CHECK(memory->pool(KvMemory::kDevice).pages_in_use() == other.pages());
}

TEST_CASE("what keep drops is free again, and counted in the stage that dropped it",
          "[exec][api]") {
  Rng rng(2, "tests.kv_cache.keep");
  Measured measured;
  const auto memory = make_memory();
  Pair pair = make_pair(memory);
  REQUIRE(append(pair, rng, 10 * kPage, measured.measure));
  const std::int64_t page = memory->pool(KvMemory::kDevice).page_bytes();
  const std::int64_t live = memory->live_bytes();
  REQUIRE(live == kLayers * kHeads * 10 * page);
  CHECK(measured.of(Stage::kOther).bytes_allocated == live);
  {
    const MeasuredStage stage(measured.measure, Stage::kCompression);
    std::vector<std::int32_t> kept = {0, 1, 2, 30, 31};
    REQUIRE(pair.cache.keep(1, 2, kept, measured.measure));
    REQUIRE(pair.cache.keep(1, 1, {}, measured.measure));
  }
  CHECK(memory->live_bytes() == live - 19 * page);
  const StageCounts& counts = measured.of(Stage::kCompression);
  CHECK(counts.bytes_freed - counts.bytes_allocated == 19 * page);
  CHECK(pair.cache.length(1, 2) == 5);
  CHECK(pair.cache.length(1, 1) == 0);
  CHECK(pair.cache.num_pages(1, 1) == 0);
  CHECK(pair.cache.bytes().device == live - 19 * page);
  CHECK(!pair.cache.dense());
}

TEST_CASE("expanded heads share all pages until each keeps its own", "[exec][api]") {
  Rng rng(5, "tests.kv_cache.expand");
  Measured measured;
  const auto memory = make_memory();
  Pair pair = make_pair(memory);
  REQUIRE(append(pair, rng, 4 * kPage + 3, measured.measure));
  const std::int64_t page = memory->pool(KvMemory::kDevice).page_bytes();
  const std::int64_t live = memory->live_bytes();
  const std::int64_t moved = measured.of(Stage::kOther).bytes_moved;
  constexpr std::int64_t kQueryHeads = kGroup * kHeads;
  pair.cache.expand_heads(0, kQueryHeads);
  pair.oracle.expand_heads(0, kQueryHeads);
  CHECK(pair.cache.heads(0) == kQueryHeads);
  CHECK(pair.cache.heads(1) == kHeads);
  CHECK(pair.cache.dense());
  CHECK(memory->live_bytes() == live);
  CHECK(pair.cache.bytes().total() == live);
  CHECK(measured.of(Stage::kOther).bytes_moved == moved);
  check_holds(pair, measured.measure);

  // An append copies the begun page of one head of each group; the other goes on with the old one.
  const std::int64_t foreseen = pair.cache.pages_to_append(1);
  REQUIRE(append(pair, rng, 1, measured.measure));
  CHECK(foreseen == kHeads);
  CHECK(memory->live_bytes() == live + kHeads * page);
  check_holds(pair, measured.measure);

  // What each head keeps is its own, the leading pages too: 12 tokens are two pages.
  std::vector<std::int32_t> kept;
  for (std::int32_t i = 0; i < 12; ++i) kept.push_back(i);
  for (std::int64_t h = 0; h < kQueryHeads; ++h) {
    REQUIRE(pair.cache.keep(0, h, kept, measured.measure));
    pair.oracle.keep(0, static_cast<std::size_t>(h), kept);
  }
  CHECK(pair.cache.bytes().total() == (kQueryHeads * 2 + kHeads * 5) * page);
  check_holds(pair, measured.measure);
}

TEST_CASE("blocks take exactly their codes, minima and scales", "[exec][api]") {
  Rng rng(3, "tests.kv_cache.quantise");
  Measured measured;
  for (const QuantisedFormat& format : kFormats) {
    const auto memory = make_memory();
    Pair pair = make_pair(memory);
    constexpr std::int64_t kTokens = 3 * kPage + 5;
    REQUIRE(append(pair, rng, kTokens, measured.measure));
    REQUIRE(pair.cache.quantise(0, 2 * kPage + 1, format, measured.measure));
    // Whole groups of each head. Keys: a code for each number and, for each group of tokens and
    // channel, a minimum and a scale of two bytes; values likewise with groups of channels.
    const std::int64_t blocks = (2 * kPage + 1) / format.group, tokens = blocks * format.group;
    const std::int64_t elements = tokens * kDim, channels = format.group == 3 ? 1 : 4;
    const std::int64_t bytes = elements * (format.key_bits + format.value_bits) / 8 +
                               blocks * kDim * (2 + 2) +
                               elements / (format.group == 8 ? 8 : channels) * (2 + 2);
    CHECK(pair.cache.bytes().quantised == kHeads * bytes);
    const std::int64_t page = memory->pool(KvMemory::kDevice).page_bytes();
    const std::int64_t rest = (kTokens - tokens + kPage - 1) / kPage;
    CHECK(pair.cache.bytes().device == (rest + 4) * kHeads * page);
    CHECK(memory->live_bytes() == pair.cache.bytes().total());
    pair.oracle.quantise(0, 2 * kPage + 1, format);
    check_holds(pair, measured.measure);
  }
}

TEST_CASE("rounding in pages leaves what packing leaves, to the owner alone", "[exec][api]") {
  Rng rng(6, "tests.kv_cache.round");
  Measured measured;
  for (const QuantisedFormat& format : kFormats) {
    const auto memory = make_memory();
    Pair first = make_pair(memory);
    REQUIRE(append(first, rng, 6 * kPage, measured.measure));
    REQUIRE(first.cache.quantise(0, format.group, format, measured.measure));
    first.oracle.quantise(0, format.group, format);
    Pair second{first.cache.fork(), first.oracle};
    const TokenRange keys{format.group, 3 * format.group}, values{format.group + 1, 29};
    REQUIRE(second.cache.round(0, keys, values, format, measured.measure));
    second.oracle.round_keys(0, static_cast<std::size_t>(keys.begin),
                             static_cast<std::size_t>(keys.end), format);
    second.oracle.round_values(0, static_cast<std::size_t>(values.begin), 29, format);
    check_holds(first, measured.measure);
    check_holds(second, measured.measure);
  }
}

TEST_CASE("the middle of a head goes to the host and is read there, row by row", "[exec][api]") {
  Rng rng(5, "tests.kv_cache.in_place");
  Measured measured;
  const auto memory = make_memory();
  Pair pair = make_pair(memory);
  REQUIRE(append(pair, rng, 5 * kPage + 2, measured.measure));
  // Pages 1 and 2 lie within tokens 1 .. 3 pages and 1 token; 0 and 3 do not.
  REQUIRE(pair.cache.move_to_host(0, 1, 1, 3 * kPage + 1, measured.measure));
  for (std::int64_t i = 0; i < pair.cache.num_pages(0, 1); ++i) {
    CHECK(pair.cache.page(0, 1, i).pool ==
          (i == 1 || i == 2 ? KvMemory::kHost : KvMemory::kDevice));
  }
  const auto [keys, values] = pair.cache.rows(0, 1);
  const std::int64_t allocated = measured.of(Stage::kOther).bytes_allocated;
  for (const std::uint8_t pool : {KvMemory::kDevice, KvMemory::kHost}) {
    const CacheView view = pair.cache.view_in_place(0, pool);
    CHECK(view.on_host == (pool == KvMemory::kHost));
    for (std::int64_t i = 0; i < 5 * kPage + 2; ++i) {
      if (pair.cache.page(0, 1, i / kPage).pool != pool) continue;
      const auto page = view.block_table[0][1][i / kPage].item<std::int64_t>();
      CHECK(at::equal(view.pool[page][0][i % kPage], keys[i]));
      CHECK(at::equal(view.pool[page][1][i % kPage], values[i]));
    }
  }
  CHECK(measured.of(Stage::kOther).bytes_allocated == allocated);
}

TEST_CASE("a view of some pages reads these and no other", "[exec][api]") {
  Rng rng(4, "tests.kv_cache.pages");
  Measured measured;
  const auto memory = make_memory();
  Pair pair = make_pair(memory);
  REQUIRE(append(pair, rng, 3 * kPage + 2, measured.measure));
  REQUIRE(pair.cache.move_to_host(0, 1, 0, 2 * kPage, measured.measure));
  CHECK(pair.cache.bytes().host == 2 * memory->pool(KvMemory::kHost).page_bytes());
  const std::vector<std::vector<std::int32_t>> chosen = {{0, 2}, {1, 3}, {}};
  const std::int64_t moved = measured.of(Stage::kOther).bytes_moved;
  {
    const auto view = pair.cache.view_pages(0, chosen, measured.measure);
    REQUIRE(view.has_value());
    CHECK(view->kv_lengths[0][0].item<std::int64_t>() == 2 * kPage);
    CHECK(view->kv_lengths[0][1].item<std::int64_t>() == kPage + 2);
    CHECK(view->kv_lengths[0][2].item<std::int64_t>() == 0);
    // Of the two pages of head 1 one is on the host, and only that one moves.
    CHECK(measured.of(Stage::kOther).bytes_moved == moved + memory->pool(1).page_bytes());
    for (std::int64_t h = 0; h < 2; ++h) {
      const auto& rows = pair.oracle.layers[0][static_cast<std::size_t>(h)].rows;
      const auto& pages = chosen[static_cast<std::size_t>(h)];
      for (std::int64_t i = 0; i < view->kv_lengths[0][h].item<std::int64_t>(); ++i) {
        const auto page = view->block_table[0][h][i / kPage].item<std::int64_t>();
        const std::size_t row = static_cast<std::size_t>(
            pages[static_cast<std::size_t>(i / kPage)] * kPage + i % kPage);
        CHECK(floats(view->pool[page][0][i % kPage]) == rows[row].key);
        CHECK(floats(view->pool[page][1][i % kPage]) == rows[row].value);
      }
    }
  }
  CHECK(memory->live_bytes() == pair.cache.bytes().total());  // staged pages went with the view
}

TEST_CASE("recurrent states are shared by forks until one writes", "[exec][api]") {
  Measured measured;
  const auto memory = make_memory();
  KvCache cache(
      memory,
      {.layers = 2, .kv_heads = kHeads, .kinds = {LayerKind::kRecurrent, LayerKind::kPaged}});
  CHECK(cache.state(0).empty());
  cache.set_state(0, {at::ones({4, 5}), at::zeros({3})}, measured.measure);
  constexpr std::int64_t kBytes = (4 * 5 + 3) * 4;
  CHECK(memory->live_bytes() == kBytes);
  {
    KvCache fork = cache.fork();
    CHECK(memory->live_bytes() == kBytes);
    fork.mutable_state(0, measured.measure)[0].fill_(2);
    CHECK(memory->live_bytes() == 2 * kBytes);
    CHECK(fork.state(0)[0].min().item<float>() == 2);
    CHECK(cache.state(0)[0].max().item<float>() == 1);
    CHECK(fork.bytes().recurrent == kBytes);
  }
  CHECK(memory->live_bytes() == kBytes);
  cache.mutable_state(0, measured.measure)[1].fill_(7);  // its own: in place
  CHECK(memory->live_bytes() == kBytes);
  CHECK(measured.of(Stage::kOther).bytes_moved == kBytes);
}

TEST_CASE("a cache with recurrent layers goes back to saved points only", "[exec][api]") {
  Measured measured;
  const auto memory = make_memory();
  const KvShape shape = {
      .layers = 3,
      .kv_heads = kHeads,
      .kinds = {LayerKind::kPaged, LayerKind::kRecurrent, LayerKind::kRecurrent}};
  constexpr std::int64_t kBytes = 5 * 4;
  const std::int64_t head_dim = memory->options().head_dim;
  const auto state_is = [](const KvCache& cache, float value) {
    return cache.state(1)[0].eq(value).all().item<bool>() &&
           cache.state(2)[0].eq(-value).all().item<bool>();
  };
  {
    KvCache cache(memory, shape);
    for (const std::int64_t layer : {1, 2})
      cache.set_state(layer, {at::zeros({5})}, measured.measure);
    // Ten tokens; the state counts them. Points at 4 and 8.
    for (std::int64_t token = 1; token <= 10; ++token) {
      const at::Tensor row = at::full({1, kHeads, head_dim}, static_cast<double>(token));
      REQUIRE(cache.append(0, row, row, measured.measure));
      for (const std::int64_t layer : {1, 2}) {
        cache.mutable_state(layer, measured.measure)[0].add_(layer == 1 ? 1 : -1);
        if (token % 4 == 0) cache.save_point(layer, token);
      }
      cache.advance(1);
      // What was saved at this very token is the state itself.
      CHECK(cache.bytes().recurrent == 2 * kBytes);
      CHECK(cache.bytes().saved == 2 * kBytes * ((token - 1) / 4));
      CHECK(memory->live_bytes() == cache.bytes().total());
    }
    const std::pair<std::int64_t, std::int64_t> cases[] = {{0, 0}, {3, 0}, {4, 4},  {7, 4},
                                                           {8, 8}, {9, 8}, {10, 10}};
    for (const auto& [wanted, given] : cases) {
      INFO(wanted);
      CHECK(cache.longest_prefix(wanted) == given);
      KvCache prefix = cache.fork_prefix(given);
      CHECK(prefix.tokens_seen() == given);
      CHECK(prefix.length(0, 0) == given);
      if (given == 0) {
        CHECK(prefix.state(1).empty());
        CHECK(prefix.bytes().total() == 0);
        continue;
      }
      CHECK(state_is(prefix, static_cast<float>(given)));
      CHECK(prefix.longest_prefix(given - 1) == (given - 1) / 4 * 4);
      // What goes on from there leaves the saved state as it was.
      for (const std::int64_t layer : {1, 2}) {
        prefix.mutable_state(layer, measured.measure)[0].fill_(100);
      }
      CHECK(state_is(cache.fork_prefix(given), static_cast<float>(given)));
    }
    CHECK(state_is(cache, 10));
  }
  CHECK(memory->live_bytes() == 0);
}

TEST_CASE("a method's state is forked with its cache and cloned by the first to write",
          "[exec][api]") {
  struct Counter : MethodState {
    std::unique_ptr<MethodState> clone() const override { return std::make_unique<Counter>(*this); }
    std::int64_t bytes() const override { return 24; }
    int value = 0;
  };
  const auto memory = make_memory();
  KvCache cache(memory, kShape);
  CHECK(cache.mutable_method_state() == nullptr);
  cache.set_method_state(std::make_unique<Counter>());
  KvCache fork = cache.fork();
  CHECK(fork.method_state() == cache.method_state());
  dynamic_cast<Counter&>(*fork.mutable_method_state()).value = 3;
  CHECK(fork.method_state() != cache.method_state());
  CHECK(dynamic_cast<const Counter&>(*cache.method_state()).value == 0);
  CHECK(dynamic_cast<const Counter&>(*fork.method_state()).value == 3);
  CHECK(fork.bytes().method == 24);
}

TEST_CASE("a pool with room reserved never moves, and keeps what it holds", "[exec][api]") {
  PagePool pool({.page_shape = {2}, .max_pages = 100, .initial_pages = 1});
  const std::int32_t first = *pool.allocate();
  pool.tensor()[first].fill_(7);
  pool.reserve(1000);
  CHECK(pool.tensor().size(0) == 100);
  const void* const memory = pool.tensor().const_data_ptr();
  while (pool.can_allocate(1)) pool.allocate();
  CHECK(pool.tensor().const_data_ptr() == memory);
  CHECK(pool.tensor()[first][1].item<float>() == 7);
  CHECK(pool.use().live() == 100 * 8);
}

TEST_CASE("a pool grows when its room is used up and keeps what it holds", "[exec][api]") {
  PagePool pool({.page_shape = {2}, .initial_pages = 1});
  for (int i = 0; i < 9; ++i) {
    const std::optional<std::int32_t> page = pool.allocate();
    REQUIRE(page == i);
    pool.tensor()[*page].fill_(i);
  }
  for (int i = 0; i < 9; ++i) CHECK(pool.tensor()[i][1].item<float>() == static_cast<float>(i));
  CHECK(pool.use().live() == 9 * 8);
  CHECK(pool.release(4));
  CHECK(pool.allocate() == 4);  // what is free is given out again first
  CHECK(pool.use().peak == 9 * 8);
}

}  // namespace scsim::exec
