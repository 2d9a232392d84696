#include "tests/analysis/sample_result.h"

#include <algorithm>
#include <cmath>

#include "traces/rng.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kBins = 200;
constexpr double kSecondsPerPromptToken = 5e-5;

void add_gap(GapHistogram& gaps, double seconds, std::int64_t times) {
  std::size_t bin = 0;
  for (double edge = GapHistogram::kShortest * GapHistogram::kRatio;
       seconds >= edge && bin + 1 < GapHistogram::kBins; edge *= GapHistogram::kRatio)
    ++bin;
  gaps.count[bin] += static_cast<std::uint64_t>(times);
  gaps.sum_seconds += seconds * static_cast<double>(times);
  gaps.worst_ns = std::max(gaps.worst_ns, static_cast<std::int64_t>(std::llround(seconds * 1e9)));
}

void count_gaps(Result& result, const RequestResult& r) {
  if (r.output_tokens < 2) return;
  const double gap =
      (r.end - r.first_token).seconds().value() / static_cast<double>(r.output_tokens - 1);
  add_gap(result.gaps, gap, r.output_tokens - 1);
  add_gap(result.gaps_by_tenant[r.tenant], gap, r.output_tokens - 1);
  add_gap(result.gaps_by_turn[std::min<std::size_t>(r.turn, Result::kMaxTurnGroup)], gap,
          r.output_tokens - 1);
}

// Adds to each bin of `series` the part of it that [from, to) covers.
void cover(std::vector<float>& series, Duration bin, TimePoint from, TimePoint to) {
  for (std::int64_t i = from.ns() / bin.ns(); i < static_cast<std::int64_t>(series.size()); ++i) {
    const std::int64_t low = std::max(from.ns(), i * bin.ns());
    const std::int64_t high = std::min(to.ns(), (i + 1) * bin.ns());
    if (high <= low) break;
    series[static_cast<std::size_t>(i)] +=
        static_cast<float>(static_cast<double>(high - low) / static_cast<double>(bin.ns()));
  }
}

// Requests in order of arrival; each waits for the first free place of its engine.
void run_queue(Result& result, const SampleOptions& options) {
  Rng arrivals(options.seed, "sample.arrivals"), lengths(options.seed, "sample.lengths");
  std::vector<std::vector<TimePoint>> free_at(options.engines,
                                              std::vector<TimePoint>(options.places));
  double now = 0;
  for (std::size_t i = 0; i < options.requests; ++i) {
    now += arrivals.exponential(1 / options.per_second);
    RequestResult r;
    r.request = i;
    r.tenant = static_cast<std::uint32_t>(lengths.below(3));
    r.turn = static_cast<std::uint32_t>(lengths.below(6));
    r.slo = lengths.chance(0.9) ? 0 : 1;
    r.session = i / 4;
    r.engine = static_cast<std::int32_t>(i % options.engines);
    r.outcome = Outcome::kFinished;
    r.prompt_tokens = 500 + static_cast<std::int64_t>(lengths.lognormal(4000, 1.0));
    r.found_tokens = r.turn == 0 ? 0 : r.prompt_tokens / 2;
    r.output_tokens = 1 + static_cast<std::int64_t>(lengths.exponential(120));
    r.arrival = at(now);
    auto& places = free_at[static_cast<std::size_t>(r.engine)];
    TimePoint& place = *std::ranges::min_element(places);
    r.scheduled = std::max(r.arrival, place);
    r.first_token =
        r.scheduled + Duration(1000000 + static_cast<std::int64_t>(
                                             static_cast<double>(r.prompt_tokens - r.found_tokens) *
                                             kSecondsPerPromptToken * 1e9));
    r.end = r.first_token +
            Duration(static_cast<std::int64_t>(static_cast<double>(r.output_tokens - 1) *
                                               options.seconds_per_output_token *
                                               lengths.uniform(0.8, 1.3) * 1e9));
    place = r.end;
    const std::int64_t decode = (r.end - r.first_token).ns();
    r.stage_ns = {(r.scheduled - r.arrival).ns(),
                  (r.first_token - r.scheduled).ns() - 1000000,
                  0,
                  0,
                  decode / 3,
                  decode - decode / 3,
                  1000000};
    result.end = std::max(result.end, r.end);
    count_gaps(result, r);
    result.requests.push_back(r);
  }
}

