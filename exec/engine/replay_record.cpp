#include "exec/engine/replay_record.h"

#include <algorithm>
#include <array>
#include <utility>

#include "traces/check.h"
#include "traces/gap_histogram.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::array<BlockStore::Tier, 2> kTiers = {BlockStore::Tier::kHost,
                                                    BlockStore::Tier::kDisk};

std::size_t at(Stage stage) { return static_cast<std::size_t>(stage); }

}  // namespace

ReplayRecord::ReplayRecord(Result begun, const Engine& engine)
    : result_(std::move(begun)),
      engine_(engine),
      since_(static_cast<std::size_t>(engine.pool().num_blocks())),
      findable_(since_.size()) {
  const EngineKnobs& knobs = engine.scheduler().knobs();
  totals_.num_blocks = knobs.num_blocks;
  totals_.block_tokens = knobs.block_tokens;
  totals_.max_sequences = knobs.max_sequences;
  result_.gaps_by_turn.resize(Result::kMaxTurnGroup + 1);
  look(TimePoint());
}

// ---- requests ----

std::uint64_t ReplayRecord::arrived(const Request& request, TimePoint when) {
  RequestResult& result = result_.requests.emplace_back();
  result.request = request.id.value();
  result.tenant = static_cast<std::uint32_t>(request.tenant.value());
  result.turn = static_cast<std::uint32_t>(request.turn);
  result.slo = static_cast<std::uint32_t>(request.slo.value());
  result.task = static_cast<std::uint32_t>(request.task.value());
  result.session = request.session.value();
  result.engine = 0;
  result.arrival = when;
  result.prompt_tokens = request.prompt_tokens().value();
  if (result.tenant >= result_.gaps_by_tenant.size())
    result_.gaps_by_tenant.resize(result.tenant + 1);
  active_.push_back({.phase = Phase::kQueue, .since = when, .last_token = {}});
  if (engine_.store() != nullptr) result_.fetches.emplace_back();
  ++active_count_;
  return result_.requests.size() - 1;
}

void ReplayRecord::close(std::uint64_t tag, TimePoint now) {
  const Active& active = active_[tag];
  PerStage<std::int64_t>& stages = result_.requests[tag].stage_ns;
  if (active.phase == Phase::kQueue) {
    stages[at(Stage::kQueue)] += (now - active.since).ns();
    return;
  }
  for (std::size_t s = 0; s < kNumStages; ++s) {
    // A prefill waits for its steps whatever else rides in them.
    const bool kept =
        active.phase == Phase::kDecode || s == at(Stage::kOther) || s == at(Stage::kRetrieval);
    stages[kept ? s : at(Stage::kGeneration)] += ledger_[s] - active.ledger[s];
  }
}

void ReplayRecord::open(std::uint64_t tag, Phase phase, TimePoint now) {
  active_[tag].phase = phase;
  active_[tag].since = now;
  active_[tag].ledger = ledger_;
}

void ReplayRecord::end(std::uint64_t tag, Outcome outcome, TimePoint now) {
  RequestResult& result = result_.requests[tag];
  close(tag, now);
  active_[tag].phase = Phase::kEnded;
  --active_count_;
  result.outcome = outcome;
  result.end = now;
  std::int64_t total = 0;
  for (const std::int64_t ns : result.stage_ns) total += ns;
  SCSIM_CHECK_EQ(total, (result.end - result.arrival).ns());  // INV-LEDGER
}

void ReplayRecord::refused(std::uint64_t tag, TimePoint when) {
  result_.requests[tag].engine = -1;
  end(tag, Outcome::kRefused, when);
}

void ReplayRecord::cancelled(std::uint64_t tag, std::int64_t produced, TimePoint when) {
  result_.requests[tag].output_tokens = produced;
  end(tag, Outcome::kCancelled, std::max(when, result_.requests[tag].arrival));
}

void ReplayRecord::add_gap(std::uint64_t tag, Duration gap) {
  const RequestResult& of = result_.requests[tag];
  const std::size_t turn = std::min<std::size_t>(of.turn, Result::kMaxTurnGroup);
  for (GapHistogram* gaps :
       {&result_.gaps, &result_.gaps_by_tenant[of.tenant], &result_.gaps_by_turn[turn]})
    count_gap(*gaps, gap.ns());
}

