// Requests that preempt each other for ever.
//
// Where whole prompts are not reserved, two requests of one priority that arrived together can take
// turns at losing their blocks to each other, in vLLM too. No count of preemptions tells such runs
// from those that end: where prompts are long and chunks small, hundreds of steps in a row preempt
// before anybody gets a token. But a scheduler decides from its own state alone, so if the same
// state comes again while nobody has come, gone or got a token, it will come for ever.
//
// States are compared from the kPatience-th such step on (of 800,000 random schedules that end none
// has that many preemptions in a row): each with one that is kept, and kept anew whenever their
// number has doubled, so a cycle is found within about three times its length (Brent). A source of
// KV may answer otherwise the next time; with one the state must come again kRepeats times.
#include "sim/scheduler.h"
#include "traces/hash.h"

namespace scsim::sim {
namespace {

constexpr std::int64_t kPatience = 100;
constexpr std::int64_t kRepeats = 1000;

}  // namespace

void Scheduler::watch_preemptions() {
  for (const JobId id : step_.preempted) {
    if (id != vain_.last) vain_.before = std::exchange(vain_.last, id);
  }
  if (++vain_.steps < kPatience || num_loading_ > 0 || vain_.before == kNoJob) return;
  const std::uint64_t jobs = fingerprint();
  if (vain_.kept > 0 && jobs == vain_.jobs && pool_->fingerprint() == vain_.pool) {
    ++vain_.repeats;
  } else if (vain_.steps >= 2 * vain_.kept) {
    vain_.kept = vain_.steps;
    vain_.jobs = jobs;
    vain_.pool = pool_->fingerprint();
  }
}

std::optional<std::pair<JobId, JobId>> Scheduler::endless() const {
  if (vain_.repeats < (source_ == nullptr ? 1 : kRepeats)) return std::nullopt;
  return std::pair(vain_.before, vain_.last);
}

// What the jobs decide by, the step just planned included.
std::uint64_t Scheduler::fingerprint() const {
  std::uint64_t hash = 0;
  const auto add = [&hash](auto... values) {
    ((hash = scramble(hash + 0x9E3779B97F4A7C15u) ^ static_cast<std::uint64_t>(values)), ...);
  };
  for_each_running([&](JobId id) {
    add(id, jobs_[id].state, jobs_[id].eager, computed_of(id), known_tokens(id), blocks_of(id));
  });
  for (JobId id = waiting_.first(); id != kNoJob; id = waiting_.next(id)) {
    const Job& job = jobs_[id];
    add(id, job.state, job.holding, job.known, job.computed, job.blocks, job.swapped_tokens);
  }
  for (const JobId id : holding_) add(id);
  for (const Step::Prefill& prefill : step_.prefills) add(prefill.job, prefill.cached);
  add(step_.decodes, group_in_flight_, bound_,
      std::min(executed_ - last_prefill_, knobs_.prefill_interval));
  return scramble(hash);
}

}  // namespace scsim::sim
