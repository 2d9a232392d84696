#include "sim/scheduler.h"

#include <algorithm>
#include <utility>

#include "traces/text.h"

namespace scsim::sim {

void Scheduler::Heap::push(HeapEntry entry) {
  entries.push_back(entry);
  std::push_heap(entries.begin(), entries.end(), std::greater<>());
}

void Scheduler::Heap::pop() {
  std::pop_heap(entries.begin(), entries.end(), std::greater<>());
  entries.pop_back();
}

Scheduler::Scheduler(const EngineKnobs& knobs, std::int64_t num_blocks, std::int64_t max_model_len,
                     std::vector<std::int64_t> windows)
    : knobs_(knobs),
      max_model_len_(max_model_len),
      windows_(std::move(windows)),
      members_by_residue_(static_cast<std::size_t>(knobs.block_tokens)),
      last_prefill_(-knobs.prefill_interval) {
  SCSIM_CHECK_LE(windows_.size(), group_windowed_.size());
  SCSIM_CHECK_GE(knobs.max_batched_tokens, 1);
  SCSIM_CHECK_GE(knobs.max_sequences, 1);
  ChainGrowth& growth = *this;
  pool_ = std::make_unique<BlockPool>(
      BlockPool::Options{num_blocks, knobs.block_tokens, knobs.share_duplicates}, paths_, growth);
}

std::optional<Scheduler::Refusal> Scheduler::refuse(std::int64_t prompt_tokens,
                                                    std::int64_t output_tokens) const {
  const auto tokens = [](std::int64_t count) { return format_integer(count) + " tokens"; };
  if (prompt_tokens < 1) return Refusal{"empty prompt", ""};
  if (prompt_tokens >= max_model_len_) {
    return Refusal{"prompt reaches max_model_len (" + tokens(max_model_len_) + ")",
                   tokens(prompt_tokens)};
  }
  if (!knobs_.chunked_prefill && prompt_tokens > knobs_.max_batched_tokens) {
    return Refusal{"prompt exceeds max_batched_tokens (" + tokens(knobs_.max_batched_tokens) +
                       ") and prefill is not chunked",
                   tokens(prompt_tokens)};
  }
  const std::int64_t most = std::min(prompt_tokens + output_tokens - 1, max_model_len_);
  if (blocks_for(most) > pool_->num_blocks()) {
    return Refusal{"prompt and answer need more than all KV blocks (" +
                       tokens(pool_->num_blocks() * knobs_.block_tokens) + ")",
                   tokens(most)};
  }
  return std::nullopt;
}

void Step::clear() {
  prefills.clear();
  admitted.clear();
  preempted.clear();
  idle.clear();
  decodes = decode_context = swapped_out = swapped_in = 0;
  windowed_context = {};
}

// ---- jobs and queues ----

JobId Scheduler::add(const JobSpec& spec) {
  JobId id;
  if (unused_.empty()) {
    id = static_cast<JobId>(jobs_.size());
    jobs_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  Job& job = jobs_[id];
  const std::uint32_t generation = job.generation + 1;
  job = Job{};
  job.generation = generation;
  job.tag = spec.tag;
  job.path = paths_.make(spec.prompt, spec.output, spec.output_tokens, spec.salt);
  job.priority = spec.priority;
  job.arrival = spec.arrival;
  job.tie = spec.tie;
  job.prompt = paths_.tokens(job.path) - spec.output_tokens;
  job.known = job.prompt;
  job.target = std::min(job.prompt + spec.output_tokens, max_model_len_);
  job.reserve =
      spec.max_tokens > 0 ? std::min(job.prompt + spec.max_tokens, max_model_len_) : max_model_len_;
  job.chain = pool_->open_chain(job.path);
  if (static_cast<std::size_t>(job.chain) >= job_of_chain_.size()) {
    job_of_chain_.resize(static_cast<std::size_t>(job.chain) + 1, kNoJob);
  }
  job_of_chain_[job.chain] = id;
  push_waiting(id, false);
  return id;
}

void Scheduler::push_waiting(JobId id, bool first) {
  Job& job = jobs_[id];
  job.state = State::kWaiting;
  ++num_waiting_;
  if (knobs_.order == EngineKnobs::Order::kPriority) {
    by_priority_.insert({job.priority, job.arrival, job.tie, id});
    return;
  }
  job.previous = first ? kNoJob : last_waiting_;
  job.next = first ? first_waiting_ : kNoJob;
  (job.previous == kNoJob ? first_waiting_ : jobs_[job.previous].next) = id;
  (job.next == kNoJob ? last_waiting_ : jobs_[job.next].previous) = id;
}

JobId Scheduler::first_waiting() const {
  if (knobs_.order == EngineKnobs::Order::kPriority) return by_priority_.begin()->job;
  return first_waiting_;
}

void Scheduler::remove_waiting(JobId id) {
  Job& job = jobs_[id];
  --num_waiting_;
  if (knobs_.order == EngineKnobs::Order::kPriority) {
    by_priority_.erase({job.priority, job.arrival, job.tie, id});
    return;
  }
  (job.previous == kNoJob ? first_waiting_ : jobs_[job.previous].next) = job.next;
  (job.next == kNoJob ? last_waiting_ : jobs_[job.next].previous) = job.previous;
}

void Scheduler::append_running(JobId id) {
  Job& job = jobs_[id];
  job.sequence = next_sequence_++;
  job.previous = last_running_;
  job.next = kNoJob;
  (last_running_ == kNoJob ? first_running_ : jobs_[last_running_].next) = id;
  last_running_ = id;
  ++num_running_;
  reserve_blocks_ += blocks_for(job.reserve);
}

void Scheduler::remove_running(JobId id) {
  Job& job = jobs_[id];
  (job.previous == kNoJob ? first_running_ : jobs_[job.previous].next) = job.next;
  (job.next == kNoJob ? last_running_ : jobs_[job.next].previous) = job.previous;
  --num_running_;
  reserve_blocks_ -= blocks_for(job.reserve);
}

std::int64_t Scheduler::known_tokens(JobId id) const {
  const Job& job = jobs_[id];
  return job.state == State::kDecode ? decode_computed(job) + 1 : job.known;
}

std::int64_t Scheduler::produced(JobId id) const { return known_tokens(id) - jobs_[id].prompt; }

// ---- the decode group ----

void Scheduler::count_member(const Job& job, std::int64_t sign) {
  const std::int64_t computed = decode_computed(job);
  group_size_ += sign;
  group_context_ += sign * computed;
  const std::int64_t block = knobs_.block_tokens;
  const std::int64_t residue = ((epoch_ - computed) % block + block) % block;
  members_by_residue_[static_cast<std::size_t>(residue)] += sign;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    group_windowed_[w] += sign * std::min(computed + 1, windows_[w]);
    if (computed + 1 < windows_[w]) group_below_[w] += sign;
  }
}

void Scheduler::join_group(JobId id) {
  Job& job = jobs_[id];
  job.joined = epoch_;
  job.state = State::kDecode;
  ++job.generation;
  count_member(job, 1);
  finishing_.push({epoch_ + job.target - (job.computed + 1), job.sequence, id, job.generation});
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    if (job.computed + 1 < windows_[w]) {
      crossing_[w].push(
          {epoch_ + windows_[w] - (job.computed + 1), job.sequence, id, job.generation});
    }
  }
}

