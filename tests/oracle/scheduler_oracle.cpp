#include "tests/oracle/scheduler_oracle.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "traces/check.h"

namespace scsim::oracle {

using sim::EngineKnobs;

SchedulerOracle::SchedulerOracle(const EngineKnobs& knobs, std::int64_t num_blocks,
                                 std::int64_t max_model_len, Loadable loadable)
    : knobs_(knobs),
      num_blocks_(num_blocks),
      max_model_len_(max_model_len),
      pool_(static_cast<std::size_t>(num_blocks), static_cast<std::size_t>(knobs.block_tokens),
            knobs.share_duplicates),
      loadable_(std::move(loadable)),
      last_prefill_(-knobs.prefill_interval) {}

std::int64_t SchedulerOracle::blocks_for(std::int64_t tokens) const {
  return (tokens + knobs_.block_tokens - 1) / knobs_.block_tokens;
}

void SchedulerOracle::add(const Spec& spec) {
  const JobPtr job = std::make_shared<Job>();
  static_cast<Spec&>(*job) = spec;
  job->known = spec.prompt;
  const std::int64_t output =
      spec.max_output > 0 ? std::min(spec.output, spec.max_output) : spec.output;
  job->target = std::min(spec.prompt + output, max_model_len_);
  job->reserve = spec.max_output > 0 ? std::min(spec.prompt + spec.max_output, max_model_len_)
                                     : max_model_len_;
  push_waiting(job, false);
}

void SchedulerOracle::cancel(std::uint64_t tag) {
  const auto it = [&](const JobPtr& job) { return job->tag == tag; };
  for (const JobPtr& job : running_)
    if (it(job)) release(*job);
  for (const std::vector<JobPtr>* jobs : {&loading_, &holding_})
    for (const JobPtr& job : *jobs)
      if (it(job)) pool_.release(job->written);
  waiting_.remove_if(it);
  std::erase_if(running_, it);
  std::erase_if(loading_, it);
  std::erase_if(holding_, it);
}

void SchedulerOracle::loaded(std::uint64_t tag, std::int64_t tokens, bool lossy) {
  const auto place = std::ranges::find_if(loading_, [&](const JobPtr& j) { return j->tag == tag; });
  const JobPtr job = *place;
  loading_.erase(place);
  holding_.push_back(job);
  job->holding = true;
  job->computed = tokens;
  register_blocks(*job, tokens, lossy);
  push_waiting(job, true);
}

// The last loaded of those that wait gives its blocks back.
bool SchedulerOracle::abandon(Step& step) {
  if (holding_.empty()) return false;
  Job& job = *holding_.back();
  pool_.release(job.written);
  job.computed = 0;
  job.holding = false;
  step.abandoned.push_back(job.tag);
  holding_.pop_back();
  return true;
}

void SchedulerOracle::push_waiting(const JobPtr& job, bool first) {
  if (knobs_.order == EngineKnobs::Order::kFirstCome) {
    waiting_.insert(first ? waiting_.begin() : waiting_.end(), job);
    return;
  }
  const auto key = [](const JobPtr& j) { return std::tuple(j->priority, j->arrival, j->tag); };
  waiting_.insert(
      std::ranges::find_if(waiting_, [&](const JobPtr& j) { return key(job) < key(j); }), job);
}

// Makes findable what is computed, as far as the knobs allow it.
void SchedulerOracle::register_blocks(Job& job, std::int64_t computed, bool lossy) {
  if (!knobs_.prefix_caching) return;
  const std::int64_t tokens = knobs_.cache_outputs ? computed : std::min(computed, job.prompt);
  pool_.register_blocks(job.written, static_cast<std::size_t>(tokens / knobs_.block_tokens), lossy);
}

// At the end of a request.
void SchedulerOracle::release(Job& job) {
  if (knobs_.visible == EngineKnobs::Visible::kFinished) register_blocks(job, job.computed);
  pool_.release(job.written);
}

// ---- planning ----

SchedulerOracle::Step SchedulerOracle::plan() {
  Step step;
  budget_ = knobs_.max_batched_tokens;
  threshold_ = running_.size() + waiting_.size() > 1 ? knobs_.long_prefill_threshold : 0;
  prefilled_ = false;
  deferring_ = knobs_.prefill_interval > 1 && !bound_ &&
               executed_ + 1 - last_prefill_ < knobs_.prefill_interval &&
               std::ranges::any_of(running_, [](const JobPtr& job) { return job->decodes; });

  const bool mixed = knobs_.batching == EngineKnobs::Batching::kMixed;
  do {
    if (visit_running(step, true, mixed)) {
      while (admit(step)) {
      }
      if (!deferring_) bound_ = !waiting_.empty();
    }
    if (!mixed && step.computed.empty()) visit_running(step, false, true);
  } while (step.computed.empty() && step.preempted.empty() && !waiting_.empty() && abandon(step));

  if (!step.computed.empty()) {
    ++executed_;
    if (prefilled_) last_prefill_ = executed_;
  }
  return step;
}

// Gives tokens to running requests in the order of admission, preempting until the one at hand
// fits. False if anybody was preempted.
bool SchedulerOracle::visit_running(Step& step, bool prefill, bool decode) {
  for (std::size_t i = 0; i < running_.size() && budget_ > 0; ++i) {
    const JobPtr job = running_[i];
    if (!(job->decodes ? decode : prefill) || (deferring_ && !job->decodes)) continue;
    std::int64_t tokens = job->known - job->computed;
    if (threshold_ > 0) tokens = std::min(tokens, threshold_);
    tokens = std::min({tokens, budget_, max_model_len_ - job->computed - 1});
    if (tokens <= 0) continue;

    bool alive = true;
    while (alive && blocks_for(job->computed + tokens) - held(*job) > free_blocks()) {
      if (running_.size() == 1 && abandon(step)) continue;
      std::size_t lost = running_.size() - 1;
      if (knobs_.order == EngineKnobs::Order::kPriority) {
        const auto key = [](const JobPtr& j) { return std::pair(j->priority, j->arrival); };
        lost = static_cast<std::size_t>(std::ranges::max_element(running_, {}, key) -
                                        running_.begin());
      }
      const JobPtr victim = running_[lost];
      const auto entry = std::ranges::find(step.computed, victim->tag, &Computed::tag);
      if (entry != step.computed.end()) {
        budget_ += entry->fresh;
        step.computed.erase(entry);
      }
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(lost));
      if (lost <= i) --i;  // wraps below 0 and back
      preempt(victim, step);
      alive = victim != job;
    }
    if (!alive) {
      if (knobs_.order == EngineKnobs::Order::kPriority) continue;
      break;
    }
    pool_.take(job->written, static_cast<std::size_t>(std::max<std::int64_t>(
                                 blocks_for(job->computed + tokens) - held(*job), 0)));
    if (knobs_.visible == EngineKnobs::Visible::kScheduled)
      register_blocks(*job, job->computed + tokens);
    step.computed.push_back(
        {job->tag, job->computed, tokens, job->decodes, job->computed + tokens == job->known});
    budget_ -= tokens;
    prefilled_ = prefilled_ || !job->decodes;
  }
  return step.preempted.empty();
}

