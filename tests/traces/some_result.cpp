#include "tests/traces/some_result.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "traces/rng.h"
#include "traces/trace.h"

namespace scsim {
namespace {

void fill(GapHistogram& gaps, Rng& rng) {
  for (std::uint64_t& count : gaps.count) count = rng.chance(0.5) ? 0 : rng.below(1000);
  gaps.sum_seconds = rng.exponential(100);
  gaps.worst_ns = static_cast<std::int64_t>(rng.below(1'000'000'000));
}

void fill(LifetimeHistogram& lifetimes, Rng& rng) {
  for (auto& counts : lifetimes.count) {
    for (std::uint64_t& count : counts) count = rng.below(1000);
  }
  for (double& seconds : lifetimes.sum_seconds) seconds = rng.exponential(100);
}

constexpr auto kTierNames = {&TierResult::name, &TierResult::medium, &TierResult::scope,
                             &TierResult::policy, &TierResult::codec};
constexpr auto kTierCounts = {&TierResult::capacity_bytes,   &TierResult::stored_bytes,
                              &TierResult::refused_bytes,    &TierResult::evicted_bytes,
                              &TierResult::prefetched_bytes, &TierResult::prefetched_used_bytes,
                              &TierResult::peak_bytes,       &TierResult::fetched_bytes,
                              &TierResult::fetched_tokens,   &TierResult::fetched_lossy_tokens,
                              &TierResult::avoided_ns,       &TierResult::lost_bytes};
constexpr auto kTierNumbers = {&TierResult::price_per_gib_hour, &TierResult::avoided_gpu_seconds,
                               &TierResult::avoided_dollars};

}  // namespace

Result some_result(std::size_t num_requests) {
  Rng rng(1, "tests.result");
  const auto number = [&] { return static_cast<std::int64_t>(1 + rng.below(1'000'000)); };
  const auto time = [&] { return TimePoint(static_cast<std::int64_t>(rng.below(1ull << 50))); };
  Result result;
  result.trace = {"1.2.3", "scsim trace generate", "documents", 77, "4 characters per token"};
  result.trace_path = "x.pb";
  result.made_by = "scsim --trace x.pb";
  result.tool_version = "3.2.1";
  result.cluster_text = "name: a\npools:\n  - gpus: 8\n";
  result.router = "prefix_aware";
  result.honesty = {"uncalibrated: all", "unverified: preset"};
  result.grams_co2_per_kwh = 381.5;
  result.pue = 1.25;
  result.tenant_weights = {1, 2.5, 1};
  for (int i = 0; i < 2; ++i)
    result.failures.push_back(
        {"node", "node" + std::to_string(i), time(), time(), number(), number(), number()});
  for (const std::string& name : {std::string("a"), std::string("b"), std::string("c")}) {
    const std::size_t id = result.tables.tenants.size();
    result.tables.tenants.push_back({TenantId(id), name, "price of " + name});
    result.tables.slos.push_back({SloId(id), name, Duration(number()), {}, Duration(number())});
    result.slos.push_back({SloId(id), name, {}, Duration(number()), {}});
    result.tables.models.push_back("model " + name);
    result.tables.tasks.push_back("task " + name);
  }
  result.end = time();
  result.timeline_bin = Duration(number());
  for (int i = 0; i < 2; ++i) {
    EngineResult& engine = result.engines.emplace_back();
    engine.pool = "pool " + std::to_string(i);
    engine.model = "model b";
    engine.role = i == 0 ? "prefill" : "";
    for (std::int64_t* field :
         {&engine.num_blocks, &engine.block_tokens, &engine.max_sequences, &engine.steps,
          &engine.prefill_tokens, &engine.decode_tokens, &engine.preemptions,
          &engine.evicted_blocks, &engine.peak_used_blocks, &engine.abandoned_loads,
          &engine.idle_ns, &engine.down_ns, &engine.off_ns, &engine.starts, &engine.lost_tokens}) {
      *field = number();
    }
    for (double* field :
         {&engine.hbm_bytes, &engine.flops, &engine.link_bytes, &engine.peak_hbm_bytes_per_second,
          &engine.peak_flops_per_second, &engine.price_per_gpu_hour}) {
      *field = rng.exponential(1e12);
    }
    for (std::int64_t& ns : engine.stage_ns) ns = number();
    engine.gpus = 4;
    engine.watts = {rng.uniform(), rng.uniform(), rng.uniform(), rng.uniform()};
    EngineTimeline& timeline = engine.timeline;
    for (std::vector<float>* series : {&timeline.running, &timeline.waiting, &timeline.used_blocks,
                                       &timeline.cached_blocks, &timeline.busy}) {
      for (int bin = 0; bin < 10; ++bin) series->push_back(static_cast<float>(rng.uniform()));
    }
  }
  for (std::size_t i = 0; i < num_requests; ++i) {
    RequestResult& request = result.requests.emplace_back();
    request.request = rng.below(1'000'000);
    request.tenant = static_cast<std::uint32_t>(rng.below(3));
    request.turn = static_cast<std::uint32_t>(rng.below(20));
    request.slo = static_cast<std::uint32_t>(rng.below(3));
    request.task = static_cast<std::uint32_t>(rng.below(3));
    request.session = rng.next();
    request.engine = static_cast<std::int32_t>(rng.below(3)) - 1;
    request.outcome = static_cast<Outcome>(rng.below(kOutcomeNames.size()));
    request.preemptions = static_cast<std::uint16_t>(rng.below(65536));
    request.retries = static_cast<std::uint16_t>(rng.below(65536));
    request.arrival = time();
    if (rng.chance(0.9)) request.scheduled = time();
    if (rng.chance(0.9)) request.first_token = time();
    if (rng.chance(0.9)) request.end = time();
    request.prompt_tokens = number();
    request.output_tokens = number();
    request.found_tokens = number();
    request.recomputed_tokens = number();
    for (std::int64_t& ns : request.stage_ns) ns = number();
  }
  fill(result.gaps, rng);
  for (int i = 0; i < 3; ++i) fill(result.gaps_by_tenant.emplace_back(), rng);
  for (int i = 0; i < 5; ++i) fill(result.gaps_by_turn.emplace_back(), rng);
  fill(result.lifetimes, rng);
  return result;
}

Result with_store(Result result, std::size_t tiers) {
  Rng rng(2, "tests.result.store");
  const auto number = [&] { return static_cast<std::int64_t>(1 + rng.below(1'000'000)); };
  const auto series = [&](std::vector<float>& values) {
    for (int bin = 0; bin < 10; ++bin) values.push_back(static_cast<float>(rng.uniform()));
  };
  result.store_block_tokens = 512;
  for (std::size_t t = 0; t < tiers; ++t) {
    TierResult& tier = result.tiers.emplace_back();
    for (const auto name : kTierNames) tier.*name = "name " + std::to_string(number());
    for (const auto count : kTierCounts) tier.*count = number();
    for (const auto value : kTierNumbers) tier.*value = rng.exponential(100);
    tier.lossy = t % 2 == 0;
    tier.instances = static_cast<std::int32_t>(number());
    fill(tier.lifetimes, rng);
    fill(tier.gaps, rng);
    for (int tenant = 0; tenant < 3; ++tenant) {
      tier.charged_byte_seconds.push_back(rng.exponential(1e12));
      tier.stored_byte_seconds.push_back(rng.exponential(1e12));
      series(tier.used_bytes_by_tenant.emplace_back());
    }
    series(tier.used_bytes);
  }
  for (const double limit : {2.5e10, std::numeric_limits<double>::infinity()}) {
    LinkResult& link = result.links.emplace_back();
    link.name = "link " + std::to_string(number());
    link.bytes_per_second = limit;
    link.bytes = number();
    link.busy_ns = number();
    link.down_ns = number();
    link.rerouted = number();
    series(link.carried);
    link.price_per_gb = rng.uniform();
    link.bytes_by_tenant = {number(), 0, number()};
  }
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    FetchResult& fetch = result.fetches.emplace_back();
    for (std::size_t t = 0; t < tiers; ++t) fetch.tokens[t] = number();
    for (std::int64_t* field :
         {&fetch.lossy_tokens, &fetch.found_lossy_tokens, &fetch.wait_ns, &fetch.avoided_ns})
      *field = number();
  }
  return result;
}

Result with_transfers(Result result) {
  Rng rng(3, "tests.result.transfers");
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    TransferResult& transfer = result.transfers.emplace_back();
    transfer.prefill_engine = static_cast<std::int32_t>(rng.below(3)) - 1;
    transfer.local = static_cast<TransferResult::Local>(rng.below(kLocalNames.size()));
    for (std::int64_t* field :
         {&transfer.tokens, &transfer.bytes, &transfer.moving_ns, &transfer.wait_ns})
      *field = static_cast<std::int64_t>(rng.below(1'000'000));
  }
  return result;
}

namespace {

void check_same(const GapHistogram& a, const GapHistogram& b) {
  CHECK((a.count == b.count));
  CHECK(a.sum_seconds == b.sum_seconds);
  CHECK(a.worst_ns == b.worst_ns);
}

void check_same(const std::vector<GapHistogram>& a, const std::vector<GapHistogram>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) check_same(a[i], b[i]);
}

void check_same(const std::vector<SloClass>& a, const std::vector<SloClass>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK((a[i].id == b[i].id));
    CHECK(a[i].name == b[i].name);
    CHECK((a[i].ttft == b[i].ttft));
    CHECK((a[i].tpot == b[i].tpot));
    CHECK((a[i].e2e == b[i].e2e));
  }
}