void Scheduler::leave_group(JobId id) {
  Job& job = jobs_[id];
  count_member(job, -1);
  ++job.generation;
  job.computed = decode_computed(job);
  job.joined = epoch_;
  job.known = job.computed + 1;
  job.blocks = blocks_for(job.computed);
}

std::int64_t Scheduler::blocks_of(const Job& job) const {
  return job.state == State::kDecode ? blocks_for(decode_computed(job)) : job.blocks;
}

void Scheduler::advance_group(std::int64_t steps) {
  epoch_ += steps;
  group_context_ += steps * group_size_;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    group_windowed_[w] += steps * group_below_[w];
    Heap& heap = crossing_[w];
    while (!heap.entries.empty() && heap.entries.front().epoch <= epoch_) {
      const HeapEntry& entry = heap.entries.front();
      if (jobs_[entry.job].generation == entry.generation) {
        SCSIM_CHECK_EQ(entry.epoch, epoch_);  // repeats() stops there
        --group_below_[w];
      }
      heap.pop();
    }
  }
}

std::int64_t Scheduler::need_at(std::int64_t epoch) const {
  return members_by_residue_[static_cast<std::size_t>(epoch % knobs_.block_tokens)];
}

std::int64_t Scheduler::full_blocks(ChainId chain) const {
  const Job& job = jobs_[job_of_chain_[chain]];
  std::int64_t computed = decode_computed(job);
  if (knobs_.visible == EngineKnobs::Visible::kComputed && group_in_flight_) --computed;
  return computed / knobs_.block_tokens;
}

