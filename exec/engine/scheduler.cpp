#include "exec/engine/scheduler.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::exec {

Scheduler::Scheduler(const EngineKnobs& knobs, std::int64_t max_model_len, std::string model)
    : knobs_(knobs),
      max_model_len_(knobs.max_model_len > 0 ? std::min(knobs.max_model_len, max_model_len)
                                             : max_model_len),
      model_(std::move(model)),
      pool_(knobs.num_blocks),
      last_prefill_(-knobs.prefill_interval) {
  SCSIM_CHECK_GT(knobs.num_blocks, 0);
  SCSIM_CHECK_GT(knobs.block_tokens, 0);
}

void Scheduler::set_listener(Listener* listener) {
  listener_ = listener;
  pool_.set_listener(listener);
}

// ---- requests ----

std::optional<std::string> Scheduler::refuse(std::int64_t prompt_tokens) const {
  const auto tokens = [](std::int64_t count) { return format_integer(count) + " tokens"; };
  if (prompt_tokens < 1) return "the prompt is empty";
  if (prompt_tokens >= max_model_len_) {
    return "the prompt's " + tokens(prompt_tokens) + " reach max_model_len, " +
           tokens(max_model_len_);
  }
  if (!knobs_.chunked_prefill && prompt_tokens > knobs_.max_batched_tokens) {
    return "the prompt's " + tokens(prompt_tokens) + " exceed max_batched_tokens, " +
           tokens(knobs_.max_batched_tokens) + ", and prefill is not chunked";
  }
  if (compression_ != nullptr &&
      blocks_for(compression_->peak(prompt_tokens)) > knobs_.num_blocks) {
    return "the prompt's " + tokens(prompt_tokens) + " need " +
           tokens(compression_->peak(prompt_tokens)) + " of cache while they are compressed, and " +
           "there is room for " + tokens(knobs_.num_blocks * knobs_.block_tokens);
  }
  return std::nullopt;
}