void SchedulerOracle::preempt(const JobPtr& job, Step& step) {
  if (job->decodes && knobs_.preemption == EngineKnobs::Preemption::kSwap) {
    job->swapped = job->computed;
    step.swapped_out += job->computed;
  }
  pool_.release(job->written);
  job->computed = 0;
  job->decodes = false;
  job->preempted = true;
  push_waiting(job, true);
  step.preempted.push_back(job->tag);
}

// Blocks that the request will still take: all of its prompt, and of its answer the share reserved.
double SchedulerOracle::reserved(const Job& job) const {
  const std::int64_t sure = job.decodes ? held(job) : blocks_for(job.known);
  return static_cast<double>(sure - held(job)) +
         knobs_.reserve_output * static_cast<double>(blocks_for(job.reserve) - sure);
}

bool SchedulerOracle::admit(Step& step) {
  if (budget_ <= 0 || waiting_.empty() ||
      static_cast<std::int64_t>(running_.size()) >= knobs_.max_sequences)
    return false;
  const JobPtr job = waiting_.front();
  std::vector<std::size_t> hit;
  if (knobs_.prefix_caching && job->swapped == 0 && !job->holding)
    hit =
        pool_.find(job->written, static_cast<std::size_t>((job->known - 1) / knobs_.block_tokens));
  const std::int64_t found = job->swapped > 0 ? job->swapped
                             : job->holding
                                 ? job->computed
                                 : static_cast<std::int64_t>(hit.size()) * knobs_.block_tokens;
  if (deferring_ && found < job->known - 1) return false;
  std::int64_t tokens = job->known - found;
  if (threshold_ > 0) tokens = std::min(tokens, threshold_);

  const auto need = [&](std::int64_t total) {
    const std::int64_t new_blocks =
        blocks_for(std::min(total, max_model_len_)) - static_cast<std::int64_t>(hit.size());
    return std::max<std::int64_t>(new_blocks, 0) + static_cast<std::int64_t>(pool_.free_among(hit));
  };
  const std::int64_t spare =
      running_.empty()
          ? 0
          : static_cast<std::int64_t>(knobs_.watermark * static_cast<double>(num_blocks_ + 1));
  const auto fits = [&](bool whole_prompt) {
    if (whole_prompt && need(job->known) + spare > free_blocks()) return false;
    if (need(found + tokens) + spare > free_blocks()) return false;
    if (knobs_.reserve_output == 0 || running_.size() + loading_.size() + holding_.size() == 0)
      return true;
    double later = 0;
    for (const auto* others : {&running_, &loading_, &holding_})
      for (const JobPtr& other : *others) later += reserved(*other);
    later = std::max(later, 0.0) +
            knobs_.reserve_output *
                static_cast<double>(blocks_for(job->reserve) - blocks_for(job->known));
    return static_cast<double>(need(job->known)) + later <= static_cast<double>(free_blocks());
  };
  const auto hold = [&] {
    waiting_.pop_front();
    job->found = found;
    job->found_lossy = static_cast<std::int64_t>(pool_.lossy_among(hit)) * knobs_.block_tokens;
    pool_.hold(job->written, hit);
    job->computed = found;
  };

  if (loadable_ && job->swapped == 0 && !job->holding && found < job->known - 1) {
    const std::int64_t upto = loadable_(job->tag, found, job->known - 1);
    if (upto > found) {
      if (!fits(true)) return false;
      hold();
      pool_.take(job->written, static_cast<std::size_t>(blocks_for(job->known) - held(*job)));
      loading_.push_back(job);
      step.loads.push_back({job->tag, found, job->found_lossy, upto});
      return true;
    }
  }

  if (knobs_.chunked_prefill) {
    tokens = std::min(tokens, budget_);
  } else if (tokens > budget_ && !step.computed.empty()) {
    return false;  // alone in a step it may exceed the budget, as it does after a preemption
  }
  if (job->holding) {
    waiting_.pop_front();
    std::erase(holding_, job);
    job->holding = false;
  } else {
    if (!fits(knobs_.reserve_full_prompt)) return false;
    hold();
  }
  running_.push_back(job);
  step.swapped_in += std::exchange(job->swapped, 0);
  step.admitted.push_back(
      {job->tag, job->found, job->preempted, job->found_lossy, found - job->found});
  job->preempted = false;
  pool_.take(job->written, static_cast<std::size_t>(
                               std::max<std::int64_t>(blocks_for(found + tokens) - held(*job), 0)));
  if (knobs_.visible == EngineKnobs::Visible::kScheduled) register_blocks(*job, found + tokens);
  step.computed.push_back({job->tag, found, tokens, false, found + tokens == job->known});
  budget_ -= tokens;
  prefilled_ = prefilled_ || found < job->known - 1;
  return true;
}

// ---- the end of a step ----

SchedulerOracle::Happened SchedulerOracle::complete(const Step& step) {
  const auto job_of = [&](std::uint64_t tag) {
    return *std::ranges::find_if(running_, [&](const JobPtr& job) { return job->tag == tag; });
  };
  for (const Computed& part : step.computed) job_of(part.tag)->computed += part.fresh;
  if (knobs_.visible == EngineKnobs::Visible::kComputed) {
    for (const bool decode : {true, false}) {
      for (const Computed& part : step.computed) {
        if (part.decode != decode) continue;
        const JobPtr job = job_of(part.tag);
        register_blocks(*job, job->computed);
      }
    }
  }
  Happened happened;
  std::vector<JobPtr> finished;
  for (const Computed& part : step.computed) {
    if (!part.samples) continue;
    const JobPtr job = job_of(part.tag);
    ++job->known;
    job->decodes = true;
    if (!part.decode) happened.first_tokens.push_back(part.tag);
    if (job->known >= job->target) finished.push_back(job);
  }
  for (const JobPtr& job : finished) {
    happened.finished.push_back(job->tag);
    release(*job);
    std::erase(running_, job);
  }
  return happened;
}

}  // namespace scsim::oracle
