// KV that comes from elsewhere (tiers of the store, another engine), and KV that is kept for
// another engine to read.
#include <algorithm>

#include "sim/scheduler.h"

namespace scsim::sim {

// Takes all blocks that the job may come to need.
void Scheduler::reserve(Job& job, TimePoint now) {
  committed_[job.partition] += reserved_blocks_of(job);
  const std::int64_t more = std::max<std::int64_t>(reserved_blocks_of(job) - job.blocks, 0);
  SCSIM_CHECK_LE(more, pool_->free_blocks(job.partition));
  pool_->take(more, now, job.partition);
  job.blocks += more;
}

void Scheduler::begin_load(JobId id, std::int64_t found, std::int64_t upto, TimePoint now) {
  Job& job = jobs_[id];
  SCSIM_CHECK_LT(upto, job.known);
  waiting_.remove(id);
  job.found = found;
  job.found_lossy = match_.lossy_blocks * knobs_.block_tokens;
  pool_->hold(job.chain, match_, now);
  job.blocks = match_.blocks;
  if (limited()) {
    reserve(job, now);
    held_blocks_ += job.blocks;
  } else {
    held_blocks_ += job.blocks;
    take(blocks_for(job.known) - job.blocks, now);
    job.blocks = blocks_for(job.known);
  }
  reserve_blocks_ += blocks_for(job.reserve);
  job.computed = found;
  job.state = State::kLoading;
  ++num_loading_;
  step_.loads.push_back({id, found, job.found_lossy, upto, job.preempted, job.arriving});
  job.arriving = false;
}

// What is loaded comes before anything leaves to make room for it.
void Scheduler::load_now(JobId id, std::int64_t found, TimePoint now) {
  Job& job = jobs_[id];
  const bool lossy = source_->load(id, found, job.computed, now);
  const std::int64_t blocks = blocks_for(job.computed);
  if (blocks > job.blocks && !limited()) {
    take(blocks - job.blocks, now);
    job.blocks = blocks;
  }
  if (job.computed > found) register_computed(job, now, lossy);
}

void Scheduler::loaded(JobId id, std::int64_t tokens, bool lossy, TimePoint now) {
  SCSIM_CHECK(!planned_);
  progressed();
  Job& job = jobs_[id];
  SCSIM_CHECK(job.state == State::kLoading);
  SCSIM_CHECK_GE(tokens, job.found);
  SCSIM_CHECK_LT(tokens, job.known);
  job.computed = tokens;
  register_computed(job, now, lossy);
  --num_loading_;
  job.state = State::kWaiting;
  job.holding = true;
  holding_.push_back(id);
  waiting_.push_first(id, job.key);
}

// The last loaded of those that wait gives its blocks back; false if there is none.
bool Scheduler::abandon_load(TimePoint now) {
  if (holding_.empty()) return false;
  const JobId id = holding_.back();
  release_loaded(id, now);
  jobs_[id].computed = 0;
  step_.abandoned.push_back(id);
  return true;
}

void Scheduler::release_loaded(JobId id, TimePoint now) {
  Job& job = jobs_[id];
  if (job.state == State::kLoading) {
    --num_loading_;
  } else {
    std::erase(holding_, id);
  }
  release(id, job.blocks, now);
  reserve_blocks_ -= blocks_for(job.reserve);
  job.holding = false;
  job.blocks = 0;
}

// What it has computed stays in its blocks, for another engine to read.
void Scheduler::set_aside(JobId id, TimePoint now) {
  Job& job = jobs_[id];
  if (knobs_.visible == EngineKnobs::Visible::kFinished) register_computed(job, now);
  remove_running(id);
  job.state = State::kAside;
  held_blocks_ -= job.blocks;  // those will take no others
  ++num_aside_;
}

std::int64_t Scheduler::cached_tokens(const JobSpec& spec) {
  if (!knobs_.prefix_caching) return 0;
  const PathId path = paths_.make(spec.prompt, spec.output, spec.output_tokens, spec.salt);
  const std::int64_t prompt = paths_.tokens(path) - spec.output_tokens;
  const std::int64_t blocks = pool_->peek(path, (prompt - 1) / knobs_.block_tokens);
  paths_.drop_reference(path);
  return blocks * knobs_.block_tokens;
}

}  // namespace scsim::sim