void Scheduler::grow_eagerly(ChainId chain) {
  const JobId id = job_of_chain_[chain];
  if (jobs_[id].eager) return;
  jobs_[id].eager = true;
  eager_.push_back(id);
}

bool Scheduler::answers_are_cached() const {
  return knobs_.prefix_caching && knobs_.cache_outputs &&
         knobs_.visible != EngineKnobs::Visible::kFinished;
}

void Scheduler::start_growing(JobId id, TimePoint now) {
  const ChainId chain = jobs_[id].chain;
  pool_->start_growing(chain, now);
  for (const JobId other : prefilling_) {
    if (pool_->follows(chain, jobs_[other].chain)) grow_eagerly(chain);
  }
}

void Scheduler::settle_eager(TimePoint now) {
  std::ranges::sort(eager_, {}, [&](JobId id) { return jobs_[id].sequence; });
  for (const JobId id : eager_) {
    if (jobs_[id].state == State::kDecode) pool_->settle(jobs_[id].chain, now);
  }
}

// ---- one step ----

bool Scheduler::plan(TimePoint now) {
  SCSIM_CHECK(!planned_);
  step_.clear();
  group_in_flight_ = false;
  together_ = true;
  crossed_ = false;
  prefill_scheduled_ = false;
  const std::int64_t interval = knobs_.prefill_interval;
  deferring_ =
      interval > 1 && !bound_ && executed_ + 1 - last_prefill_ < interval && group_size_ > 0;
  threshold_ = num_running_ + num_waiting_ > 1 ? knobs_.long_prefill_threshold : 0;
  std::int64_t budget = knobs_.max_batched_tokens;

  if (knobs_.batching == EngineKnobs::Batching::kMixed) {
    if (!plan_running_together(budget, true, now)) plan_running_one_by_one(budget, now);
    if (step_.preempted.empty()) plan_waiting(budget, now);
  } else {
    if (!plan_running_together(budget, false, now)) {
      plan_running_one_by_one(budget, now);
    } else {
      plan_waiting(budget, now);
      if (step_.prefills.empty() && group_size_ > 0 && !plan_running_together(budget, true, now)) {
        plan_running_one_by_one(budget, now);
      }
    }
  }
  if (step_.empty()) return false;
  planned_ = true;
  ++executed_;
  if (interval > 1 && prefill_scheduled_) last_prefill_ = executed_;
  plan_repeats();
  return true;
}

std::int64_t Scheduler::wanted(const Job& job) const {
  std::int64_t tokens = job.known - job.computed;
  if (threshold_ > 0) tokens = std::min(tokens, threshold_);
  return std::max<std::int64_t>(std::min(tokens, max_model_len_ - job.computed - 1), 0);
}

