#include "exec/engine/engine.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "traces/check.h"

namespace scsim::exec {
namespace {

// REQUIRES: it is contiguous, on the CPU.
std::span<std::byte> bytes_of(at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes()};
}

// The model's layers as contracts see them; blocks count in tokens, so elements have any size.
std::vector<methods::AttentionLayer> attention_layers(const ModelConfig& config) {
  std::vector<methods::AttentionLayer> layers;
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    layers.push_back({.layer = layer,
                      .num_layers = config.layers,
                      .query_heads = config.attention.query_heads,
                      .kv_heads = config.attention.kv_heads,
                      .head_dim = config.attention.head_dim,
                      .element_bytes = 4});
  }
  return layers;
}

// What of the method this engine does not do; empty: nothing.
std::string not_served(const methods::KvContract& contract, const ModelConfig& config,
                       const EngineKnobs& knobs) {
  using methods::Compresses;
  const Tokens many{1 << 20};
  const std::vector<methods::AttentionLayer> layers = attention_layers(config);
  const methods::AttentionLayer& first = layers.front();
  if (contract.reuse(SessionMode::kMultiTurn) == methods::ReuseClass::kPositionFree)
    return "reuse at other offsets is not served";
  if (contract.rewrite(many).aimed != many) return "a prompt that is rewritten is not served";
  if (contract.extra_passes() > 0) return "further passes over a prompt are not served";
  if (contract.decode_reads(first, many).host.value() > 0)
    return "what it keeps on the host is not served";
  if (contract.addressable() == methods::Addressable::kWhole &&
      contract.compresses() == Compresses::kNever)
    return "a cache that can only be used as a whole is not served";
  if (contract.bits_per_element(first) < 8 * first.element_bytes)
    return "a cache of fewer bits than the model's is not served";
  if (knobs.chunked_prefill && !contract.allows_chunked_prefill())
    return "it needs whole prompts: --set chunked_prefill=false";
  if (contract.compresses() == Compresses::kNever) return "";
  if (contract.prefill_pairs(first, Tokens(1), many).most <
          methods::causal_pairs(first, Tokens(1), many) ||
      (contract.compresses() == Compresses::kAtEveryAppend &&
       contract.second_question() == methods::SecondQuestion::kAppends))
    return "a cache that changes with every token is not served";
  for (const methods::AttentionLayer& layer : layers) {
    if (contract.kept_bytes(layer, many).value() != contract.kept_bytes(first, many).value())
      return "layers that keep different numbers of tokens are not served";
  }
  return "";
}

}  // namespace

ModelOptions Engine::model_options(ModelOptions options, const EngineKnobs& knobs) {
  options.page_tokens = knobs.block_tokens;
  options.max_cached_tokens = knobs.num_blocks * knobs.block_tokens;
  return options;
}

Expected<std::unique_ptr<Engine>> Engine::make(Model& model, const EngineKnobs& knobs,
                                               Timeline& timeline, const std::string& identity,
                                               EngineMethod method) {
  const ModelConfig& config = model.config();
  if (knobs.order == EngineKnobs::Order::kPriority)
    return Error{"engine.order: this engine serves first come, first served"};
  if (config.attention_layers() < config.layers) {
    return Error{config.name +
                 " has recurrent layers, whose state is no run of blocks; this "
                 "engine serves models whose layers all attend"};
  }
  SCSIM_CHECK_EQ(model.options().page_tokens, knobs.block_tokens);
  if (method.contract != nullptr) {
    if (const std::string reason = not_served(*method.contract, config, knobs); !reason.empty())
      return Error{"method " + method.text + ": " + reason};
  } else {
    method.runtime = std::make_unique<MethodRuntime>();
  }
  return std::unique_ptr<Engine>(new Engine(model, knobs, timeline, identity, std::move(method)));
}

