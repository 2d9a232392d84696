// Steps in which not every running request gets what it wants: for want of token budget or of
// blocks.
//
// They are decided member by member in the order of admission, as vLLM's loop over its running
// requests does it, preempting until the one at hand fits; the decode group is dissolved for the
// step and formed anew behind it. Cost: the running requests, at steps where memory or budget run
// out.
#include <algorithm>
#include <utility>

#include "sim/scheduler.h"

namespace scsim::sim {

void Scheduler::plan_running_one_by_one(std::int64_t& budget, bool prefill, bool decode,
                                        TimePoint now) {
  together_ = false;
  for (JobId id = first_running_; id != kNoJob; id = jobs_[id].next) {
    if (jobs_[id].state != State::kDecode) continue;
    jobs_[id].computed = group_.computed(id);
    // While the step is in flight, what it computes cannot be told from what the last one did.
    if (answers_are_cached()) pool_->settle(jobs_[id].chain, now);
  }
  group_.clear();
  grouped_ = false;
  group_in_flight_ = decode;
  std::vector<std::pair<JobId, std::int64_t>> scheduled;
  JobId next = kNoJob;
  JobId id = first_running_;
  for (; id != kNoJob; id = next) {
    next = jobs_[id].next;
    const bool decoding = jobs_[id].state == State::kDecode;
    if (!(decoding ? decode : prefill)) continue;
    std::int64_t tokens = 0;
    if (budget > 0 && !(deferring_ && !decoding)) {
      tokens = std::min(decoding ? 1 : wanted(jobs_[id]), budget);
    }
    if (tokens == 0) {
      step_.idle.push_back(id);
      continue;
    }
    bool alive = true;
    const auto blocks_wanted = [&] {
      const Job& job = jobs_[id];
      return decoding ? blocks_for(job.computed + tokens) - blocks_of(id)
                      : prefill_blocks(job, job.computed + tokens) - job.blocks;
    };
    while (blocks_wanted() > pool_->free_blocks()) {
      if (num_running_ == 1 && abandon_load(now)) continue;
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
      if (waiting_.by_key()) continue;
      break;  // first come, or fair: it was the last one
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

  // Form the group anew: those who took this step, and behind it those who did not.
  for (const auto& [member, tokens] : scheduled) {
    const Job& job = jobs_[member];
    if (job.state == State::kDecode) {
      group_.add(member, job.computed - 1, job.target - job.computed, job.sequence);
    }
  }
  if (group_.size() > 0) group_.advance(1);
  if (decode) {
    for (const JobId member : step_.idle) {
      if (jobs_[member].state == State::kDecode) join_group(member);
    }
  } else {
    for (JobId member = first_running_; member != kNoJob; member = jobs_[member].next) {
      if (jobs_[member].state == State::kDecode) join_group(member);
    }
  }
  grouped_ = true;
}

// What was scheduled earlier in this very step loses its memory to another.
void Scheduler::withdraw(JobId id, std::int64_t tokens) {
  Job& job = jobs_[id];
  if (job.state != State::kDecode) {
    std::erase_if(step_.prefills, [&](const Step::Prefill& prefill) { return prefill.job == id; });
    job.computed -= tokens;
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

JobId Scheduler::victim() const {
  if (!waiting_.by_key()) return last_running_;
  JobId worst = first_running_;
  for (JobId id = first_running_; id != kNoJob; id = jobs_[id].next) {
    const auto key = [&](JobId j) {
      return std::pair(jobs_[j].key.priority, jobs_[j].key.arrival);
    };
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
  const std::int64_t blocks = blocks_of(id);
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
  job.answered = false;
  job.lost = computed + job.shift;
  expand(id);
  job.computed = job.blocks = 0;
  job.state = State::kWaiting;
  waiting_.push_first(id, job.key);
  step_.preempted.push_back(id);
}

}  // namespace scsim::sim