bool Scheduler::plan_running_together(std::int64_t& budget, bool decode, TimePoint now) {
  const std::int64_t members = decode ? group_size_ : 0;
  if (members > budget) return false;
  // Who registers the same tokens first decides which copy is found: keep the order of admission.
  if (decode && !eager_.empty() && !prefilling_.empty()) return false;
  std::int64_t left = budget - members;
  std::int64_t blocks = members > 0 ? need_at(epoch_) : 0;
  const bool prefill = !deferring_ && step_.prefills.empty();
  if (prefill) {
    for (const JobId id : prefilling_) {
      const Job& job = jobs_[id];
      const std::int64_t tokens = std::min(wanted(job), left);
      // Budget goes by the order of admission: if it runs out before the last of them, those behind
      // go short.
      if (tokens < wanted(job) && id != last_running_) return false;
      left -= tokens;
      blocks += blocks_for(job.computed + tokens) - job.blocks;
    }
  }
  if (blocks > pool_->free_blocks()) return false;

  if (members > 0) {
    step_.decodes = members;
    step_.decode_context = group_context_ + members;
    step_.windowed_context = group_windowed_;
    take(need_at(epoch_), now);
    const auto below = group_below_;
    advance_group(1);
    crossed_ = below != group_below_;
    group_in_flight_ = true;
    budget -= members;
    settle_eager(now);
  }
  if (prefill) {
    for (const JobId id : prefilling_) {
      const std::int64_t tokens = std::min(wanted(jobs_[id]), budget);
      if (tokens == 0) {
        step_.idle.push_back(id);
        continue;
      }
      prefill_scheduled_ = true;
      schedule_prefill(id, tokens, now);
      budget -= tokens;
    }
  } else if (deferring_) {
    step_.idle.insert(step_.idle.end(), prefilling_.begin(), prefilling_.end());
  }
  return true;
}

// vLLM's loop over the running requests as it stands there: used when they cannot all advance.
void Scheduler::plan_running_one_by_one(std::int64_t& budget, TimePoint now) {
  together_ = false;
  for (JobId id = first_running_; id != kNoJob; id = jobs_[id].next) {
    Job& job = jobs_[id];
    if (job.state != State::kDecode) continue;
    job.computed = decode_computed(job);
    job.joined = epoch_ + 1;
  }
  ++epoch_;
  group_in_flight_ = true;
  std::vector<std::pair<JobId, std::int64_t>> scheduled;
  JobId next = kNoJob;
  JobId id = first_running_;
  for (; id != kNoJob; id = next) {
    next = jobs_[id].next;
    const bool decoding = jobs_[id].state == State::kDecode;
    std::int64_t tokens = 0;
    if (budget > 0 && !(deferring_ && !decoding)) {
      tokens = std::min(decoding ? 1 : wanted(jobs_[id]), budget);
    }
    if (tokens == 0) {
      step_.idle.push_back(id);
      continue;
    }
    bool alive = true;
    while (blocks_for(jobs_[id].computed + tokens) - blocks_of(jobs_[id]) > pool_->free_blocks()) {
      const JobId lost = victim();
      const auto entry = std::find_if(scheduled.begin(), scheduled.end(),
                                      [&](const auto& item) { return item.first == lost; });
      if (entry != scheduled.end()) {
        budget += entry->second;
        withdraw(lost, entry->second);
        scheduled.erase(entry);
      }
      std::erase(step_.idle, lost);
      next = jobs_[id].next;
      if (lost == next) next = jobs_[lost].next;
      preempt(lost, now);
      if (lost == id) {
        alive = false;
        break;
      }
    }
    if (!alive) {
      if (knobs_.order == EngineKnobs::Order::kPriority) continue;
      break;  // first come: it was the last one
    }
    budget -= tokens;
    scheduled.emplace_back(id, tokens);
    if (!decoding) {
      prefill_scheduled_ = true;
      schedule_prefill(id, tokens, now);
      continue;
    }
    Job& job = jobs_[id];
    take(blocks_for(job.computed + 1) - blocks_for(job.computed), now);
    ++job.computed;
    ++step_.decodes;
    step_.decode_context += job.computed;
    for (std::size_t w = 0; w < windows_.size(); ++w) {
      step_.windowed_context[w] += std::min(job.computed, windows_[w]);
    }
    if (answers_are_cached()) pool_->settle(job.chain, now);
  }

  // Form the group anew from those who decode still.
  group_size_ = group_context_ = 0;
  group_windowed_ = group_below_ = {};
  std::fill(members_by_residue_.begin(), members_by_residue_.end(), 0);
  finishing_.entries.clear();
  for (Heap& heap : crossing_) heap.entries.clear();
  for (JobId member = first_running_; member != kNoJob; member = jobs_[member].next) {
    if (jobs_[member].state == State::kDecode) join_group(member);
  }
}