void ReplayRecord::got_token(const StepRecord::Token& token, TimePoint now) {
  Active& active = active_[token.tag];
  RequestResult& result = result_.requests[token.tag];
  if (result.output_tokens++ == 0) {
    result.first_token = now;
  } else {
    add_gap(token.tag, now - active.last_token);
  }
  active.last_token = now;
  if (active.phase == Phase::kPrefill) {
    close(token.tag, now);
    open(token.tag, Phase::kDecode, now);
  }
  if (token.last) end(token.tag, Outcome::kFinished, now);
}

// ---- steps ----

void ReplayRecord::stepped(const StepRecord& step, TimePoint begin, TimePoint end) {
  if (busy_) ledger_[at(Stage::kOther)] += (begin - last_end_).ns();
  for (const std::uint64_t tag : step.preempted) {
    close(tag, begin);
    open(tag, Phase::kQueue, begin);
    ++result_.requests[tag].preemptions;
    ++totals_.preemptions;
  }
  for (const StepRecord::Admitted& one : step.admitted) {
    RequestResult& result = result_.requests[one.tag];
    close(one.tag, begin);
    open(one.tag, Phase::kPrefill, begin);
    if (!one.resumed) {
      result.scheduled = begin;
      result.found_tokens = one.found;
      if (engine_.store() != nullptr) fetched(one, step);
    }
    result.recomputed_tokens += one.lost;
  }
  totals_.peak_used_blocks = std::max(totals_.peak_used_blocks, step.used);
  std::int64_t left = (end - begin).ns();
  std::size_t largest = at(Stage::kOther);
  for (std::size_t s = 0; s < kNumStages; ++s) {
    const double seconds = step.times.seconds[s];
    const auto ns = static_cast<std::int64_t>(seconds * 1e9 + 0.5);
    ledger_[s] += ns;
    left -= ns;
    if (seconds > step.times.seconds[largest]) largest = s;
  }
  ledger_[left > 0 ? at(Stage::kOther) : largest] += left;
  last_end_ = end;

  ++totals_.steps;
  most_passes_ = std::max(most_passes_, step.passes);
  for (const Step::Computed& part : step.computed)
    (part.decode ? totals_.decode_tokens : totals_.prefill_tokens) += part.fresh;
  for (const StageCounts& counts : step.counts) {
    totals_.hbm_bytes += static_cast<double>(counts.bytes_read);
    totals_.flops += counts.operations;
  }
  totals_.hbm_bytes += static_cast<double>(step.passes * engine_.model().weight_bytes());

  for (const BlockId block : step.evicted) {
    const auto number = static_cast<std::size_t>(block);
    result_.lifetimes.add(1, begin - since_[number], BlockEnd::kEvicted);
    findable_[number] = 0;
  }
  for (const BlockId block : step.registered) {
    since_[static_cast<std::size_t>(block)] = end;
    findable_[static_cast<std::size_t>(block)] = 1;
  }
  look(begin, step.running, step.waiting, step.used, step.cached, 1);
  for (const StepRecord::Token& token : step.tokens) got_token(token, end);
  look(end);
  busy_ = engine_.scheduler().running() + engine_.scheduler().waiting() > 0;
}

void ReplayRecord::look(TimePoint now) {
  const Scheduler& scheduler = engine_.scheduler();
  look(now, scheduler.running(), scheduler.waiting(), scheduler.pool().used_blocks(),
       scheduler.pool().cached_blocks(), 0);
}

void ReplayRecord::look(TimePoint from, std::int64_t running, std::int64_t waiting,
                        std::int64_t used, std::int64_t cached, double busy) {
  const auto blocks = static_cast<double>(engine_.pool().num_blocks());
  looks_.push_back({from, static_cast<double>(running), static_cast<double>(waiting),
                    static_cast<double>(used) / blocks, static_cast<double>(cached) / blocks,
                    busy});
}

// ---- tiers below ----

// Its part of what the step took to fetch for all that it admitted.
void ReplayRecord::fetched(const StepRecord::Admitted& one, const StepRecord& step) {
  std::int64_t all = 0;
  for (const StepRecord::Admitted& other : step.admitted) all += other.loaded[0] + other.loaded[1];
  const std::int64_t ours = one.loaded[0] + one.loaded[1];
  if (ours == 0) return;
  FetchResult& fetch = result_.fetches[one.tag];
  std::size_t tier = 0;
  for (const BlockStore::Tier of : kTiers) {
    if (engine_.store()->exists(of))
      fetch.tokens[tier++] = one.loaded[static_cast<std::size_t>(of)];
  }
  const double share = static_cast<double>(ours) / static_cast<double>(all);
  fetch.wait_ns =
      static_cast<std::int64_t>(step.times.seconds[at(Stage::kRetrieval)] * 1e9 * share + 0.5);
}

