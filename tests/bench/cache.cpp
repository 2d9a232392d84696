// How many block references a second `scsim cache` takes, on one core, reading the trace included.
// Answers are checked first.
//
//   bench_cache [case...]      cases: lru, curve, every other policy by its name, flat_lru
//
// The trace is Mooncake's conversations 40 times over, each copy with contents of its own: 11.54
// million references to blocks of 512 tokens by 481,240 requests (needs the data folder, else
// skipped). Cases are runs of the store at 30,000 blocks; `curve` is LRU at all capacities in one
// pass; `belady` reads the trace twice, to know the future. A CSV line per case: CPU seconds over
// five runs after the checked one.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "sim/store/cache_study.h"
#include "sim/store/lru_curve.h"
#include "sim/store/next_uses.h"
#include "tests/support/real_data.h"
#include "tests/support/temporary_folder.h"
#include "traces/text.h"
#include "traces/trace_cut.h"
#include "traces/trace_format.h"

namespace scsim {
namespace {

constexpr std::int64_t kCopies = 40, kCapacity = 30'000;
constexpr std::int64_t kReferences = kCopies * 288'500;
constexpr std::int64_t kMostFound = kCopies * 105'710;  // with room for all

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::int64_t store_hits(const std::string& trace, const std::string& policy, bool flat) {
  const sim::Eviction eviction = *sim::find_eviction(policy, {});
  std::optional<sim::NextUses> future;
  if (eviction.entry->oracle) future.emplace(*sim::NextUses::read(trace, {}, nullptr));
  // Deeper blocks cost more, as where attention matters; half and half at 50,000 tokens.
  const auto recompute = [](std::int64_t from, std::int64_t tokens) {
    return static_cast<double>(tokens) * (50'000 + static_cast<double>(from));
  };
  return sim::count_cache_hits(trace, {}, flat, eviction, kCapacity, recompute,
                               future ? &*future : nullptr, nullptr)
      ->blocks;
}

std::int64_t curve_hits(const std::string& path) {
  sim::TokenPaths paths;
  sim::LruCurve curve({}, paths);
  auto trace = sim::CacheTrace::open(path, {}, paths);
  sim::CacheRequest request;
  while (*trace->next(request)) {
    curve.serve(request);
    paths.drop_reference(request.path);
  }
  SCSIM_CHECK_EQ(curve.total().blocks, kReferences);
  SCSIM_CHECK_EQ(curve.hits(curve.unique_blocks()).blocks, kMostFound);
  return curve.hits(kCapacity).blocks;
}

struct Case {
  std::string name;
  std::function<std::int64_t(const std::string& trace)> run;
  std::int64_t expected = -1;  // -1: at most kMostFound, and the same every time
};

bool measure(const Case& which, const std::string& trace) {
  const std::int64_t found = which.run(trace);
  if (which.expected >= 0 ? found != which.expected : found <= 0 || found > kMostFound) {
    std::printf("%s,WRONG: %s blocks found\n", which.name.c_str(), format_integer(found).c_str());
    return false;
  }
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) {
    const double start = cpu_seconds();
    SCSIM_CHECK_EQ(which.run(trace), found);
    seconds.push_back(cpu_seconds() - start);
  }
  std::ranges::sort(seconds);
  std::printf("%s,%lld,%.3f,%.3f,%.3f,%.1f\n", which.name.c_str(), static_cast<long long>(found),
              seconds.front(), seconds[2], seconds.back(),
              static_cast<double>(kReferences) / seconds[2] / 1e6);
  return true;
}

}  // namespace
}  // namespace scsim

int main(int argc, char** argv) {
  using namespace scsim;
  const auto log = test::real_data("traces/mooncake/conversation_trace.jsonl.zst");
  if (!log) return 0;
  const test::TemporaryFolder folder;
  const std::string once = folder.file("once.pb"), trace = folder.file("t.pb");
  ImportInputs inputs;
  inputs.paths = {*log};
  SCSIM_CHECK(import_trace("mooncake", inputs, once, "bench_cache").has_value());
  CutOptions options;
  options.repeat = kCopies;
  SCSIM_CHECK(cut_trace(once, trace, options, "bench_cache").has_value());

  std::vector<Case> cases = {{"curve", curve_hits, kCopies * 93'978}};
  for (const sim::EvictionEntry& entry : sim::eviction_table()) {
    cases.push_back({entry.name,
                     [&](const std::string& path) { return store_hits(path, entry.name, false); },
                     entry.name == "lru" ? kCopies * 93'978 : -1});
  }
  cases.push_back({"flat_lru",
                   [](const std::string& path) { return store_hits(path, "lru", true); },
                   kCopies * 93'967});
  std::printf("case,found,cpu_s_min,cpu_s_median,cpu_s_max,million_references_per_cpu_s\n");
  bool right = true;
  const std::vector<std::string> wanted(argv + 1, argv + argc);
  for (const Case& which : cases) {
    if (wanted.empty() || std::ranges::find(wanted, which.name) != wanted.end())
      right = measure(which, trace) && right;
  }
  return right ? 0 : 1;
}