// A decode that was scheduled earlier in this very step loses its memory to another.
void Scheduler::withdraw(JobId id, std::int64_t tokens) {
  Job& job = jobs_[id];
  if (job.state != State::kDecode) {
    std::erase_if(step_.prefills, [&](const Step::Prefill& prefill) { return prefill.job == id; });
    return;
  }
  SCSIM_CHECK_EQ(tokens, 1);
  step_.decodes -= 1;
  step_.decode_context -= job.computed;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    step_.windowed_context[w] -= std::min(job.computed, windows_[w]);
  }
  withdrawn_ = true;
}

void Scheduler::plan_waiting(std::int64_t& budget, TimePoint now) {
  while (budget > 0 && num_waiting_ > 0 && num_running_ < knobs_.max_sequences) {
    if (!admit(first_waiting(), budget, now)) break;
  }
  if (!deferring_) bound_ = num_waiting_ > 0;
}

bool Scheduler::admit(JobId id, std::int64_t& budget, TimePoint now) {
  Job& job = jobs_[id];
  const bool swapped = job.swapped_tokens > 0;
  match_.pieces.clear();
  match_.blocks = match_.free_blocks = 0;
  if (knobs_.prefix_caching && !swapped) {
    pool_->find(job.path, (job.known - 1) / knobs_.block_tokens, now, match_);
  }
  const std::int64_t found = swapped ? job.swapped_tokens : match_.blocks * knobs_.block_tokens;
  if (deferring_ && found < job.known - 1) return false;
  std::int64_t tokens = job.known - found;
  if (threshold_ > 0) tokens = std::min(tokens, threshold_);
  if (!knobs_.chunked_prefill && tokens > budget && !step_.empty()) return false;
  tokens = knobs_.chunked_prefill ? std::min(tokens, budget) : tokens;

  // Blocks found that nobody holds are free now and will not be.
  const auto need = [&](std::int64_t total) {
    return std::max<std::int64_t>(blocks_for(std::min(total, max_model_len_)) - match_.blocks, 0) +
           match_.free_blocks;
  };
  const std::int64_t spare =
      num_running_ > 0 ? static_cast<std::int64_t>(knobs_.watermark *
                                                   static_cast<double>(pool_->num_blocks() + 1))
                       : 0;
  const std::int64_t free = pool_->free_blocks();
  if (knobs_.reserve_full_prompt && need(job.known) + spare > free) return false;
  if (need(found + tokens) + spare > free) return false;
  if (knobs_.reserve_output > 0 && num_running_ > 0) {
    const double later = knobs_.reserve_output *
                         static_cast<double>(blocks_for(job.reserve) - blocks_for(job.known));
    if (static_cast<double>(need(job.known)) + later + reserved_blocks() >
        static_cast<double>(free)) {
      return false;
    }
  }

  remove_waiting(id);
  append_running(id);
  pool_->hold(job.chain, match_);
  job.blocks = match_.blocks;
  held_blocks_ += job.blocks;
  job.computed = found;
  if (swapped) {
    step_.swapped_in += found;
    job.swapped_tokens = 0;
  }
  prefill_scheduled_ = prefill_scheduled_ || found < job.known - 1;
  step_.admitted.push_back({id, found, job.preempted});
  job.preempted = false;
  job.state = State::kPrefill;
  prefilling_.push_back(id);
  schedule_prefill(id, tokens, now);
  budget -= tokens;
  return true;
}

void Scheduler::take(std::int64_t blocks, TimePoint now) {
  pool_->take(blocks, now);
  held_blocks_ += blocks;
}

