#include "exec/engine/engine.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "traces/check.h"

namespace scsim::exec {

ModelOptions Engine::model_options(ModelOptions options, const EngineKnobs& knobs) {
  options.page_tokens = knobs.block_tokens;
  options.max_cached_tokens = knobs.num_blocks * knobs.block_tokens;
  return options;
}

Expected<std::unique_ptr<Engine>> Engine::make(Model& model, const EngineKnobs& knobs,
                                               Timeline& timeline) {
  const ModelConfig& config = model.config();
  if (knobs.order == EngineKnobs::Order::kPriority)
    return Error{"engine.order: this engine serves first come, first served"};
  if (config.attention_layers() < config.layers) {
    return Error{config.name +
                 " has recurrent layers, whose state is no run of blocks; this "
                 "engine serves models whose layers all attend"};
  }
  SCSIM_CHECK_EQ(model.options().page_tokens, knobs.block_tokens);
  return std::unique_ptr<Engine>(new Engine(model, knobs, timeline));
}

Engine::Engine(Model& model, const EngineKnobs& knobs, Timeline& timeline)
    : model_(model),
      block_pages_(model.config().layers * model.config().attention.kv_heads),
      resident_(model.memory(), knobs.num_blocks),
      // A request needs blocks for all it may come to, or it would wait for ever.
      scheduler_(knobs,
                 std::min(model.config().max_positions, knobs.num_blocks * knobs.block_tokens),
                 model.config().name),
      clock_(timeline) {
  scheduler_.set_listener(this);
}

Engine::~Engine() = default;

void Engine::cancel(JobId job) {
  scheduler_.cancel(job);
  cache(job).reset();
}

std::optional<KvCache>& Engine::cache(JobId job) {
  const auto number = static_cast<std::size_t>(job);
  if (number >= caches_.size()) caches_.resize(number + 1);
  return caches_[number];
}

// ---- blocks ----

void Engine::evicted(BlockId block, const BlockKey&) {
  resident_.drop(block);
  record_.evicted.push_back(block);
}

void Engine::registered(JobId job, std::int64_t number, BlockId block) {
  pending_.push_back({job, number, block});
  record_.registered.push_back(block);
}

// The pages of blocks that these jobs have computed are known now.
void Engine::settle(const std::function<bool(JobId)>& of) {
  std::erase_if(pending_, [&](const Pending& one) {
    if (!of(one.job)) return false;
    resident_.keep(one.block, *cache(one.job), one.number);
    return true;
  });
}

bool Engine::plant(std::span<const std::int32_t> tokens) {
  PerStage<StageCounts> counts{};
  Measure measure{clock_, counts};
  const std::optional<std::vector<BlockId>> blocks = scheduler_.insert(tokens, "");
  if (!blocks) return false;
  for (const BlockId block : *blocks) resident_.take(block, block_pages_, measure);
  return true;
}

// ---- a step ----

Expected<bool> Engine::step() {
  record_ = StepRecord{};
  clock_.start();
  Measure measure{clock_, record_.counts};
  Expected<void> computed;
  const bool any = plan();
  if (any) computed = compute(measure);
  if (any && computed) {
    std::size_t next = record_.tokens.size();
    for (const Scheduler::Sampled& one : sampled_)
      record_.tokens.push_back({scheduler_.tag(one.job), one.token, false});
    const std::vector<JobId>& ended = scheduler_.complete(sampled_);
    settle([](JobId) { return true; });
    for (const Scheduler::Sampled& one : sampled_) {
      record_.tokens[next++].last = std::ranges::find(ended, one.job) != ended.end();
    }
    for (const JobId job : ended) cache(job).reset();
  }
  record_.times = clock_.stop();
  if (!computed) return computed.error();
  const BlockPool& blocks = scheduler_.pool();
  SCSIM_CHECK_LE(model_.memory().pool(KvMemory::kDevice).pages_in_use(),
                 (blocks.used_blocks() + blocks.cached_blocks()) * block_pages_);
  return any;
}

// Decides the step; what is preempted without a step loses its memory and the next is decided.
bool Engine::plan() {
  while (true) {
    const bool any = scheduler_.plan();
    const Step& step = scheduler_.step();
    for (const JobId job : step.preempted) {
      cache(job).reset();
      record_.preempted.push_back(scheduler_.tag(job));
    }
    for (const Step::Admitted& one : step.admitted)
      record_.admitted.push_back({scheduler_.tag(one.job), one.found, one.lost, one.resumed});
    if (any || step.preempted.empty()) {
      record_.computed = step.computed;
      record_.running = scheduler_.running();
      record_.waiting = scheduler_.waiting();
      record_.used = scheduler_.pool().used_blocks();
      record_.cached = scheduler_.pool().cached_blocks();
      return any;
    }
  }
}

// In which pass through the model each part of the step is computed: behind all whose blocks it
// found in this step.
std::vector<int> Engine::passes() const {
  const Step& step = scheduler_.step();
  std::vector<int> pass(step.computed.size(), 0);
  for (std::size_t i = 0; i < pass.size() && !pending_.empty(); ++i) {
    const Step::Computed& part = step.computed[i];
    const std::span<const BlockId> blocks = scheduler_.blocks(part.job);
    for (std::int64_t b = 0; b < part.cached / scheduler_.knobs().block_tokens; ++b) {
      const auto maker =
          std::ranges::find(pending_, blocks[static_cast<std::size_t>(b)], &Pending::block);
      if (maker == pending_.end() || maker->job == part.job) continue;
      const auto at = std::ranges::find(step.computed, maker->job, &Step::Computed::job);
      SCSIM_CHECK(at != step.computed.end());
      const auto place = static_cast<std::size_t>(at - step.computed.begin());
      pass[i] = std::max(pass[i], pass[place] + 1);
    }
  }
  return pass;
}

Expected<void> Engine::compute(Measure& measure) {
  const Step& step = scheduler_.step();
  const std::vector<int> pass = passes();
  record_.passes = 1 + *std::ranges::max_element(pass);
  std::vector<std::int32_t> next(step.computed.size());
  for (int now = 0; now < record_.passes; ++now) {
    std::vector<SequenceStep> sequences;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < pass.size(); ++i) {
      if (pass[i] != now) continue;
      const Step::Computed& part = step.computed[i];
      std::optional<KvCache>& held = cache(part.job);
      if (!held) {  // just admitted
        held = model_.make_cache();
        const std::span<const BlockId> blocks = scheduler_.blocks(part.job);
        for (std::int64_t b = 0; b < part.cached / scheduler_.knobs().block_tokens; ++b)
          held->adopt(resident_.pages(blocks[static_cast<std::size_t>(b)]));
      }
      SCSIM_CHECK_EQ(held->tokens_seen(), part.cached);
      sequences.push_back(
          {.tokens = scheduler_.tokens(part.job).subspan(static_cast<std::size_t>(part.cached),
                                                         static_cast<std::size_t>(part.fresh)),
           .cache = &*held,
           .method = &full_,
           .first_prefill = part.cached == 0,
           .last_chunk = part.samples,
           .decode = part.decode});
      places.push_back(i);
    }
    const Expected<at::Tensor> logits = model_.step(sequences, measure);
    if (!logits) return logits.error();
    const at::Tensor best = logits->argmax(1).to(at::kCPU, at::kInt).contiguous();
    for (std::size_t i = 0; i < places.size(); ++i)
      next[places[i]] = best.const_data_ptr<std::int32_t>()[i];
    settle([&](JobId job) {
      return std::ranges::any_of(places,
                                 [&](std::size_t i) { return step.computed[i].job == job; });
    });
  }
  sampled_.clear();
  for (std::size_t i = 0; i < next.size(); ++i) {
    const JobId job = step.computed[i].job;
    if (!step.computed[i].samples) continue;
    sampled_.push_back({job, next[i], ends_ && ends_(scheduler_.tag(job), next[i])});
  }
  return {};
}

}  // namespace scsim::exec