void check_same(const EngineResult& a, const EngineResult& b) {
  CHECK(a.pool == b.pool);
  CHECK(a.model == b.model);
  for (const auto field :
       {&EngineResult::num_blocks, &EngineResult::block_tokens, &EngineResult::max_sequences,
        &EngineResult::steps, &EngineResult::prefill_tokens, &EngineResult::decode_tokens,
        &EngineResult::preemptions, &EngineResult::evicted_blocks, &EngineResult::peak_used_blocks,
        &EngineResult::abandoned_loads, &EngineResult::idle_ns, &EngineResult::down_ns,
        &EngineResult::off_ns, &EngineResult::starts, &EngineResult::lost_tokens}) {
    CHECK(a.*field == b.*field);
  }
  for (const auto field :
       {&EngineResult::hbm_bytes, &EngineResult::flops, &EngineResult::link_bytes,
        &EngineResult::peak_hbm_bytes_per_second, &EngineResult::peak_flops_per_second,
        &EngineResult::price_per_gpu_hour}) {
    CHECK(a.*field == b.*field);
  }
  CHECK(a.gpus == b.gpus);
  for (const auto field :
       {&Watts::gpu_idle, &Watts::gpu_active, &Watts::host_idle, &Watts::host_active})
    CHECK(a.watts.*field == b.watts.*field);
  CHECK((a.stage_ns == b.stage_ns));
  for (const auto series :
       {&EngineTimeline::running, &EngineTimeline::waiting, &EngineTimeline::used_blocks,
        &EngineTimeline::cached_blocks, &EngineTimeline::busy}) {
    CHECK((a.timeline.*series == b.timeline.*series));
  }
}