JobId Scheduler::add(JobSpec spec) {
  SCSIM_CHECK(!planned_ && !refuse(std::ssize(spec.prompt)));
  auto id = static_cast<JobId>(jobs_.size());
  if (unused_.empty()) {
    jobs_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  auto job = std::make_unique<Job>();
  job->tokens = std::move(spec.prompt);
  job->spec = std::move(spec);
  job->prompt = std::ssize(job->tokens);
  job->target = std::min(job->prompt + job->spec.output_tokens, max_model_len_);
  jobs_[static_cast<std::size_t>(id)] = std::move(job);
  push_waiting(id, false);
  return id;
}

void Scheduler::push_waiting(JobId id, bool first) {
  if (knobs_.order == EngineKnobs::Order::kFirstCome) {
    waiting_.insert(first ? waiting_.begin() : waiting_.end(), id);
    return;
  }
  const auto rank = [&](JobId other) {
    const JobSpec& spec = of(other).spec;
    return std::tuple(spec.priority, spec.arrival, spec.tie);
  };
  waiting_.insert(
      std::ranges::find_if(waiting_, [&](JobId other) { return rank(id) < rank(other); }), id);
}

void Scheduler::cancel(JobId id) {
  SCSIM_CHECK(!planned_);
  waiting_.remove(id);
  std::erase(running_, id);
  release(of(id));
  unused_.push_back(id);
}

// ---- blocks ----

const BlockKey& Scheduler::key(Job& job, std::int64_t number) {
  while (std::ssize(job.keys) <= number) {
    const auto from = job.keys.size() * static_cast<std::size_t>(knobs_.block_tokens);
    const std::span<const std::int32_t> tokens =
        std::span(job.tokens).subspan(from, static_cast<std::size_t>(knobs_.block_tokens));
    job.keys.push_back(
        next_key(job.keys.empty() ? root_key(model_, job.spec.salt) : job.keys.back(), tokens));
  }
  return job.keys[static_cast<std::size_t>(number)];
}

// Blocks for its first `tokens` tokens. REQUIRES: there are as many.
void Scheduler::take_blocks(Job& job, std::int64_t tokens) {
  while (std::ssize(job.blocks) < blocks_for(job, tokens)) job.blocks.push_back(pool_.take());
}

// Makes findable what is full when `tokens` tokens are computed, as far as the knobs allow it.
void Scheduler::register_blocks(JobId id, std::int64_t tokens) {
  if (!knobs_.prefix_caching || compression_ != nullptr) return;
  Job& job = of(id);
  if (!knobs_.cache_outputs) tokens = std::min(tokens, job.prompt);
  for (; job.registered < tokens / knobs_.block_tokens; ++job.registered) {
    const BlockId block = job.blocks[static_cast<std::size_t>(job.registered)];
    pool_.add_key(block, key(job, job.registered));
    if (listener_ != nullptr) listener_->registered(id, job.registered, block);
  }
}

void Scheduler::release(Job& job) {
  pool_.release(job.blocks);
  job.blocks.clear();
  job.registered = job.dropped = 0;
}

void Scheduler::compressed(JobId id, std::int64_t kept) {
  SCSIM_CHECK(planned_ && compression_ != nullptr);
  Job& job = of(id);
  SCSIM_CHECK(kept >= 0 && kept <= std::ssize(job.tokens));
  job.dropped = std::ssize(job.tokens) - kept;
  const std::size_t held = std::min(job.blocks.size(), static_cast<std::size_t>(blocks_for(kept)));
  pool_.release(std::span(job.blocks).subspan(held));
  job.blocks.resize(held);
}

std::optional<std::vector<BlockId>> Scheduler::insert(std::span<const std::int32_t> tokens,
                                                      std::string_view salt) {
  SCSIM_CHECK(!planned_);
  const auto block_tokens = static_cast<std::size_t>(knobs_.block_tokens);
  SCSIM_CHECK_EQ(tokens.size() % block_tokens, 0U);
  std::vector<BlockKey> keys;
  std::int64_t taken = 0;  // from the free ones, by those that are there and those that are not
  BlockKey key = root_key(model_, salt);
  for (std::size_t from = 0; from < tokens.size(); from += block_tokens) {
    keys.push_back(key = next_key(key, tokens.subspan(from, block_tokens)));
    const BlockId block = pool_.find(key);
    if (block < 0 || pool_.is_free(block)) ++taken;
  }
  if (taken > pool_.free_blocks()) return std::nullopt;
  std::vector<BlockId> held, added;
  for (const BlockKey& one : keys) {  // first those that are there, so that none of them is taken
    const BlockId block = pool_.find(one);
    if (block < 0) continue;
    pool_.hold(block);
    held.push_back(block);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (pool_.find(keys[i]) >= 0) continue;
    added.push_back(pool_.take());
    pool_.add_key(added.back(), keys[i]);
  }
  held.insert(held.end(), added.begin(), added.end());
  pool_.release(held);
  return added;
}

// ---- planning ----

bool Scheduler::plan() {
  SCSIM_CHECK(!planned_);
  ended_.clear();
  step_ = Step{};
  budget_ = knobs_.max_batched_tokens;
  threshold_ = running() + waiting() > 1 ? knobs_.long_prefill_threshold : 0;
  prefilled_ = false;
  deferring_ = knobs_.prefill_interval > 1 && !bound_ &&
               executed_ + 1 - last_prefill_ < knobs_.prefill_interval &&
               std::ranges::any_of(running_, [&](JobId id) { return of(id).decodes; });
  visit_running();
  if (step_.preempted.empty()) {
    while (admit()) {
    }
    if (!deferring_) bound_ = !waiting_.empty();
  }
  if (step_.computed.empty()) return false;
  planned_ = true;
  ++executed_;
  if (prefilled_) last_prefill_ = executed_;
  return true;
}

// Gives tokens to running requests in the order of their admission.
void Scheduler::visit_running() {
  for (std::size_t at = 0; at < running_.size() && budget_ > 0; ++at) {
    const JobId id = running_[at];
    Job& job = of(id);
    if (deferring_ && !job.decodes) continue;
    std::int64_t tokens = std::ssize(job.tokens) - job.computed;
    if (threshold_ > 0) tokens = std::min(tokens, threshold_);
    tokens = std::min({tokens, budget_, max_model_len_ - job.computed - 1});
    if (tokens <= 0) continue;
    if (!make_room(id, tokens, at)) {
      if (knobs_.order == EngineKnobs::Order::kPriority) continue;
      break;  // first come: it was the last one
    }
    take_blocks(job, job.computed + tokens);
    if (knobs_.visible == EngineKnobs::Visible::kScheduled)
      register_blocks(id, job.computed + tokens);
    step_.computed.push_back(
        {id, job.computed, tokens, job.decodes, job.computed + tokens == std::ssize(job.tokens)});
    budget_ -= tokens;
    prefilled_ = prefilled_ || !job.decodes;
  }
}

// Preempts until there are blocks for so many more tokens of the job, which is running_[at]; false
// if it was itself preempted. `at` stays the place of the job, or of the one before it.
bool Scheduler::make_room(JobId id, std::int64_t tokens, std::size_t& at) {
  const auto missing = [&] {
    const Job& job = of(id);
    return blocks_for(job, job.computed + tokens) - std::ssize(job.blocks) > pool_.free_blocks();
  };
  while (missing()) {
    auto victim = std::prev(running_.end());
    if (knobs_.order == EngineKnobs::Order::kPriority) {
      victim = std::ranges::max_element(running_, {}, [&](JobId other) {
        return std::pair(of(other).spec.priority, of(other).spec.arrival);
      });
    }
    const JobId lost = *victim;
    const auto entry = std::ranges::find(step_.computed, lost, &Step::Computed::job);
    if (entry != step_.computed.end()) {  // it had been given its tokens in this very step
      budget_ += entry->fresh;
      step_.computed.erase(entry);
    }
    if (static_cast<std::size_t>(victim - running_.begin()) <= at) --at;  // wraps below 0 and back
    running_.erase(victim);
    preempt(lost);
    if (lost == id) return false;
  }
  return true;
}

void Scheduler::preempt(JobId id) {
  Job& job = of(id);
  release(job);
  job.lost = job.computed;
  job.computed = 0;
  job.decodes = false;
  job.preempted = true;
  push_waiting(id, true);
  step_.preempted.push_back(id);
}

bool Scheduler::admit() {
  if (budget_ <= 0 || waiting_.empty() || running() >= knobs_.max_sequences) return false;
  const JobId id = waiting_.front();
  Job& job = of(id);
  const std::int64_t known = std::ssize(job.tokens);
  std::vector<BlockId> hit;
  std::int64_t free_among = 0;  // of those found: taking them takes them from the free ones
  const bool finds = knobs_.prefix_caching && compression_ == nullptr;
  while (finds && std::ssize(hit) < (known - 1) / knobs_.block_tokens) {
    const BlockId block = pool_.find(key(job, std::ssize(hit)));
    if (block < 0) break;
    hit.push_back(block);
    free_among += pool_.is_free(block) ? 1 : 0;
  }
  const std::int64_t found = std::ssize(hit) * knobs_.block_tokens;
  // Blocks that the pool does not hold and somebody else may.
  std::span<const BlockKey> elsewhere;
  std::int64_t loaded = 0;
  const std::int64_t whole = (known - 1) / knobs_.block_tokens;
  if (source_ != nullptr && finds && std::ssize(hit) < whole) {
    key(job, whole - 1);
    elsewhere =
        std::span(job.keys).subspan(hit.size(), static_cast<std::size_t>(whole) - hit.size());
    loaded = source_->available(elsewhere);
  }
  std::int64_t cached = 0, tokens = 0;
  // What is computed behind what is there; false: not in this step.
  const auto choose_tokens = [&] {
    cached = found + loaded * knobs_.block_tokens;
    if (deferring_ && cached < known - 1) return false;
    tokens = known - cached;
    if (threshold_ > 0) tokens = std::min(tokens, threshold_);
    if (knobs_.chunked_prefill) {
      tokens = std::min(tokens, budget_);
    } else if (tokens > budget_ && !step_.computed.empty()) {
      return false;  // alone in a step it may exceed the budget, as it does after a preemption
    }
    return true;
  };
  const auto need = [&](std::int64_t total) {
    return std::max<std::int64_t>(
               blocks_for(job, std::min(total, max_model_len_)) - std::ssize(hit), 0) +
           free_among;
  };
  const std::int64_t spare =
      running_.empty() ? 0
                       : static_cast<std::int64_t>(knobs_.watermark *
                                                   static_cast<double>(pool_.num_blocks() + 1));
  const auto fits = [&] {
    if (!choose_tokens()) return false;
    if (knobs_.reserve_full_prompt && need(known) + spare > pool_.free_blocks()) return false;
    return need(cached + tokens) + spare <= pool_.free_blocks();
  };
  if (!fits()) return false;
  if (loaded > 0) {
    loaded = source_->fetch(elsewhere.first(static_cast<std::size_t>(loaded)));
    if (!fits()) return false;  // some were damaged
  }
  if (source_ != nullptr && cached > 0)
    source_->used(
        std::span(job.keys).first(static_cast<std::size_t>(cached / knobs_.block_tokens)));

  waiting_.pop_front();
  running_.push_back(id);
  for (const BlockId block : hit) pool_.hold(block);
  job.registered = std::ssize(hit);
  job.blocks = std::move(hit);
  job.computed = cached;
  step_.admitted.push_back({id, found, job.preempted, std::max<std::int64_t>(job.lost - cached, 0),
                            loaded * knobs_.block_tokens});
  job.preempted = false;
  job.lost = 0;
  take_blocks(job, cached + tokens);
  for (std::int64_t i = 0; i < loaded; ++i, ++job.registered) {
    const BlockId block = job.blocks[static_cast<std::size_t>(job.registered)];
    pool_.add_key(block, key(job, job.registered));
    source_->place(i, block);
  }
  if (knobs_.visible == EngineKnobs::Visible::kScheduled) register_blocks(id, cached + tokens);
  step_.computed.push_back({id, cached, tokens, false, cached + tokens == known});
  budget_ -= tokens;
  prefilled_ = prefilled_ || cached < known - 1;
  return true;
}

// ---- the end of a step ----

const std::vector<JobId>& Scheduler::complete(std::span<const Sampled> sampled) {
  SCSIM_CHECK(std::exchange(planned_, false));
  for (const Step::Computed& part : step_.computed) of(part.job).computed += part.fresh;
  if (knobs_.visible == EngineKnobs::Visible::kComputed) {
    for (const bool decode : {true, false}) {
      for (const Step::Computed& part : step_.computed) {
        if (part.decode == decode) register_blocks(part.job, of(part.job).computed);
      }
    }
  }
  auto next = sampled.begin();
  for (const Step::Computed& part : step_.computed) {
    if (!part.samples) continue;
    SCSIM_CHECK(next != sampled.end() && next->job == part.job);
    Job& job = of(part.job);
    job.tokens.push_back(next->token);
    job.decodes = true;
    if (next->last || std::ssize(job.tokens) >= job.target) ended_.push_back(part.job);
    ++next;
  }
  SCSIM_CHECK(next == sampled.end());
  for (const JobId id : ended_) {
    release(of(id));
    std::erase(running_, id);
    unused_.push_back(id);
  }
  return ended_;
}

}  // namespace scsim::exec