void Scheduler::schedule_prefill(JobId id, std::int64_t fresh, TimePoint now) {
  Job& job = jobs_[id];
  const std::int64_t cached = job.computed;
  job.computed += fresh;
  const std::int64_t blocks = blocks_for(job.computed);
  if (blocks > job.blocks) {
    take(blocks - job.blocks, now);
    job.blocks = blocks;
  }
  if (knobs_.visible == EngineKnobs::Visible::kScheduled) register_computed(job, now);
  step_.prefills.push_back({id, cached, fresh, job.computed == job.known});
}

void Scheduler::register_computed(const Job& job, TimePoint now) {
  if (!knobs_.prefix_caching) return;
  const std::int64_t most =
      knobs_.cache_outputs ? job.computed : std::min(job.computed, job.prompt);
  const std::int64_t full = most / knobs_.block_tokens;
  if (full > pool_->registered(job.chain)) pool_->register_blocks(job.chain, full, now);
}

double Scheduler::reserved_blocks() const {
  double blocks = knobs_.reserve_output * static_cast<double>(reserve_blocks_ - held_blocks_);
  for (const JobId id : prefilling_) {  // the rest of their prompts is sure to come
    const Job& job = jobs_[id];
    blocks += (1 - knobs_.reserve_output) * static_cast<double>(blocks_for(job.known) - job.blocks);
  }
  return std::max(blocks, 0.0);
}

JobId Scheduler::victim() const {
  if (knobs_.order == EngineKnobs::Order::kFirstCome) return last_running_;
  JobId worst = first_running_;
  for (JobId id = first_running_; id != kNoJob; id = jobs_[id].next) {
    const auto key = [&](JobId j) { return std::pair(jobs_[j].priority, jobs_[j].arrival); };
    if (key(id) > key(worst)) worst = id;
  }
  return worst;
}

// REQUIRES: the group is being formed anew.
void Scheduler::preempt(JobId id, TimePoint now) {
  Job& job = jobs_[id];
  std::int64_t computed = job.computed;
  if (withdrawn_) {  // its last token was not computed after all, though its block stays registered
    --computed;
    withdrawn_ = false;
  }
  const std::int64_t blocks = blocks_of(job);
  if (job.state == State::kDecode) {
    job.known = computed + 1;
    if (knobs_.preemption == EngineKnobs::Preemption::kSwap) {
      job.swapped_tokens = computed;
      step_.swapped_out += computed;
    }
  } else {
    std::erase(prefilling_, id);
  }
  release(id, blocks, now);
  remove_running(id);
  job.preempted = true;
  job.computed = job.blocks = 0;
  push_waiting(id, true);
  step_.preempted.push_back(id);
}

void Scheduler::release(JobId id, std::int64_t blocks, TimePoint now) {
  Job& job = jobs_[id];
  pool_->release(job.chain, blocks, now);
  held_blocks_ -= blocks;
  if (job.eager) {
    job.eager = false;
    std::erase(eager_, id);
  }
}

void Scheduler::plan_repeats() {
  repeats_ = 1;
  const bool quiet = together_ && group_in_flight_ && !crossed_ && step_.prefills.empty() &&
                     eager_.empty() && (prefilling_.empty() || deferring_);
  if (!quiet) return;
  if (knobs_.prefill_interval > 1 && (num_waiting_ > 0 || !prefilling_.empty())) return;
  std::int64_t most = next_finish() - epoch_ + 1;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    if (!crossing_[w].entries.empty()) {
      most = std::min(most, crossing_[w].entries.front().epoch - epoch_ + 1);
    }
  }
  // Blocks for the second step and on.
  const std::int64_t block = knobs_.block_tokens;
  const std::int64_t free = pool_->free_blocks();
  const std::int64_t rounds = (most - 1 + block - 1) / block;
  if (rounds * group_size_ > free) {
    std::int64_t left = free % std::max<std::int64_t>(group_size_, 1);
    std::int64_t steps = 1 + free / group_size_ * block;
    while (steps < most) {
      left -= need_at(epoch_ + steps - 1);
      if (left < 0) break;
      ++steps;
    }
    most = std::min(most, steps);
  }
  repeats_ = std::max<std::int64_t>(most, 1);
}

