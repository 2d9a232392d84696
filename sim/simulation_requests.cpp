// What becomes of a request after its submission: its phases, and what it spent them on.
#include <algorithm>

#include "sim/simulation_state.h"

namespace scsim::sim {

// Divides the time since the phase began by what it was spent on (INV-LEDGER).
void Simulation::close_phase(Active& active) {
  RequestResult& result = results_[active.result];
  const auto at = [](Stage stage) { return static_cast<std::size_t>(stage); };
  if (active.phase == Active::Phase::kQueue) {
    result.stage_ns[at(Stage::kQueue)] += (queue_.now() - active.since).ns();
    return;
  }
  if (active.phase == Active::Phase::kLoad) {
    result.stage_ns[at(Stage::kRetrieval)] += (queue_.now() - active.since).ns();
    return;
  }
  if (active.phase == Active::Phase::kHandover) {
    const std::int64_t waited = (queue_.now() - active.since).ns();
    result.stage_ns[at(Stage::kRetrieval)] += waited;
    transfers_[active.result].wait_ns += waited;
    return;
  }
  const PerStage<std::int64_t>& ledger = engines_[active.engine]->ledger();
  for (std::size_t s = 0; s < kNumStages; ++s) {
    const std::int64_t spent = ledger[s] - active.ledger[s];
    // A prefill waits for its steps whatever else rides in them.
    const bool kept = active.phase == Active::Phase::kDecode || s == at(Stage::kOther) ||
                      s == at(Stage::kRetrieval) || s == at(Stage::kCompression);
    result.stage_ns[kept ? s : at(Stage::kGeneration)] += spent;
  }
}

void Simulation::open_phase(Active& active, Active::Phase phase) {
  active.phase = phase;
  active.since = queue_.now();
  if (phase == Active::Phase::kPrefill || phase == Active::Phase::kDecode)
    active.ledger = engines_[active.engine]->ledger();
}

void Simulation::admitted(std::uint64_t tag, const Step::Admitted& how) {
  const auto slot = static_cast<std::uint32_t>(tag);
  Active& active = active_[slot];
  RequestResult& result = results_[active.result];
  close_phase(active);
  // Whose prompt and first token came from elsewhere goes on to decode.
  const bool came = (tag & kAtPrefill) == 0 && !transfers_.empty() &&
                    transfers_[active.result].prefill_engine >= 0;
  const bool decodes = came && how.found + how.loaded == result.prompt_tokens;
  open_phase(active, decodes ? Active::Phase::kDecode : Active::Phase::kPrefill);
  if (!how.resumed && !came) {
    result.scheduled = queue_.now();
    result.found_tokens = how.found;
    if (store_ == nullptr && how.found_lossy > 0) {
      fetches_.resize(results_.size());
      fetch_of(slot).found_lossy_tokens = how.found_lossy;
    }
    if (store_ != nullptr) {
      FetchResult& fetch = fetch_of(slot);
      fetch.found_lossy_tokens = how.found_lossy;
      // Where loads block, the store was asked when the step was decided.
      if (how.loaded == 0 &&
          engines_[active.engine]->settings().knobs.loads == EngineKnobs::Loads::kOverlapped) {
        fetch = FetchResult{.found_lossy_tokens = how.found_lossy, .wait_ns = fetch.wait_ns};
        store_->asked(active.engine, engines_[active.engine]->scheduler().path(active.job),
                      result.prompt_tokens, how.found, use_of(slot));
      }
    }
  }
  result.recomputed_tokens += how.lost;
}

void Simulation::preempted(std::uint64_t tag) {
  Active& active = active_[static_cast<std::uint32_t>(tag)];
  close_phase(active);
  open_phase(active, Active::Phase::kQueue);
  ++results_[active.result].preemptions;
}

void Simulation::loading(std::uint64_t tag, const Step::Load& load) {
  const auto slot = static_cast<std::uint32_t>(tag);
  if (load.arriving) return made_room(slot, load);
  Active& active = active_[slot];
  close_phase(active);
  open_phase(active, Active::Phase::kLoad);
  const Scheduler& scheduler = engines_[active.engine]->scheduler();
  const PathId path = scheduler.path(active.job);
  const std::int64_t known = scheduler.known_tokens(active.job);
  if (!load.resumed) store_->asked(active.engine, path, known, load.found, use_of(slot));
  store_->begin_load(active.engine, path, load.found, known - 1,
                     slot | std::uint64_t{active.generation} << 32, use_of(slot));
}

void Simulation::first_token(std::uint64_t tag) {
  if ((tag & kAtPrefill) != 0) return computed_prompt(static_cast<std::uint32_t>(tag));
  Active& active = active_[tag];
  RequestResult& result = results_[active.result];
  close_phase(active);
  open_phase(active, Active::Phase::kDecode);
  if (store_ != nullptr)
    store_->computed(active.engine, engines_[active.engine]->scheduler().path(active.job), 0,
                     result.prompt_tokens, use_of(tag));
  first_answer(active);
}

// The client has its first token, if it had none before.
void Simulation::first_answer(const Active& active) {
  RequestResult& result = results_[active.result];
  if (result.output_tokens > 0) return;
  result.output_tokens = 1;
  result.first_token = queue_.now();
  if (scaling_ != nullptr) count_first_token(active);
  if (!frontend_.listens()) return;
  const AnsweredRequest answered{
      TenantId(result.tenant),       SessionId(result.session),
      static_cast<int>(result.turn), 0,
      result.prompt_tokens,          (queue_.now() - result.arrival).seconds().value()};
  frontend_.answered(static_cast<std::uint32_t>(result.engine), answered);
  if (active.result < transfers_.size() && transfers_[active.result].prefill_engine >= 0)
    frontend_.answered(static_cast<std::uint32_t>(transfers_[active.result].prefill_engine),
                       answered);
}

void Simulation::finished(std::uint64_t tag, std::int64_t produced) {
  const Active& active = active_[tag];
  if (prefetch_) {
    const RequestResult& result = results_[active.result];
    const PathId path = engines_[active.engine]->scheduler().path(active.job);
    const auto due = prefetch_->ended(
        result.session, {active.engine, path, result.prompt_tokens + produced - 1, result.tenant},
        queue_.now());
    if (due)
      queue_.schedule_at(std::max(*due, queue_.now()), Phase::kDispatch, Prefetch{result.session});
  }
  if (store_ != nullptr && cluster_.store.answers) {  // the last token's KV was not computed
    const std::int64_t prompt = results_[active.result].prompt_tokens;
    store_->computed(active.engine, engines_[active.engine]->scheduler().path(active.job), prompt,
                     prompt + produced - 1, use_of(tag));
  }
  end_request(static_cast<std::uint32_t>(tag), Outcome::kFinished, produced);
}

Expected<void> Simulation::handle(const Deadline& event) {
  Active& active = active_[event.active];
  if (active.generation != event.generation) return {};
  if (active.retrying) end_request(event.active, active.fate, 0);
  if (active.job == kNoJob) return {};
  active.doomed = true;
  doom(event.active);
  return {};
}

// Gives the request up as soon as the engine it is at is between steps.
void Simulation::doom(std::uint32_t slot) {
  const std::uint32_t place = active_[slot].engine;
  if (!engines_[place]->in_step()) {
    give_up(slot);
    changed(place);
    return;
  }
  doomed_[place].push_back(slot);
  if (const auto end = engines_[place]->cut(queue_.now())) plan_changed(place, *end);
}

// Ends a request before it has finished. REQUIRES: its engine is between steps.
void Simulation::give_up(std::uint32_t slot) {
  const Active& active = active_[slot];
  Engine& engine = *engines_[active.engine];
  // A token that is to come with the prompt has not been seen yet.
  const std::int64_t produced =
      results_[active.result].output_tokens == 0 ? 0 : engine.scheduler().produced(active.job);
  engine.cancel(active.job, queue_.now());
  end_request(slot, active.fate, produced);
}

void Simulation::end_request(std::uint32_t slot, Outcome outcome, std::int64_t produced) {
  Active& active = active_[slot];
  RequestResult& result = results_[active.result];
  close_phase(active);
  result.outcome = outcome;
  result.output_tokens = produced;
  result.end = queue_.now();
  std::int64_t total = 0;
  for (const std::int64_t ns : result.stage_ns) total += ns;
  SCSIM_CHECK_EQ(total, (result.end - result.arrival).ns());  // INV-LEDGER
  drop_handover(slot);
  active.job = kNoJob;
  active.doomed = active.retrying = false;
  unused_active_.push_back(slot);
  if (failing_ != nullptr) arrivals_.forget(active.place);
  if (gate_.in_use()) gate_.leave(result.tenant, result.slo);
  end_ = result.end;
  arrivals_.ended(RequestId(result.request), result.end, due_);
  schedule_due();
}

}  // namespace scsim::sim