void fill_engines(Result& result, const SampleOptions& options) {
  result.timeline_bin = Duration(result.end.ns() / static_cast<std::int64_t>(kBins) + 1);
  for (std::size_t e = 0; e < options.engines; ++e) {
    EngineResult& engine = result.engines.emplace_back();
    engine.pool = "main";
    engine.model = "llama-3.1-8b";
    engine.num_blocks = 20000;
    engine.block_tokens = 16;
    engine.peak_used_blocks = 14000;
    engine.gpus = 1;
    engine.price_per_gpu_hour = options.price_per_gpu_hour;
    engine.peak_hbm_bytes_per_second = 4.8e12;
    engine.peak_flops_per_second = 989e12;
    EngineTimeline& t = engine.timeline;
    for (auto* series : {&t.running, &t.waiting, &t.used_blocks, &t.cached_blocks, &t.busy})
      series->assign(kBins, 0);
    for (const RequestResult& r : result.requests) {
      if (static_cast<std::size_t>(r.engine) != e) continue;
      cover(t.running, result.timeline_bin, r.scheduled, r.end);
      cover(t.waiting, result.timeline_bin, r.arrival, r.scheduled);
      engine.prefill_tokens += r.prompt_tokens - r.found_tokens;
      engine.decode_tokens += r.output_tokens - 1;
    }
    double busy = 0;
    for (std::size_t i = 0; i < kBins; ++i) {
      const float load = t.running[i] / static_cast<float>(options.places);
      t.used_blocks[i] = 0.7F * load;
      t.cached_blocks[i] = 0.9F * (1 - t.used_blocks[i]);
      t.busy[i] = std::min(1.0F, 1.5F * load);
      busy += static_cast<double>(t.busy[i]) / static_cast<double>(kBins);
    }
    const auto busy_ns = static_cast<std::int64_t>(busy * static_cast<double>(result.end.ns()));
    engine.stage_ns = {0, busy_ns / 4, 0, busy_ns / 100, busy_ns / 5, busy_ns / 3, 0};
    std::int64_t rest = busy_ns;
    for (std::int64_t stage : engine.stage_ns) rest -= stage;
    engine.stage_ns[static_cast<std::size_t>(Stage::kOther)] = rest;
    engine.idle_ns = result.end.ns() - busy_ns;
    engine.hbm_bytes = 2.6e12 * static_cast<double>(busy_ns) * 1e-9;
    engine.flops = 210e12 * static_cast<double>(busy_ns) * 1e-9;
    engine.steps = busy_ns / 20000000;
    engine.evicted_blocks = 3000;
  }
}

}  // namespace

Result sample_result(const SampleOptions& options) {
  Result result;
  result.trace = {.tool_version = "0.1.0",
                  .made_by = "scsim trace generate sample.yaml",
                  .name = "sample",
                  .seed = options.seed,
                  .notes = ""};
  result.trace_path = "sample.pb";
  result.made_by = "scsim --trace sample.pb";
  result.tool_version = "0.1.0";
  result.cluster_text = "name: toy & small\npools:\n  - name: main\n    gpu: h200\n";
  result.router = "round_robin";
  result.honesty = {"uncalibrated: step times come from published peaks"};
  result.tables.tenants = {{TenantId(0), "acme, inc.", ""},
                           {TenantId(1), "<script>alert(\"1\")</script>", ""},
                           {TenantId(2), "Ünïcode GmbH", ""}};
  result.tables.models = {"default"};
  result.tables.tasks = {"default"};
  result.slos.resize(2);
  result.slos[0].name = "chat";
  result.slos[0].ttft = Duration(2000000000);
  result.slos[0].tpot = Duration(25000000);
  result.slos[1].name = "batch";
  result.gaps_by_tenant.resize(3);
  result.gaps_by_turn.resize(Result::kMaxTurnGroup + 1);
  result.lifetimes.count[0][20] = 2000;
  result.lifetimes.count[0][24] = 4000;
  result.lifetimes.sum_seconds[0] = 100000;
  result.lifetimes.count[2][26] = 9000;
  result.lifetimes.sum_seconds[2] = 900000;
  run_queue(result, options);
  fill_engines(result, options);
  return result;
}

RequestResult finished_request(double arrival, double scheduled, double first_token, double end,
                               std::int64_t output_tokens) {
  RequestResult r;
  r.engine = 0;
  r.outcome = Outcome::kFinished;
  r.arrival = at(arrival);
  r.scheduled = at(scheduled);
  r.first_token = at(first_token);
  r.end = at(end);
  r.output_tokens = output_tokens;
  r.stage_ns[static_cast<std::size_t>(Stage::kQueue)] = (r.scheduled - r.arrival).ns();
  r.stage_ns[static_cast<std::size_t>(Stage::kGeneration)] = (r.first_token - r.scheduled).ns();
  r.stage_ns[static_cast<std::size_t>(Stage::kDecode)] = (r.end - r.first_token).ns();
  return r;
}

}  // namespace scsim::analysis