std::int64_t Scheduler::next_finish() {
  while (true) {
    SCSIM_CHECK(!finishing_.entries.empty());
    const HeapEntry& entry = finishing_.entries.front();
    if (jobs_[entry.job].generation == entry.generation) return entry.epoch;
    finishing_.pop();
  }
}

std::int64_t Scheduler::need_between(std::int64_t from, std::int64_t to) const {
  const std::int64_t block = knobs_.block_tokens;
  std::int64_t blocks = (to - from) / block * group_size_;
  for (std::int64_t epoch = from + (to - from) / block * block; epoch < to; ++epoch) {
    blocks += need_at(epoch);
  }
  return blocks;
}

void Scheduler::complete(std::int64_t steps, TimePoint now, Listener& listener) {
  SCSIM_CHECK(planned_);
  SCSIM_CHECK_GE(steps, 1);
  SCSIM_CHECK_LE(steps, repeats_);
  planned_ = false;
  if (steps > 1) {
    take(need_between(epoch_, epoch_ + steps - 1), now);
    advance_group(steps - 1);
    executed_ += steps - 1;
  }
  const bool group_advanced = std::exchange(group_in_flight_, false);

  ending_.clear();
  if (group_advanced && group_size_ > 0) {
    while (!finishing_.entries.empty() && finishing_.entries.front().epoch <= epoch_) {
      const HeapEntry entry = finishing_.entries.front();
      finishing_.pop();
      if (jobs_[entry.job].generation != entry.generation) continue;
      SCSIM_CHECK_EQ(entry.epoch, epoch_);
      ending_.push_back(entry.job);
    }
  }
  const std::size_t decoding = ending_.size();
  for (const Step::Prefill& prefill : step_.prefills) {
    Job& job = jobs_[prefill.job];
    if (knobs_.visible == EngineKnobs::Visible::kComputed) register_computed(job, now);
    if (!prefill.last) continue;
    ++job.known;
    std::erase(prefilling_, prefill.job);
    listener.first_token(prefill.job);
    if (job.known >= job.target) {
      ending_.push_back(prefill.job);
    } else {
      join_group(prefill.job);
      if (answers_are_cached()) start_growing(prefill.job, now);
    }
  }
  // Blocks are released in the order of admission.
  if (decoding > 0 && decoding < ending_.size()) {
    std::sort(ending_.begin(), ending_.end(),
              [&](JobId a, JobId b) { return jobs_[a].sequence < jobs_[b].sequence; });
  }
  for (const JobId id : ending_) {
    listener.finished(id);
    remove(id, now);
  }
}

void Scheduler::remove(JobId id, TimePoint now) {
  Job& job = jobs_[id];
  if (job.state == State::kWaiting) {
    remove_waiting(id);
  } else {
    if (job.state == State::kDecode) {
      leave_group(id);
    } else {
      std::erase(prefilling_, id);
    }
    if (knobs_.visible == EngineKnobs::Visible::kFinished) register_computed(job, now);
    release(id, job.blocks, now);
    remove_running(id);
  }
  pool_->close_chain(job.chain);
  job.state = State::kFree;
  unused_.push_back(id);
}

void Scheduler::cancel(JobId id, TimePoint now) {
  SCSIM_CHECK(!planned_);
  remove(id, now);
}

std::vector<std::pair<JobId, std::int64_t>> Scheduler::scheduled_tokens() const {
  std::vector<std::pair<JobId, std::int64_t>> scheduled;
  for (JobId id = first_running_; id != kNoJob; id = jobs_[id].next) {
    if (std::ranges::count(step_.idle, id) > 0) continue;
    const auto prefill = std::ranges::find(step_.prefills, id, &Step::Prefill::job);
    if (prefill != step_.prefills.end()) {
      scheduled.emplace_back(id, prefill->fresh);
    } else if (jobs_[id].state == State::kDecode && group_in_flight_) {
      scheduled.emplace_back(id, 1);
    }
  }
  return scheduled;
}

}  // namespace scsim::sim