void ReplayRecord::add_tiers() {
  const BlockStore* store = engine_.store();
  if (store == nullptr) return;
  const std::int64_t block_tokens = engine_.scheduler().knobs().block_tokens;
  result_.store_block_tokens = block_tokens;
  for (const BlockStore::Tier of : kTiers) {
    if (!store->exists(of)) continue;
    const TierUse& use = store->use(of);
    TierResult& tier = result_.tiers.emplace_back();
    tier.name = of == BlockStore::Tier::kHost ? "host" : "disk";
    tier.medium = of == BlockStore::Tier::kHost ? "dram" : "files";
    tier.scope = "engine";
    tier.policy = "lru";
    tier.codec = "none";
    tier.instances = 1;
    tier.capacity_bytes = use.capacity;
    tier.stored_bytes = use.stored;
    tier.evicted_bytes = use.evicted;
    tier.peak_bytes = use.peak;
    tier.fetched_bytes = use.fetched;
    tier.fetched_tokens = use.fetched / engine_.block_bytes() * block_tokens;
    if (use.damaged > 0) {
      result_.honesty.push_back("damaged: " + format_integer(use.damaged) + " blocks of tier " +
                                tier.name + " were not what they should be, and were computed");
    }
  }
}

// ---- the end ----

EngineTimeline ReplayRecord::timeline(TimePoint end, Duration bin) const {
  const auto bins = static_cast<std::size_t>((end.ns() + bin.ns() - 1) / bin.ns());
  EngineTimeline line;
  const std::vector<std::pair<std::vector<float> EngineTimeline::*, double Look::*>> series = {
      {&EngineTimeline::running, &Look::running},
      {&EngineTimeline::waiting, &Look::waiting},
      {&EngineTimeline::used_blocks, &Look::used},
      {&EngineTimeline::cached_blocks, &Look::cached},
      {&EngineTimeline::busy, &Look::busy}};
  for (const auto& [to, from] : series) {
    std::vector<double> sums(bins);
    for (std::size_t i = 0; i < looks_.size(); ++i) {
      std::int64_t begin = looks_[i].from.ns();
      const std::int64_t stop =
          std::min(i + 1 < looks_.size() ? looks_[i + 1].from.ns() : end.ns(), end.ns());
      while (begin < stop) {
        const std::int64_t number = begin / bin.ns();
        const std::int64_t until = std::min((number + 1) * bin.ns(), stop);
        sums[static_cast<std::size_t>(number)] +=
            looks_[i].*from * static_cast<double>(until - begin);
        begin = until;
      }
    }
    for (std::size_t i = 0; i < bins; ++i) {
      const std::int64_t begin = static_cast<std::int64_t>(i) * bin.ns();
      const std::int64_t width = std::min(bin.ns(), end.ns() - begin);
      (line.*to).push_back(static_cast<float>(sums[i] / static_cast<double>(width)));
    }
  }
  return line;
}

Result ReplayRecord::finish(TimePoint end) {
  for (std::uint64_t tag = 0; tag < active_.size(); ++tag)
    SCSIM_CHECK(active_[tag].phase == Phase::kEnded);
  constexpr std::int64_t kMostBins = 512;
  Duration bin(100'000'000);
  while (end.ns() > kMostBins * bin.ns()) bin = bin * 2;
  result_.end = end;
  result_.timeline_bin = bin;
  for (std::size_t block = 0; block < since_.size(); ++block) {
    if (findable_[block] != 0 && since_[block] <= end)
      result_.lifetimes.add(1, end - since_[block], BlockEnd::kResident);
  }
  EngineResult engine = totals_;
  engine.pool = "replay";
  engine.model = engine_.model().config().name;
  engine.evicted_blocks = engine_.pool().evicted_blocks();
  engine.stage_ns = ledger_;
  engine.idle_ns = end.ns();
  for (const std::int64_t ns : ledger_) engine.idle_ns -= ns;
  SCSIM_CHECK_GE(engine.idle_ns, 0);  // INV-LEDGER
  engine.timeline = timeline(end, bin);
  result_.engines.push_back(std::move(engine));
  add_tiers();
  return std::move(result_);
}

}  // namespace scsim::exec