Engine::Engine(Model& model, const EngineKnobs& knobs, Timeline& timeline,
               const std::string& identity, EngineMethod method)
    : model_(model),
      block_pages_(model.config().layers * model.config().attention.kv_heads),
      resident_(model.memory(), knobs.num_blocks),
      // A request needs blocks for all it may come to, or it would wait for ever.
      scheduler_(knobs,
                 std::min(model.config().max_positions, knobs.num_blocks * knobs.block_tokens),
                 method.contract == nullptr ? identity : identity + " " + method.text),
      clock_(timeline),
      method_(std::move(method)) {
  model_.memory().pool(KvMemory::kDevice).reserve(knobs.num_blocks * block_pages_);
  scheduler_.set_listener(this);
  if (method_.contract != nullptr && method_.contract->compresses() != methods::Compresses::kNever)
    scheduler_.set_compression(this);
}

Engine::~Engine() = default;

void Engine::cancel(JobId job) {
  scheduler_.cancel(job);
  cache(job).reset();
}

std::optional<KvCache>& Engine::cache(JobId job) {
  const auto number = static_cast<std::size_t>(job);
  if (number >= caches_.size()) {
    caches_.resize(number + 1);
    began_empty_.resize(number + 1);
  }
  return caches_[number];
}

// ---- blocks ----

void Engine::evicted(BlockId block, const BlockKey& key) {
  std::optional<MeasuredStage> stage;
  if (store_ != nullptr && measure_ != nullptr) stage.emplace(*measure_, Stage::kRetrieval);
  if (store_ != nullptr && !store_->use_again(key)) {
    at::Tensor content = model_.memory().read(resident_.pages(block)).to(at::kCPU).contiguous();
    store_->put(key, bytes_of(content));
  }
  resident_.drop(block);
  record_.evicted.push_back(block);
}

void Engine::registered(JobId job, std::int64_t number, BlockId block) {
  pending_.push_back({job, number, block});
  record_.registered.push_back(block);
}

// ---- tiers below ----

void Engine::set_store(BlockStore* store) {
  store_ = store;
  scheduler_.set_source(store == nullptr ? nullptr : this);
}

std::int64_t Engine::block_bytes() const {
  return block_pages_ * model_.memory().pool(KvMemory::kDevice).page_bytes();
}

std::int64_t Engine::available(std::span<const BlockKey> keys) {
  const auto missing =
      std::ranges::find_if(keys, [&](const BlockKey& key) { return !store_->has(key); });
  return missing - keys.begin();
}

std::int64_t Engine::fetch(std::span<const BlockKey> keys) {
  const MeasuredStage stage(*measure_, Stage::kRetrieval);
  const KvMemoryOptions& memory = model_.memory().options();
  fetched_.clear();
  fetched_from_.clear();
  for (const BlockKey& key : keys) {
    at::Tensor content = at::empty({block_pages_, 2, memory.page_tokens, memory.head_dim},
                                   at::TensorOptions().dtype(memory.type));
    const std::optional<BlockStore::Tier> from = store_->get(key, bytes_of(content));
    if (!from) break;
    fetched_.push_back(std::move(content));
    fetched_from_.push_back(*from);
  }
  return std::ssize(fetched_);
}

void Engine::place(std::int64_t number, BlockId block) {
  const MeasuredStage stage(*measure_, Stage::kRetrieval);
  const auto at = static_cast<std::size_t>(number);
  model_.memory().write(resident_.take(block, block_pages_, *measure_), fetched_[at]);
  measure_->now().bytes_moved += block_bytes();
  placed_from_.push_back(fetched_from_[at]);
  record_.registered.push_back(block);
}

// The last of them first, so that what begins a prompt outlives what is of no use without it.
void Engine::used(std::span<const BlockKey> keys) {
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) store_->use_again(*key);
}

// ---- the method ----

bool Engine::caches_are_private() const {
  return method_.contract != nullptr &&
         method_.contract->reuse(SessionMode::kMultiTurn) == methods::ReuseClass::kQueryBound;
}

