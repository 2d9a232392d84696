// The store beside the engines: what its transfers bring, and contexts brought near ahead of time.
#include <algorithm>

#include "sim/simulation_state.h"

namespace scsim::sim {

Expected<void> Simulation::make_fabric() {
  if (cluster_.store.tiers.empty() && cluster_.store.link_failures.empty() &&
      !cluster_.disaggregation.on)
    return {};
  auto fabric = Fabric::make(cluster_);
  if (!fabric) return fabric.error();
  fabric_ = *std::move(fabric);
  for (std::size_t i = 0; i < fabric_->failures().size(); ++i) {
    const Fabric::Failure& failure = fabric_->failures()[i];
    // What arrives at that instant has arrived.
    queue_.schedule_at(failure.at, Phase::kDispatch, LinkTurn{i, false});
    if (failure.lasts > Duration{})
      queue_.schedule_at(failure.at + failure.lasts, Phase::kDispatch, LinkTurn{i, true});
  }
  if (cluster_.disaggregation.on) {
    leaving_.resize(engines_.size());
    arriving_.resize(engines_.size());
  }
  if (!cluster_.store.tiers.empty()) make_store();
  return {};
}

void Simulation::make_store() {
  store_ = std::make_unique<TieredStore>(cluster_, paths_, *fabric_);
  frontend_.set_tiers(store_->facts());
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    store_at_.push_back(std::make_unique<StoreAtEngine>(
        *store_, i, *engines_[i], [this, i](JobId job, std::int64_t found, std::int64_t upto) {
          return load_now(i, job, found, upto);
        }));
    engines_[i]->scheduler().set_source(store_at_[i].get());
    engines_[i]->scheduler().pool().set_listener(store_at_[i].get());
  }
  if (store_->prefetches()) prefetch_.emplace(cluster_.store.prefetch_after, paths_);
}

Expected<void> Simulation::handle(const LinkTurn& event) {
  if (all_ended()) return {};
  const Fabric::Failure& failure = fabric_->failures()[event.failure];
  for (const LinkId link : {failure.there, failure.back})
    fabric_->network().set_link(link, event.up, queue_.now());
  if (store_ != nullptr) store_->links_changed();
  return {};
}

// An error if something waits for a link that never comes back.
Expected<void> Simulation::all_got_there() const {
  if (fabric_ == nullptr || fabric_->network().stranded() == 0 || all_ended()) return {};
  return Error{"network.failures: " + std::to_string(fabric_->network().stranded()) +
               " transfers wait for ever: links went down for good, and no other way leads where "
               "they go. Give the failures an end (lasts), requests a request_timeout, or the "
               "cluster another link"};
}

// For an engine that waits for its loads: whether any of it is lossy.
bool Simulation::load_now(std::size_t engine, JobId job, std::int64_t found, std::int64_t upto) {
  const Scheduler& scheduler = engines_[engine]->scheduler();
  const PathId path = scheduler.path(job);
  const std::int64_t known = scheduler.known_tokens(job);
  const std::uint64_t tag = scheduler.tag(job) & ~kAtPrefill;
  store_->asked(engine, path, known, found, use_of(tag));
  if (upto == found) return false;
  const FetchResult fetched = store_->load_now(engine, path, found, known - 1, upto, use_of(tag));
  FetchResult& fetch = fetch_of(tag);
  const std::int64_t waited = fetch.wait_ns + fetched.wait_ns;
  if (results_[active_[tag].result].preemptions == 0) fetch = fetched;
  fetch.wait_ns = waited;
  return fetched.lossy_tokens > 0;
}

Expected<void> Simulation::handle(const Prefetch& event) {
  if (all_ended()) return {};
  const auto context = prefetch_->due(event.session, queue_.now());
  if (!context) return {};
  store_->prefetch(context->engine, context->path, context->tokens,
                   {queue_.now(), context->tenant, results_.back().request});
  paths_.drop_reference(context->path);
  return {};
}

// Whoever may have started transfers calls this.
void Simulation::expect_transfers() {
  if (fabric_ == nullptr) return;
  // What moves after the last request has ended is nobody's concern.
  if (all_ended()) return;
  const auto when = fabric_->network().next();
  if (!when || (transfer_at_ && *transfer_at_ <= *when)) return;
  transfer_at_ = *when;
  // What takes no time ends behind what began it.
  const Phase phase = *when > queue_.now() ? Phase::kCompletion : Phase::kDispatch;
  queue_.schedule_at(*when, phase, TransferDone{++transfer_});
}

Expected<void> Simulation::handle(const TransferDone& event) {
  if (event.number != transfer_) return {};
  if (all_ended()) return {};
  transfer_at_.reset();
  arrived_.clear();
  moved_.clear();
  if (store_ != nullptr) store_->demote_what_left(queue_.now());
  fabric_->network().advance(queue_.now(), moved_);
  for (std::size_t i = 0; i < moved_.size(); ++i) {
    if ((moved_[i].tag & kHandoverTransfer) == 0) {
      store_->arrived(moved_[i], arrived_);
    } else {
      moved_for(static_cast<std::uint32_t>(moved_[i].tag), moved_[i].flow);
    }
  }
  for (const TieredStore::Loaded& loaded : arrived_) {
    const auto slot = static_cast<std::uint32_t>(loaded.tag);
    const Active& active = active_[slot];
    if (active.generation != loaded.tag >> 32 || active.job == kNoJob) continue;  // given up
    const std::uint32_t engine = active.engine;
    loaded_[engine].push_back(loaded);
    if (!engines_[engine]->in_step()) {
      loaded_here(engine);
      dispatch_soon(engine);
      changed(engine);
    } else if (const auto end = engines_[engine]->cut(queue_.now())) {
      plan_changed(engine, *end);
    }
  }
  return {};
}

// REQUIRES: the engine is between steps.
void Simulation::loaded_here(std::uint32_t engine) {
  for (const TieredStore::Loaded& loaded : loaded_[engine]) {
    Active& active = active_[static_cast<std::uint32_t>(loaded.tag)];
    if (active.generation != loaded.tag >> 32 || active.job == kNoJob) continue;
    engines_[engine]->loaded(active.job, loaded.tokens, loaded.lossy, queue_.now());
    close_phase(active);
    open_phase(active, Active::Phase::kQueue);
    FetchResult& fetch = fetches_[active.result];
    fetch.wait_ns += loaded.fetch.wait_ns;
    if (results_[active.result].preemptions > 0) continue;
    fetch.tokens = loaded.fetch.tokens;
    fetch.lossy_tokens = loaded.fetch.lossy_tokens;
    fetch.avoided_ns = loaded.fetch.avoided_ns;
  }
  loaded_[engine].clear();
}

Use Simulation::use_of(std::uint64_t tag) const {
  const RequestResult& result = results_[active_[tag].result];
  return {queue_.now(), result.tenant, result.request};
}

}  // namespace scsim::sim
