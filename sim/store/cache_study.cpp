#include "sim/store/cache_study.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "sim/store/flat_store.h"
#include "sim/store/lru_curve.h"
#include "sim/store/next_uses.h"

namespace scsim::sim {
namespace {

using namespace std::chrono_literals;
using Recompute = std::function<double(std::int64_t, std::int64_t)>;
// Reports the part of it that is done.
using Job = std::function<Expected<void>(const std::function<void(double)>& progress)>;

// Does all jobs, the first error in their order ending the study. `progress` is called on this
// thread.
Expected<void> do_all(const std::vector<Job>& jobs, int threads, double from, double to,
                      const std::function<void(double)>& progress) {
  std::vector<std::optional<Error>> errors(jobs.size());
  std::vector<std::atomic<double>> parts(jobs.size());
  std::atomic<std::size_t> next = 0, done = 0;
  std::mutex mutex;
  std::condition_variable changed;
  const auto work = [&] {
    for (std::size_t job = next++; job < jobs.size(); job = next++) {
      const auto result = jobs[job]([&](double part) { parts[job] = part; });
      if (!result) errors[job] = result.error();
      parts[job] = 1;
      const std::lock_guard lock(mutex);
      ++done;
      changed.notify_one();
    }
  };
  {
    std::vector<std::jthread> workers;
    const auto wanted = std::min(jobs.size(), static_cast<std::size_t>(std::max(threads, 1)));
    for (std::size_t i = 0; i < wanted; ++i) workers.emplace_back(work);
    std::unique_lock lock(mutex);
    while (done < jobs.size()) {
      changed.wait_for(lock, 100ms);
      double sum = 0;
      for (const auto& part : parts) sum += part;
      if (progress) progress(from + (to - from) * sum / static_cast<double>(jobs.size()));
    }
  }
  for (const auto& error : errors) {
    if (error) return *error;
  }
  return {};
}

// Gives each request of the trace to `serve`.
template <class Serve>
Expected<void> for_each_request(const std::string& path, const CacheKeeping& keeping,
                                TokenPaths& paths, const std::function<void(double)>& progress,
                                Serve serve) {
  auto trace = CacheTrace::open(path, keeping, paths);
  if (!trace) return trace.error();
  CacheRequest request;
  for (std::uint64_t taken = 0;; ++taken) {
    const Expected<bool> more = trace->next(request);
    if (!more) return more.error();
    if (!*more) return {};
    serve(request);
    paths.drop_reference(request.path);
    if (progress && taken % 1024 == 0) progress(trace->progress());
  }
}

CacheHits serve(KvStore& store, TierId tier, const CacheKeeping& keeping,
                const CacheRequest& request, const NextUses* future) {
  std::int64_t found = -1;
  if (request.kept_tokens != request.prompt_tokens) {
    store.tier(tier).expire(request.use.now);
    store.look_up(request.path, request.prompt_tokens);
    found = store.leading(tier, 0);
  }
  store.look_up(request.path, request.kept_tokens);
  std::span<const KvStore::NextUse> next;
  if (future != nullptr) next = future->of(request.use.number);
  const std::int64_t all = store.serve(tier, request.use, 1, next);
  if (found < 0) found = all;
  return {found, keeping.tokens(found, request.prompt_tokens)};
}

void draw_curve(const LruCurve& curve, const CacheStudyOptions& options, CacheStudy& study) {
  std::vector<std::int64_t> capacities =
      options.all_points ? curve.steps() : curve_capacities(study.unique_blocks);
  for (const CacheRow& row : study.rows) {
    if (row.capacity_blocks <= study.unique_blocks) capacities.push_back(row.capacity_blocks);
  }
  if (study.unique_blocks > 0) capacities.push_back(study.unique_blocks);
  std::ranges::sort(capacities);
  capacities.erase(std::unique(capacities.begin(), capacities.end()), capacities.end());
  for (const std::int64_t capacity : capacities)
    study.lru.push_back({capacity, curve.hits(capacity)});
}

}  // namespace

Expected<CacheHits> count_cache_hits(
    const std::string& path, const CacheKeeping& keeping, bool flat, const Eviction& eviction,
    std::int64_t capacity,
    const std::function<double(std::int64_t from, std::int64_t tokens)>& recompute,
    const NextUses* future, const std::function<void(double)>& progress) {
  CacheHits sum;
  const auto add = [&](const CacheHits& hits) {
    sum.blocks += hits.blocks;
    sum.tokens += hits.tokens;
  };
  TokenPaths paths;
  if (flat) {
    FlatStore store(keeping, capacity, eviction, recompute, paths);
    const auto done =
        for_each_request(path, keeping, paths, progress,
                         [&](const CacheRequest& request) { add(store.serve(request, future)); });
    if (!done) return done.error();
    return sum;
  }
  KvStore store({.block_tokens = keeping.block_tokens, .tail = keeping.tail}, paths, nullptr);
  TierOptions options;
  options.name = "cache";
  options.capacity = capacity;
  options.eviction = eviction;
  options.observe = false;
  options.recompute_seconds = recompute;
  const TierId tier = store.add_tier(std::move(options));
  const auto done = for_each_request(
      path, keeping, paths, progress,
      [&](const CacheRequest& request) { add(serve(store, tier, keeping, request, future)); });
  if (!done) return done.error();
  return sum;
}

Expected<CacheStudy> study_cache(const std::string& trace, const CacheStudyOptions& options) {
  const CacheKeeping& keeping = options.keeping;
  SCSIM_CHECK_GT(keeping.block_tokens, 0);
  CacheStudy study;
  study.trace = trace;
  study.block_tokens = keeping.block_tokens;
  study.tail = keeping.tail;
  study.outputs = keeping.outputs;
  study.isolate_tenants = keeping.isolate_tenants;
  study.flat = options.flat;
  {
    const auto reader = TraceReader::open(trace);
    if (!reader) return reader.error();
    study.header = reader->header();
  }

  // First what all runs stand on: what there is to be found, and the future if someone is told.
  const bool oracle =
      std::ranges::any_of(options.policies, [](const auto& p) { return p.eviction.entry->oracle; });
  TokenPaths paths;
  LruCurve curve(keeping, paths);
  std::optional<NextUses> future;
  std::vector<Job> jobs = {[&](const auto& progress) {
    return for_each_request(trace, keeping, paths, progress,
                            [&](const CacheRequest& request) { curve.serve(request); });
  }};
  if (oracle) {
    jobs.push_back([&](const auto& progress) -> Expected<void> {
      auto read = NextUses::read(trace, keeping, progress);
      if (!read) return read.error();
      future.emplace(*std::move(read));
      return {};
    });
  }
  const double first_part = static_cast<double>(jobs.size());
  const std::size_t rows =
      options.policies.size() * std::max<std::size_t>(options.capacities.size(), 10);
  const double all_parts = first_part + static_cast<double>(rows);
  if (const auto done = do_all(jobs, options.threads, 0, first_part / all_parts, options.progress);
      !done)
    return done.error();
  study.requests = curve.requests();
  study.total = curve.total();
  study.unique_blocks = curve.unique_blocks();
  study.ideal = curve.hits(study.unique_blocks);

  std::vector<std::int64_t> capacities = options.capacities;
  if (capacities.empty()) capacities = capacity_ladder(study.unique_blocks);
  for (std::int64_t& capacity : capacities) {
    if (capacity == kRoomForAll) capacity = std::max<std::int64_t>(study.unique_blocks, 1);
  }
  std::atomic<bool> asked_seconds = false;
  const Recompute recompute = [&](std::int64_t from, std::int64_t tokens) {
    asked_seconds.store(true, std::memory_order_relaxed);
    return options.recompute_seconds ? options.recompute_seconds(from, tokens)
                                     : static_cast<double>(tokens);
  };
  jobs.clear();
  study.rows.resize(options.policies.size() * capacities.size());
  for (std::size_t i = 0; i < study.rows.size(); ++i) {
    const auto& policy = options.policies[i / capacities.size()];
    CacheRow& row = study.rows[i];
    row.policy = policy.name;
    row.oracle = policy.eviction.entry->oracle;
    row.capacity_blocks = capacities[i % capacities.size()];
    if (options.one_pass && !options.flat && policy.eviction.entry->name == "lru") {
      row.hits = curve.hits(row.capacity_blocks);
      continue;
    }
    jobs.push_back([&](const auto& progress) -> Expected<void> {
      const auto hits =
          count_cache_hits(trace, keeping, options.flat, policy.eviction, row.capacity_blocks,
                           recompute, row.oracle ? &*future : nullptr, progress);
      if (!hits) return hits.error();
      row.hits = *hits;
      return {};
    });
  }
  if (const auto done = do_all(jobs, options.threads, first_part / all_parts, 1, options.progress);
      !done)
    return done.error();
  if (asked_seconds && !options.recompute_honesty.empty())
    study.honesty.push_back(options.recompute_honesty);
  draw_curve(curve, options, study);
  return study;
}

std::vector<std::int64_t> capacity_ladder(std::int64_t unique_blocks) {
  std::vector<std::int64_t> ladder;
  for (std::int64_t decade = 1; decade < unique_blocks; decade *= 10) {
    for (const std::int64_t step : {1, 2, 5}) {
      const std::int64_t capacity = step * decade;
      if (capacity < unique_blocks && capacity > unique_blocks / 1000) ladder.push_back(capacity);
    }
  }
  ladder.push_back(std::max<std::int64_t>(unique_blocks, 1));
  return ladder;
}

std::vector<std::int64_t> curve_capacities(std::int64_t most) {
  std::vector<std::int64_t> capacities;
  std::int64_t step = 1;
  for (std::int64_t at = 1; at < most; at += step) {
    capacities.push_back(at);
    if (at == 64 * step) step *= 2;
  }
  if (most > 0) capacities.push_back(most);
  return capacities;
}

Expected<std::vector<CacheStudyOptions::Policy>> parse_cache_policies(const std::string& text) {
  std::vector<CacheStudyOptions::Policy> policies;
  // A comma separates policies and parameters; a part with "=" and no ":" is one more parameter.
  std::vector<std::pair<std::string, std::vector<std::string>>> parts;
  for (const std::string& part : split(text, ',')) {
    const std::size_t colon = part.find(':');
    if (colon == std::string::npos && part.find('=') != std::string::npos && !parts.empty()) {
      parts.back().second.push_back(part);
      continue;
    }
    parts.push_back({std::string(trim(part.substr(0, colon))), {}});
    if (colon != std::string::npos) {
      for (const std::string& parameter : split(part.substr(colon + 1), ':'))
        parts.back().second.push_back(parameter);
    }
  }
  const auto add = [&](const std::string& name, const Eviction& eviction) -> Expected<void> {
    if (std::ranges::find(policies, name, &CacheStudyOptions::Policy::name) != policies.end())
      return Error{"eviction policy " + name + " is there twice"};
    policies.push_back({name, eviction});
    return {};
  };
  for (const auto& [name, given] : parts) {
    if (name == "all" && given.empty()) {
      for (const EvictionEntry& entry : eviction_table()) {
        if (const auto added = add(entry.name, *find_eviction(entry.name, {})); !added)
          return added.error();
      }
      continue;
    }
    PolicyParameters parameters;
    std::string label = name;
    for (const std::string& parameter : given) {
      const std::size_t equals = parameter.find('=');
      const std::string key(trim(parameter.substr(0, equals)));
      if (equals == std::string::npos)
        return Error{"eviction policy " + name + ": \"" + parameter +
                     "\": expected parameter=value"};
      const auto value = parse_double(trim(parameter.substr(equals + 1)));
      if (!value)
        return Error{"eviction policy " + name + ": " + key + ": " + value.error().message};
      if (!parameters.emplace(key, *value).second)
        return Error{"eviction policy " + name + ": " + key + " is given twice"};
    }
    for (const auto& [key, value] : parameters) {
      const char* mark = label.size() == name.size() ? ":" : ",";
      label += mark + key + "=" + format_shortest(value);
    }
    auto eviction = find_eviction(name, parameters);
    if (!eviction) return eviction.error();
    if (const auto added = add(label, *eviction); !added) return added.error();
  }
  return policies;
}

}  // namespace scsim::sim