bool same(const RequestResult& a, const RequestResult& b) {
  return a.request == b.request && a.tenant == b.tenant && a.turn == b.turn && a.slo == b.slo &&
         a.task == b.task && a.session == b.session && a.engine == b.engine &&
         a.outcome == b.outcome && a.preemptions == b.preemptions && a.retries == b.retries &&
         a.arrival == b.arrival && a.scheduled == b.scheduled && a.first_token == b.first_token &&
         a.end == b.end && a.prompt_tokens == b.prompt_tokens &&
         a.output_tokens == b.output_tokens && a.found_tokens == b.found_tokens &&
         a.recomputed_tokens == b.recomputed_tokens && a.stage_ns == b.stage_ns;
}

void check_same(const LifetimeHistogram& a, const LifetimeHistogram& b) {
  CHECK((a.count == b.count));
  CHECK(a.sum_seconds == b.sum_seconds);
}

void check_same(const TierResult& a, const TierResult& b) {
  for (const auto name : kTierNames) CHECK(a.*name == b.*name);
  for (const auto count : kTierCounts) CHECK(a.*count == b.*count);
  for (const auto value : kTierNumbers) CHECK(a.*value == b.*value);
  CHECK(a.lossy == b.lossy);
  CHECK(a.instances == b.instances);
  check_same(a.lifetimes, b.lifetimes);
  check_same(a.gaps, b.gaps);
  CHECK(a.charged_byte_seconds == b.charged_byte_seconds);
  CHECK(a.stored_byte_seconds == b.stored_byte_seconds);
  CHECK(a.used_bytes == b.used_bytes);
  CHECK(a.used_bytes_by_tenant == b.used_bytes_by_tenant);
}

