#include "sim/scheduler.h"

#include <algorithm>
#include <utility>

#include "traces/text.h"

namespace scsim::sim {

Scheduler::Scheduler(const EngineKnobs& knobs, std::int64_t num_blocks, std::int64_t max_model_len,
                     std::vector<std::int64_t> windows, TokenPaths* paths,
                     std::vector<PartitionLimit> limits)
    : knobs_(knobs),
      max_model_len_(max_model_len),
      windows_(windows),
      own_paths_(paths == nullptr ? std::make_unique<TokenPaths>() : nullptr),
      paths_(paths == nullptr ? *own_paths_ : *paths),
      limits_(std::move(limits)),
      committed_(limits_.size() + 1),
      waiting_(knobs.order),
      group_(knobs.block_tokens, std::move(windows)),
      last_prefill_(-knobs.prefill_interval) {
  SCSIM_CHECK_GE(knobs.max_batched_tokens, 1);
  SCSIM_CHECK_GE(knobs.max_sequences, 1);
  ChainGrowth& growth = *this;
  pool_ = std::make_unique<BlockPool>(
      BlockPool::Options{num_blocks, knobs.block_tokens, knobs.share_duplicates, limits_}, paths_,
      growth);
}

std::optional<Scheduler::Refusal> Scheduler::refuse(std::int64_t prompt_tokens,
                                                    std::int64_t max_tokens, std::size_t partition,
                                                    const CompressionRule* compression) const {
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
  if (compression != nullptr) {
    // Preempted at its longest it is one prompt.
    const std::int64_t longest =
        max_tokens > 0 ? std::min(prompt_tokens + max_tokens, max_model_len_) : max_model_len_;
    const std::int64_t again =
        compression->at_every_append() ? compression->kept({&longest, 1}) : 0;
    const std::int64_t peak = std::max(compression->peak(longest), longest) + again;
    if (blocks_for(peak) > pool_->num_blocks()) {
      return Refusal{"prompt and max_tokens, while they are compressed, are more than its blocks",
                     tokens(peak) + " of " + tokens(pool_->num_blocks() * knobs_.block_tokens)};
    }
  }
  if (limited()) {
    const std::int64_t reserve =
        max_tokens > 0 ? std::min(prompt_tokens + max_tokens, max_model_len_) : max_model_len_;
    std::int64_t most = pool_->num_blocks();
    for (std::size_t p = 1; p < committed_.size(); ++p) {
      if (p != partition) most -= limits_[p - 1].guarantee;
    }
    if (partition > 0) most = std::min(most, limits_[partition - 1].quota);
    if (blocks_for(reserve) > most) {
      return Refusal{"prompt and max_tokens are more than the limits in hbm leave its tenant",
                     tokens(reserve) + " of " + tokens(most * knobs_.block_tokens)};
    }
  }
  return std::nullopt;
}

// Whether the tenants' quotas and guarantees hold with one more request, whatever it and all others
// come to need.
bool Scheduler::within_limits(const Job& job) const {
  const std::int64_t wanted = committed_[job.partition] + reserved_blocks_of(job);
  if (job.partition > 0 && wanted > limits_[job.partition - 1].quota) return false;
  std::int64_t sum = wanted;
  for (std::size_t p = 0; p < committed_.size(); ++p) {
    if (p == job.partition) continue;
    sum += p > 0 ? std::max(committed_[p], limits_[p - 1].guarantee) : committed_[p];
  }
  return sum <= pool_->num_blocks();
}

void Step::clear() {
  loads.clear();
  abandoned.clear();
  prefills.clear();
  admitted.clear();
  preempted.clear();
  idle.clear();
  decodes = decode_context = swapped_out = swapped_in = 0;
  windowed_context = {};
}

// ---- jobs and queues ----

JobId Scheduler::add(const JobSpec& spec) {
  progressed();
  JobId id;
  if (unused_.empty()) {
    id = static_cast<JobId>(jobs_.size());
    jobs_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  Job& job = jobs_[id];
  job = Job{};
  job.tag = spec.tag;
  job.path = paths_.make(spec.prompt, spec.output, spec.output_tokens, spec.salt);
  job.key = {spec.priority, spec.arrival, spec.tie, spec.flow, spec.weight};
  job.prompt = paths_.tokens(job.path) - spec.output_tokens;
  job.known = job.prompt + spec.answered;
  job.hand_over = spec.hand_over;
  job.arriving = spec.arriving;
  job.answered = spec.answered > 0;
  const std::int64_t answer =
      spec.max_tokens > 0 ? std::min(spec.output_tokens, spec.max_tokens) : spec.output_tokens;
  job.target = std::min(job.prompt + answer, max_model_len_);
  // Nobody knows yet that the token to come with the prompt is the last.
  if (spec.arriving) job.target = std::max(job.target, job.known + 1);
  job.reserve =
      spec.max_tokens > 0 ? std::min(job.prompt + spec.max_tokens, max_model_len_) : max_model_len_;
  job.partition = spec.partition;
  job.compression = spec.compression;
  job.lossy = spec.lossy;
  if (job.compression != nullptr) {
    job.plain = job.path;
    paths_.add_reference(job.plain);
  }
  job.chain = pool_->open_chain(job.path, job.partition);
  if (static_cast<std::size_t>(job.chain) >= job_of_chain_.size()) {
    job_of_chain_.resize(static_cast<std::size_t>(job.chain) + 1, kNoJob);
  }
  job_of_chain_[job.chain] = id;
  job.state = State::kWaiting;
  if (fair()) for_each_running([&](JobId running) { charge_answer(running); });
  waiting_.push_last(id, job.key);
  return id;
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
  return job.state == State::kDecode ? computed_of(id) + 1 : job.known;
}

std::int64_t Scheduler::produced(JobId id) const { return known_tokens(id) - jobs_[id].prompt; }

// ---- decoding, and what it leaves in the cache ----

void Scheduler::join_group(JobId id) {
  Job& job = jobs_[id];
  job.state = State::kDecode;
  group_.add(id, job.computed, job.target - (job.computed + 1), job.sequence);
}

std::int64_t Scheduler::blocks_of(JobId id) const {
  return jobs_[id].state == State::kDecode && !limited() ? blocks_for(computed_of(id))
                                                         : jobs_[id].blocks;
}

std::int64_t Scheduler::full_blocks(ChainId chain) const {
  std::int64_t computed = computed_of(job_of_chain_[chain]);
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
  for (std::size_t i = 0; i < eager_.size(); ++i) {  // settling one may make others eager
    const Job& job = jobs_[eager_[i]];
    if (job.state == State::kDecode) pool_->settle(job.chain, now);
  }
}

// ---- one step ----

bool Scheduler::plan(TimePoint now) {
  SCSIM_CHECK(!planned_);
  step_.clear();
  bool any = plan_all(now);
  // If others wait, nothing runs and blocks are held by those who wait as well, some must go.
  while (!any && step_.preempted.empty() && waiting_.size() > 0 && abandon_load(now))
    any = plan_all(now);
  if (!step_.preempted.empty()) watch_preemptions();
  if (!any) return false;
  planned_ = true;
  ++executed_;
  if (knobs_.prefill_interval > 1 && prefill_scheduled_) last_prefill_ = executed_;
  plan_repeats();
  return true;
}

bool Scheduler::plan_all(TimePoint now) {
  group_in_flight_ = false;
  together_ = true;
  prefill_scheduled_ = false;
  const std::int64_t interval = knobs_.prefill_interval;
  deferring_ =
      interval > 1 && !bound_ && executed_ + 1 - last_prefill_ < interval && group_.size() > 0;
  threshold_ = num_running_ + waiting_.size() > 1 ? knobs_.long_prefill_threshold : 0;
  std::int64_t budget = knobs_.max_batched_tokens;

  const bool mixed = knobs_.batching == EngineKnobs::Batching::kMixed;
  if (!plan_running_together(budget, true, mixed, now)) {
    plan_running_one_by_one(budget, true, mixed, now);
  }
  if (step_.preempted.empty()) plan_waiting(budget, now);
  if (!mixed && step_.prefills.empty() && group_.size() > 0 &&
      !plan_running_together(budget, false, true, now)) {
    plan_running_one_by_one(budget, false, true, now);
  }
  return !step_.empty();
}

std::int64_t Scheduler::wanted(const Job& job) const {
  std::int64_t tokens = job.known - job.computed;
  if (threshold_ > 0) tokens = std::min(tokens, threshold_);
  return std::max<std::int64_t>(std::min(tokens, max_model_len_ - job.computed - 1), 0);
}

bool Scheduler::plan_running_together(std::int64_t& budget, bool prefill, bool decode,
                                      TimePoint now) {
  const std::int64_t members = decode ? group_.size() : 0;
  if (members > budget) return false;
  // Who registers the same tokens first decides which copy is found: keep the order of admission.
  if (decode && !eager_.empty() && !prefilling_.empty()) return false;
  std::int64_t left = budget - members;
  std::int64_t blocks = members > 0 ? group_.blocks_needed(1) : 0;
  if (prefill && !deferring_) {
    for (const JobId id : prefilling_) {
      const Job& job = jobs_[id];
      const std::int64_t tokens = std::min(wanted(job), left);
      // Budget goes by the order of admission: if it runs out before the last of them, those behind
      // go short.
      if (tokens < wanted(job) && id != last_running_) return false;
      left -= tokens;
      // What was loaded in part has the blocks of its whole prompt from the beginning.
      blocks += std::max<std::int64_t>(prefill_blocks(job, job.computed + tokens) - job.blocks, 0);
    }
  }
  if (!limited() && blocks > pool_->free_blocks()) return false;

  if (members > 0) {
    step_.decodes = members;
    step_.decode_context = group_.context();
    step_.windowed_context = group_.windowed_context();
    take(group_.blocks_needed(1), now);
    linear_ = group_.linear_steps();
    group_.advance(1);
    group_in_flight_ = true;
    budget -= members;
    if (knobs_.visible == EngineKnobs::Visible::kScheduled) settle_eager(now);
  }
  if (prefill && !deferring_) {
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
  } else if (prefill) {
    step_.idle.insert(step_.idle.end(), prefilling_.begin(), prefilling_.end());
  }
  return true;
}

// The flow has had what the job has answered since it was last asked.
void Scheduler::charge_answer(JobId id) {
  Job& job = jobs_[id];
  const std::int64_t answered = produced(id);
  waiting_.serve(job.key, WaitingQueue::kGeneratedWeight *
                              static_cast<double>(answered - std::exchange(job.charged, answered)));
}

void Scheduler::plan_waiting(std::int64_t& budget, TimePoint now) {
  if (fair() && waiting_.size() > 0)
    for_each_running([&](JobId running) { charge_answer(running); });
  if (limited()) {  // in turn, but a tenant's requests wait for its own limits alone
    std::vector<char> waits(committed_.size());
    for (JobId id = waiting_.first(), next = kNoJob;
         id != kNoJob && budget > 0 && num_running_ < knobs_.max_sequences; id = next) {
      next = waiting_.next(id);
      char& wait = waits[jobs_[id].partition];
      if (!wait) wait = admit(id, budget, now) ? 0 : 1;
    }
  } else {
    while (budget > 0 && waiting_.size() > 0 && num_running_ < knobs_.max_sequences) {
      if (!admit(waiting_.first(), budget, now)) break;
    }
  }
  if (!deferring_) bound_ = waiting_.size() > 0;
}

bool Scheduler::admit(JobId id, std::int64_t& budget, TimePoint now) {
  Job& job = jobs_[id];
  if (limited() && !job.holding && !within_limits(job)) return false;
  const bool swapped = job.swapped_tokens > 0;
  const bool holding = job.holding;
  match_.clear();
  if (job.compression != nullptr) {
    adopt(id, now);
  } else if (knobs_.prefix_caching && !swapped && !holding) {
    pool_->find(job.path, (job.known - 1) / knobs_.block_tokens, now, match_);
  }
  const std::int64_t found = swapped   ? job.swapped_tokens
                             : holding ? job.computed
                                       : match_.blocks * knobs_.block_tokens;
  const bool blocking = source_ != nullptr && knobs_.loads == EngineKnobs::Loads::kBlocking;
  std::int64_t cached = found;  // once what blocks the engine has been loaded
  if (deferring_ && found < job.known - 1) return false;
  const bool asks = source_ != nullptr && found < job.known - 1;
  if ((asks || job.arriving) && !swapped && !holding) {
    // Loaded or not, it needs the same blocks: no need to ask.
    if (knobs_.reserve_full_prompt && !limited() &&
        need(job.known) + spare_blocks() > pool_->free_blocks())
      return false;
    const std::int64_t upto =
        job.arriving ? job.known - 1 : source_->loadable(id, found, job.known - 1, now);
    if (blocking && !job.arriving) {
      cached = std::max(upto / knobs_.block_tokens * knobs_.block_tokens, found);
    } else if (upto > found || job.arriving) {
      if (!limited() &&
          (!prompt_fits(job) || need(job.known) + spare_blocks() > pool_->free_blocks()))
        return false;
      begin_load(id, found, upto, now);
      return true;
    }
  }
  std::int64_t tokens = job.known - cached;
  if (threshold_ > 0) tokens = std::min(tokens, threshold_);
  if (!knobs_.chunked_prefill && tokens > budget && !step_.empty()) return false;
  tokens = knobs_.chunked_prefill ? std::min(tokens, budget) : tokens;

  if (!holding && !limited()) {  // else it has the blocks of its prompt, or is sure of them
    const std::int64_t spare = spare_blocks(), free = pool_->free_blocks();
    if (knobs_.reserve_full_prompt && need(job, job.known) + spare > free) return false;
    if (need(job, cached + tokens) + spare > free) return false;
    if (!prompt_fits(job)) return false;
  }

  waiting_.remove(id);
  append_running(id);
  if (holding) {
    job.holding = false;
    std::erase(holding_, id);
    reserve_blocks_ -= blocks_for(job.reserve);  // counted since its load began
  } else {
    job.found = found;
    job.found_lossy = match_.lossy_blocks * knobs_.block_tokens;
    pool_->hold(job.chain, match_, now);
    job.blocks = match_.blocks;
    if (limited()) reserve(job, now);
    held_blocks_ += job.blocks;
  }
  job.computed = cached;
  if (blocking && !swapped) load_now(id, found, now);
  if (swapped) {
    step_.swapped_in += found;
    job.swapped_tokens = 0;
  }
  if (fair() && !job.preempted) waiting_.serve(job.key, static_cast<double>(job.known - cached));
  prefill_scheduled_ = prefill_scheduled_ || cached < job.known - 1;
  const std::int64_t stood_for = job.shift;  // of what was found, if that is a compressed cache
  if (job.found_lossy > 0) job.found_lossy += stood_for;
  step_.admitted.push_back({id, job.found + stood_for, job.found_lossy, cached - job.found,
                            job.preempted,
                            std::max<std::int64_t>(job.lost - cached - stood_for, 0)});
  job.lost = 0;
  job.preempted = false;
  job.state = State::kPrefill;
  prefilling_.push_back(id);
  schedule_prefill(id, tokens, now);
  budget -= tokens;
  return true;
}

// Blocks that the job at hand takes from the free ones to hold `tokens`: those found that nobody
// holds are free now and will not be.
std::int64_t Scheduler::need(std::int64_t tokens) const {
  return std::max<std::int64_t>(blocks_for(std::min(tokens, max_model_len_)) - match_.blocks, 0) +
         match_.free_blocks;
}

std::int64_t Scheduler::need(const Job& job, std::int64_t tokens) const {
  if (job.compression == nullptr) return need(tokens);
  return std::max<std::int64_t>(prefill_blocks(job, tokens) - match_.blocks, 0) +
         match_.free_blocks;
}

std::int64_t Scheduler::spare_blocks() const {
  if (num_running_ == 0) return 0;
  return static_cast<std::int64_t>(knobs_.watermark * static_cast<double>(pool_->num_blocks() + 1));
}

// Whether its prompt fits beside what is reserved for the answers of all.
bool Scheduler::prompt_fits(const Job& job) const {
  if (knobs_.reserve_output == 0) return true;
  if (num_running_ + num_loading_ == 0 && holding_.empty()) return true;
  const double later =
      knobs_.reserve_output * static_cast<double>(blocks_for(job.reserve) - blocks_for(job.known));
  return static_cast<double>(need(job, job.known)) + later + reserved_blocks() <=
         static_cast<double>(pool_->free_blocks());
}

// ---- blocks and prefills ----

void Scheduler::take(std::int64_t blocks, TimePoint now) {
  if (limited()) return;  // taken at admission
  pool_->take(blocks, now);
  held_blocks_ += blocks;
}

void Scheduler::schedule_prefill(JobId id, std::int64_t fresh, TimePoint now) {
  Job& job = jobs_[id];
  const std::int64_t cached = job.computed;
  job.computed += fresh;
  const std::int64_t blocks = prefill_blocks(job, job.computed);
  if (blocks > job.blocks && !limited()) {
    take(blocks - job.blocks, now);
    job.blocks = blocks;
  }
  if (knobs_.visible == EngineKnobs::Visible::kScheduled) register_computed(job, now);
  const bool last = job.computed == job.known;
  step_.prefills.push_back({id, cached, fresh, last, last && will_compress(job) ? job.computed : 0,
                            last && fresh == 1 && job.answered});
}

void Scheduler::register_computed(const Job& job, TimePoint now, bool lossy) {
  if (!knobs_.prefix_caching || (will_compress(job) && job.state == State::kPrefill)) return;
  const std::int64_t most =
      knobs_.cache_outputs ? job.computed : std::min(job.computed, job.prompt);
  const std::int64_t full = most / knobs_.block_tokens;
  if (full > pool_->registered(job.chain))
    pool_->register_blocks(job.chain, full, now, lossy || job.lossy);
}

double Scheduler::reserved_blocks() const {
  double blocks = knobs_.reserve_output * static_cast<double>(reserve_blocks_ - held_blocks_);
  for (const JobId id : prefilling_) {  // the rest of their prompts is sure to come
    const Job& job = jobs_[id];
    blocks += (1 - knobs_.reserve_output) * static_cast<double>(blocks_for(job.known) - job.blocks);
  }
  return std::max(blocks, 0.0);
}

void Scheduler::release(JobId id, std::int64_t blocks, TimePoint now) {
  Job& job = jobs_[id];
  pool_->release(job.chain, blocks, now);
  if (limited()) committed_[job.partition] -= reserved_blocks_of(job);
  held_blocks_ -= blocks;
  if (job.eager) {
    job.eager = false;
    std::erase(eager_, id);
  }
}

void Scheduler::plan_repeats() {
  repeats_ = 1;
  const bool quiet = together_ && group_in_flight_ && step_.prefills.empty() && eager_.empty() &&
                     (prefilling_.empty() || deferring_);
  if (!quiet) return;
  if (knobs_.prefill_interval > 1 && (waiting_.size() > 0 || !prefilling_.empty())) return;
  const std::int64_t most = std::min(group_.steps_to_end() + 1, linear_);
  repeats_ = limited() ? most : 1 + group_.steps_within(pool_->free_blocks(), most - 1);
}

void Scheduler::complete(std::int64_t steps, TimePoint now, Listener& listener) {
  SCSIM_CHECK(planned_);
  SCSIM_CHECK_GE(steps, 1);
  SCSIM_CHECK_LE(steps, repeats_);
  planned_ = false;
  if (steps > 1) {
    take(group_.blocks_needed(steps - 1), now);
    group_.advance(steps - 1);
    executed_ += steps - 1;
  }
  const bool group_advanced = std::exchange(group_in_flight_, false);
  if (step_.decodes > 0) progressed();

  ending_.clear();
  if (group_advanced) group_.ended(ending_);
  if (knobs_.visible == EngineKnobs::Visible::kComputed) settle_eager(now);
  const std::size_t decoding = ending_.size();
  for (const Step::Prefill& prefill : step_.prefills) {
    Job& job = jobs_[prefill.job];
    if (knobs_.visible == EngineKnobs::Visible::kComputed) register_computed(job, now);
    if (!prefill.last) continue;
    progressed();
    if (prefill.compressed > 0) compress(prefill.job, now);
    ++job.known;
    std::erase(prefilling_, prefill.job);
    listener.first_token(prefill.job);
    if (job.hand_over) {
      set_aside(prefill.job, now);
    } else if (job.known >= job.target) {
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
  if (fair()) charge_answer(id);
  if (job.state == State::kAside) {
    --num_aside_;
    held_blocks_ += job.blocks;
    release(id, job.blocks, now);
  } else if (job.state == State::kWaiting || job.state == State::kLoading) {
    if (job.state == State::kWaiting) waiting_.remove(id);
    if (job.state == State::kLoading || job.holding) release_loaded(id, now);
  } else {
    if (job.state == State::kDecode) {
      job.computed = group_.remove(id);
      if (!limited()) job.blocks = blocks_for(job.computed);
    } else {
      std::erase(prefilling_, id);
    }
    if (knobs_.visible == EngineKnobs::Visible::kFinished) register_computed(job, now);
    release(id, job.blocks, now);
    remove_running(id);
  }
  pool_->close_chain(job.chain);
  if (job.plain != kNoPath) paths_.drop_reference(job.plain);
  job.state = State::kFree;
  unused_.push_back(id);
}

void Scheduler::cancel(JobId id, TimePoint now) {
  SCSIM_CHECK(!planned_);
  progressed();
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
