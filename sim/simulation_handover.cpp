// Prompts that one engine computes and another answers (sim/disaggregation.h).
//
// A request then has a job at each of the two. `Active` is always the one that the request waits
// for: pulled, that is the prefill engine's until the prompt is computed; pushed, the decode
// engine's until that has made room, then the prefill engine's, then the decode engine's again. The
// other job is quiet meanwhile: it does not exist yet, holds the room it made, or holds what it
// computed until the KV has been moved.
#include <algorithm>

#include "sim/simulation_state.h"

namespace scsim::sim {

using FirstToken = Disaggregation::FirstToken;
using Transfer = Disaggregation::Transfer;

// The engine that computes the prompt of a request to be answered at `decode`; none if that does.
std::optional<std::uint32_t> Simulation::prefill_engine(const RoutableRequest& request,
                                                        const JobSpec& spec, std::uint32_t decode) {
  const Disaggregation& settings = cluster_.disaggregation;
  TransferResult& transfer = transfers_.back();
  if (cluster_.pools[pool_of_engine_[decode]].role != Role::kDecode) return std::nullopt;
  transfer.local = TransferResult::Local::kDecider;
  if (settings.decider == Disaggregation::Decider::kNever) return std::nullopt;
  if (settings.decider == Disaggregation::Decider::kThreshold) {
    const std::int64_t held = engines_[decode]->scheduler().cached_tokens(spec);
    if (request.prompt_tokens - held <= settings.threshold) return std::nullopt;
  }
  transfer.local = TransferResult::Local::kBusy;
  const auto engine =
      frontend_.route_prefill(request, pool_of_engine_[decode], settings.max_waiting);
  if (!engine) return std::nullopt;
  transfer.local = TransferResult::Local::kTooLong;
  if (engines_[*engine]->scheduler().refuse(request.prompt_tokens, 1)) return std::nullopt;
  transfer.local = TransferResult::Local::kNo;
  transfer.prefill_engine = static_cast<std::int32_t>(*engine);
  return engine;
}

// `decode` is what the decode engine would be given to do it all.
void Simulation::begin_handover(std::uint32_t slot, const Request& request, JobSpec decode,
                                std::uint32_t prefill_engine) {
  Active& active = active_[slot];
  if (slot >= handovers_.size()) handovers_.resize(slot + std::size_t{1});
  Handover& handover = handovers_[slot];
  handover = {};
  handover.under_way = true;
  handover.prefill_engine = prefill_engine;
  handover.decode_engine = active.engine;
  handover.prompt.assign(request.prompt.begin(), request.prompt.end());
  const std::int64_t limit = engines_[active.engine]->settings().max_model_len;
  const std::int64_t answer = decode.max_tokens > 0
                                  ? std::min(decode.output_tokens, decode.max_tokens)
                                  : decode.output_tokens;
  handover.answered_at_once = std::min(answer, limit - results_[active.result].prompt_tokens) <= 1;

  JobSpec prefill = spec_of(request, prefill_engine, slot);
  prefill.tag |= kAtPrefill;
  prefill.max_tokens = 1;
  prefill.hand_over = true;
  decode.arriving = true;
  decode.answered = cluster_.disaggregation.first_token == FirstToken::kDecode ? 0 : 1;
  const bool pull = cluster_.disaggregation.transfer == Transfer::kPull;
  handover.later = pull ? decode : prefill;
  if (pull) active.engine = prefill_engine;
  active.job = place(pull ? prefill : decode, active.engine, results_[active.result]);
  (pull ? handover.prefill_job : handover.decode_job) = active.job;
}

void Simulation::place_later(Active& active, Handover& handover) {
  handover.later.prompt = handover.prompt;
  active.job = place(handover.later, active.engine, results_[active.result]);
}

// The decode engine has room for the prompt, and holds the first load.found tokens of it.
void Simulation::made_room(std::uint32_t slot, const Step::Load& load) {
  Active& active = active_[slot];
  Handover& handover = handovers_[slot];
  close_phase(active);
  handover.found = handover.sent = load.found;
  if (cluster_.disaggregation.transfer == Transfer::kPull) {
    open_phase(active, Active::Phase::kHandover);
    if (const auto bytes = claim(slot, results_[active.result].prompt_tokens)) {
      send(slot, *bytes, {});
    } else {  // once the engine has decided its step
      queue_.schedule_in(Duration{}, Phase::kDispatch, HandedOver{slot, active.generation});
    }
    return;
  }
  active.engine = handover.prefill_engine;
  open_phase(active, Active::Phase::kQueue);
  place_later(active, handover);
  handover.prefill_job = active.job;
}

// The KV of the first `upto` tokens is to be sent now, as far as it has not been: that many bytes;
// nothing if all of it has, or no way leads there: then the decode engine will compute what it
// lacks.
std::optional<std::int64_t> Simulation::claim(std::uint32_t slot, std::int64_t upto) {
  Handover& handover = handovers_[slot];
  TransferResult& transfer = transfers_[active_[slot].result];
  const auto& engines = fabric_->engines();
  const bool way = fabric_->topology().route(engines[handover.prefill_engine].vertex,
                                             engines[handover.decode_engine].vertex) != nullptr;
  if (!way && !handover.no_way) {
    handover.no_way = true;
    transfer.local = TransferResult::Local::kNoWay;
    for (const FlowId flow : handover.flows) fabric_->network().cancel(flow, queue_.now());
    handover.flows.clear();
  }
  if (handover.no_way || (upto <= handover.sent && handover.started)) return std::nullopt;
  const std::int64_t from = std::exchange(handover.sent, std::max(handover.sent, upto));
  if (!std::exchange(handover.started, true)) handover.from = queue_.now();
  const double per_token = engines_[handover.prefill_engine]->settings().cache_bytes_per_token;
  const auto bytes_of = [&](std::int64_t tokens) {
    return static_cast<std::int64_t>(per_token * static_cast<double>(tokens) + 0.5);
  };
  const std::int64_t bytes = bytes_of(handover.sent) - bytes_of(from);
  transfer.tokens += handover.sent - from;
  transfer.bytes += bytes;
  return bytes;
}

// What was claimed; its first byte may move `delay` from now.
void Simulation::send(std::uint32_t slot, std::int64_t bytes, Duration delay) {
  Handover& handover = handovers_[slot];
  const auto& engines = fabric_->engines();
  const Route* route = fabric_->topology().route(engines[handover.prefill_engine].vertex,
                                                 engines[handover.decode_engine].vertex,
                                                 results_[active_[slot].result].request);
  handover.flows.push_back(fabric_->network().start(
      *route, bytes, cluster_.disaggregation.overhead + delay, kHandoverTransfer | slot,
      queue_.now(), results_[active_[slot].result].tenant));
}

// A step that ends at `end` computes a part of the prompt. Its layers follow one another evenly,
// and each one's KV can move while the next is computed. What all but the last send moves in one
// piece from the first one's end on: at an even rate it ends when it would layer by layer, the
// later of "from the first layer's end on without a pause" and "the last layer's behind all
// others".
void Simulation::prefilling(std::uint64_t tag, const Step::Prefill& prefill, TimePoint end) {
  if (cluster_.disaggregation.transfer != Transfer::kLayered) return;
  const auto slot = static_cast<std::uint32_t>(tag);
  if (prefill.cached > handovers_[slot].sent) {  // found in its cache
    if (const auto bytes = claim(slot, prefill.cached)) send(slot, *bytes, {});
  }
  const auto bytes = claim(slot, prefill.cached + prefill.fresh);
  if (!bytes) return;
  const std::int64_t layers = std::max<std::int64_t>(
      cluster_.pools[pool_of_engine_[active_[slot].engine]].model.num_layers(), 1);
  const Duration step = end - queue_.now();
  const std::int64_t last = *bytes / layers;
  send(slot, *bytes - last, Duration(step.ns() / layers));
  send(slot, last, step);
}

// The prompt is computed, and its first token sampled.
void Simulation::computed_prompt(std::uint32_t slot) {
  Active& active = active_[slot];
  Handover& handover = handovers_[slot];
  RequestResult& result = results_[active.result];
  const Disaggregation& settings = cluster_.disaggregation;
  close_phase(active);
  open_phase(active, Active::Phase::kDecode);
  if (store_ != nullptr)
    store_->computed(active.engine, engines_[active.engine]->scheduler().path(active.job), 0,
                     result.prompt_tokens, use_of(slot));
  handover.computed = true;
  const bool over = settings.first_token != FirstToken::kDecode && handover.answered_at_once;
  if (over || settings.first_token == FirstToken::kPrefill) first_answer(active);
  if (over) {  // nothing is left to do elsewhere
    leave(active.engine, std::exchange(handover.prefill_job, kNoJob));
    end_request(slot, Outcome::kFinished, 1);
    return;
  }
  active.engine = handover.decode_engine;
  if (settings.transfer == Transfer::kPull) {
    open_phase(active, Active::Phase::kQueue);
    place_later(active, handover);
    handover.decode_job = active.job;
    return;
  }
  active.job = handover.decode_job;
  open_phase(active, Active::Phase::kHandover);
  if (const auto bytes = claim(slot, result.prompt_tokens)) send(slot, *bytes, {});
  if (handover.flows.empty()) handed_over(slot);
}

void Simulation::moved_for(std::uint32_t slot, FlowId flow) {
  Handover& handover = handovers_[slot];
  std::erase(handover.flows, flow);
  if (handover.flows.empty() && handover.computed) handed_over(slot);
}

Expected<void> Simulation::handle(const HandedOver& event) {
  if (active_[event.active].generation == event.generation && active_[event.active].job != kNoJob)
    handed_over(event.active);
  return {};
}

// All that had to move has: both engines hear of it between steps.
void Simulation::handed_over(std::uint32_t slot) {
  Handover& handover = handovers_[slot];
  TransferResult& transfer = transfers_[active_[slot].result];
  if (handover.started) transfer.moving_ns = (queue_.now() - handover.from).ns();
  leave(handover.prefill_engine, std::exchange(handover.prefill_job, kNoJob));
  arriving_[handover.decode_engine].push_back({slot, active_[slot].generation});
  settle(handover.decode_engine);
}

// ---- engines between steps ----

// The job ends, with whatever it holds, as soon as its engine is between steps.
void Simulation::leave(std::uint32_t engine, JobId job) {
  if (job == kNoJob) return;
  leaving_[engine].push_back(job);
  settle(engine);
}

// Does what waits for the engine to be between steps, or sees to it that it soon is.
void Simulation::settle(std::uint32_t engine) {
  if (completing_ == engine) return;  // it is about to
  if (!engines_[engine]->in_step()) {
    between_steps(engine);
    dispatch_soon(engine);
    changed(engine);
  } else if (const auto end = engines_[engine]->cut(queue_.now())) {
    plan_changed(engine, *end);
  }
}

// REQUIRES: the engine is between steps.
void Simulation::between_steps(std::uint32_t engine) {
  loaded_here(engine);
  if (leaving_.empty()) return;  // no pool has a role
  for (const JobId job : leaving_[engine]) engines_[engine]->cancel(job, queue_.now());
  leaving_[engine].clear();
  for (const auto& [slot, generation] : arriving_[engine]) {
    if (active_[slot].generation == generation && active_[slot].job != kNoJob)  // not given up
      arrived_at(engine, slot);
  }
  arriving_[engine].clear();
}

void Simulation::arrived_at(std::uint32_t place, std::uint32_t slot) {
  Engine& engine = *engines_[place];
  Active& active = active_[slot];
  Handover& handover = handovers_[slot];
  RequestResult& result = results_[active.result];
  handover.under_way = false;
  const std::int64_t known = engine.scheduler().known_tokens(active.job);
  engine.loaded(active.job, handover.no_way ? handover.found : known - 1, false, queue_.now());
  close_phase(active);
  open_phase(active, Active::Phase::kQueue);
  if (cluster_.disaggregation.first_token == FirstToken::kDecode) return;
  first_answer(active);
  engine.set_last_token(active.job, result.first_token);
}

// The request has ended: what the other engine holds for it goes, and what moves stops.
void Simulation::drop_handover(std::uint32_t slot) {
  if (slot >= handovers_.size() || !handovers_[slot].under_way) return;
  Handover& handover = handovers_[slot];
  handover.under_way = false;
  for (const FlowId flow : handover.flows) fabric_->network().cancel(flow, queue_.now());
  handover.flows.clear();
  const JobId ended = active_[slot].job;
  const std::uint32_t at = active_[slot].engine;
  if (at != handover.prefill_engine || ended != handover.prefill_job)
    leave(handover.prefill_engine, handover.prefill_job);
  if (at != handover.decode_engine || ended != handover.decode_job)
    leave(handover.decode_engine, handover.decode_job);
}

}  // namespace scsim::sim