bool same(const LinkResult& a, const LinkResult& b) {
  return a.name == b.name && a.bytes_per_second == b.bytes_per_second && a.bytes == b.bytes &&
         a.busy_ns == b.busy_ns && a.carried == b.carried && a.price_per_gb == b.price_per_gb &&
         a.bytes_by_tenant == b.bytes_by_tenant && a.down_ns == b.down_ns &&
         a.rerouted == b.rerouted;
}

bool same(const FetchResult& a, const FetchResult& b) {
  return a.tokens == b.tokens && a.lossy_tokens == b.lossy_tokens &&
         a.found_lossy_tokens == b.found_lossy_tokens && a.wait_ns == b.wait_ns &&
         a.avoided_ns == b.avoided_ns;
}

bool same(const TransferResult& a, const TransferResult& b) {
  return a.prefill_engine == b.prefill_engine && a.local == b.local && a.tokens == b.tokens &&
         a.bytes == b.bytes && a.moving_ns == b.moving_ns && a.wait_ns == b.wait_ns;
}

}  // namespace

void check_same(const Result& a, const Result& b) {
  CHECK(a.trace.tool_version == b.trace.tool_version);
  CHECK(a.trace.made_by == b.trace.made_by);
  CHECK(a.trace.name == b.trace.name);
  CHECK(a.trace.seed == b.trace.seed);
  CHECK(a.trace.notes == b.trace.notes);
  CHECK(a.trace_path == b.trace_path);
  CHECK(a.made_by == b.made_by);
  CHECK(a.tool_version == b.tool_version);
  CHECK(a.cluster_text == b.cluster_text);
  CHECK(a.router == b.router);
  CHECK(a.grams_co2_per_kwh == b.grams_co2_per_kwh);
  CHECK(a.pue == b.pue);
  CHECK(a.tenant_weights == b.tenant_weights);
  REQUIRE(a.failures.size() == b.failures.size());
  for (std::size_t i = 0; i < a.failures.size(); ++i) {
    const FailureResult &x = a.failures[i], &y = b.failures[i];
    CHECK((x.what == y.what && x.which == y.which && x.begin == y.begin && x.end == y.end));
    CHECK((x.requests == y.requests && x.lost_tokens == y.lost_tokens));
    CHECK(x.lost_bytes == y.lost_bytes);
  }
  CHECK(a.honesty == b.honesty);
  REQUIRE(a.tables.tenants.size() == b.tables.tenants.size());
  for (std::size_t i = 0; i < a.tables.tenants.size(); ++i) {
    CHECK((a.tables.tenants[i].id == b.tables.tenants[i].id));
    CHECK(a.tables.tenants[i].name == b.tables.tenants[i].name);
    CHECK(a.tables.tenants[i].price_class == b.tables.tenants[i].price_class);
  }
  check_same(a.tables.slos, b.tables.slos);
  CHECK(a.tables.models == b.tables.models);
  CHECK(a.tables.tasks == b.tables.tasks);
  check_same(a.slos, b.slos);
  CHECK((a.end == b.end));
  CHECK((a.timeline_bin == b.timeline_bin));
  REQUIRE(a.engines.size() == b.engines.size());
  for (std::size_t i = 0; i < a.engines.size(); ++i) check_same(a.engines[i], b.engines[i]);
  const auto equal = [](const auto& x, const auto& y) { return same(x, y); };
  CHECK(std::ranges::equal(a.requests, b.requests, equal));
  CHECK(a.store_block_tokens == b.store_block_tokens);
  REQUIRE(a.tiers.size() == b.tiers.size());
  for (std::size_t i = 0; i < a.tiers.size(); ++i) check_same(a.tiers[i], b.tiers[i]);
  CHECK(std::ranges::equal(a.links, b.links, equal));
  CHECK(std::ranges::equal(a.fetches, b.fetches, equal));
  CHECK(std::ranges::equal(a.transfers, b.transfers, equal));
  check_same(a.gaps, b.gaps);
  check_same(a.gaps_by_tenant, b.gaps_by_tenant);
  check_same(a.gaps_by_turn, b.gaps_by_turn);
  check_same(a.lifetimes, b.lifetimes);
}

}  // namespace scsim