std::int64_t Engine::peak(std::int64_t prompt_tokens) const {
  double bytes = 0, token = 0;
  for (const methods::AttentionLayer& layer : attention_layers(model_.config())) {
    bytes += method_.contract->peak_bytes(layer, Tokens(prompt_tokens)).value();
    token += methods::dense_bytes(layer, Tokens(1)).value();
  }
  return static_cast<std::int64_t>(std::ceil(bytes / token - 1e-9));
}

// ---- pages ----

// The pages of blocks that these jobs have computed are known now.
void Engine::settle(const std::function<bool(JobId)>& of) {
  std::erase_if(pending_, [&](const Pending& one) {
    if (!of(one.job)) return false;
    resident_.keep(one.block, *cache(one.job), one.number);
    return true;
  });
}

bool Engine::plant(std::span<const std::int32_t> tokens) {
  SCSIM_CHECK(store_ == nullptr);  // what is planted is not what it says
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
  measure_ = &measure;
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
  measure_ = nullptr;
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
    admitted();
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

// Who was admitted, and from which tier what was loaded for each.
void Engine::admitted() {
  auto from = placed_from_.begin();
  for (const Step::Admitted& one : scheduler_.step().admitted) {
    StepRecord::Admitted record{scheduler_.tag(one.job), one.found, one.lost, one.resumed, {}};
    for (std::int64_t i = 0; i < one.loaded / scheduler_.knobs().block_tokens; ++i)
      record.loaded[static_cast<std::size_t>(*from++)] += scheduler_.knobs().block_tokens;
    record_.admitted.push_back(record);
  }
  SCSIM_CHECK(from == placed_from_.end());
  placed_from_.clear();
}

// In which pass through the model each part of the step is computed: behind all whose blocks it
// found in this step, as only those can that were admitted in it and have no cache yet.
std::vector<int> Engine::passes() {
  const Step& step = scheduler_.step();
  std::vector<int> pass(step.computed.size(), 0);
  for (std::size_t i = 0; i < pass.size() && !pending_.empty(); ++i) {
    const Step::Computed& part = step.computed[i];
    if (cache(part.job)) continue;
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

// The scheduler hears what a prompt that has ended has left of its cache.
Expected<void> Engine::shrink(const Step::Computed& part) {
  if (!scheduler_.compresses() || part.decode || !part.samples) return {};
  const KvCache& held = *cache(part.job);
  const std::int64_t kept = held.length(0, 0);
  for (std::int64_t layer = 0; layer < held.layers(); ++layer) {
    bool same = held.heads(layer) == held.kv_heads();
    for (std::int64_t head = 0; head < held.heads(layer); ++head)
      same = same && held.length(layer, head) == kept;
    if (!same) {
      return Error{"method " + method_.text +
                   ": its heads keep different numbers of tokens; this engine serves methods whose "
                   "kv heads all keep as many"};
    }
  }
  scheduler_.compressed(part.job, kept);
  return {};
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
        began_empty_[static_cast<std::size_t>(part.job)] = part.cached == 0 ? 1 : 0;
        const std::span<const BlockId> blocks = scheduler_.blocks(part.job);
        for (std::int64_t b = 0; b < part.cached / scheduler_.knobs().block_tokens; ++b)
          held->adopt(resident_.pages(blocks[static_cast<std::size_t>(b)]));
      }
      SCSIM_CHECK_EQ(held->tokens_seen(), part.cached);
      sequences.push_back(
          {.tokens = scheduler_.tokens(part.job).subspan(static_cast<std::size_t>(part.cached),
                                                         static_cast<std::size_t>(part.fresh)),
           .cache = &*held,
           .method = method_.runtime.get(),
           .first_prefill = !part.decode && began_empty_[static_cast<std::size_t>(part.job)] != 0,
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
    for (const std::size_t i : places) {
      if (const auto done = shrink(step.computed[i]); !done) return done;
    }
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
