#include "sim/frontend.h"

#include <algorithm>

namespace scsim::sim {

Frontend::Frontend(const Cluster& cluster, const std::vector<std::unique_ptr<Engine>>& engines)
    : cluster_(cluster), engines_(engines), places_(engines.size()), is_stale_(engines.size()) {}

std::int32_t Frontend::group_for(const std::string& model) {
  std::vector<std::uint32_t> named, any;
  std::uint32_t engine = 0;
  for (const Pool& pool : cluster_.pools) {
    for (int i = 0; i < pool.engines; ++i, ++engine) {
      if (pool.role == Role::kPrefill) continue;
      if (pool.name == model || pool.model_name == model || pool.model.name == model) {
        named.push_back(engine);
      }
      if (pool.serves_every_model) any.push_back(engine);
    }
  }
  const std::vector<std::uint32_t>& engines = named.empty() ? any : named;
  return engines.empty() ? kNobody : group_of(engines);
}

std::int32_t Frontend::group_of(const std::vector<std::uint32_t>& engines) {
  const auto same = std::ranges::find(groups_, engines, &Group::engines);
  if (same != groups_.end()) return static_cast<std::int32_t>(same - groups_.begin());
  Group group;
  group.engines = engines;
  group.router = *make_router(cluster_.router, cluster_.router_parameters, cluster_.seed);
  group.views.resize(engines.size());
  std::vector<EngineFacts> facts;
  for (std::uint32_t place = 0; place < engines.size(); ++place) {
    const EngineSettings& settings = engines_[engines[place]]->settings();
    group.views[place].cache_tokens = settings.num_blocks * settings.knobs.block_tokens;
    facts.push_back(engine_facts(settings));
    facts.back().always_fetches = cluster_.store.fetch == StoreSettings::Fetch::kAlways;
    facts.back().tiers_keep_answers = cluster_.store.answers;
    if (!tiers_.empty() && cluster_.store.fetch != StoreSettings::Fetch::kNever)
      facts.back().tiers = tiers_[engines[place]];
    places_[engines[place]].push_back({static_cast<std::uint32_t>(groups_.size()), place});
  }
  group.router->meet(facts);
  for (std::size_t place = 0; place < engines.size(); ++place) group.router->heard(place);
  listens_ = listens_ || group.router->listens();
  groups_.push_back(std::move(group));
  return static_cast<std::int32_t>(groups_.size()) - 1;
}

std::optional<std::uint32_t> Frontend::route(const RoutableRequest& request, ModelId id,
                                             const std::string& model) {
  const std::size_t index = static_cast<std::size_t>(id.value());
  if (index >= group_of_model_.size()) group_of_model_.resize(index + 1, kUnknown);
  if (group_of_model_[index] == kUnknown) group_of_model_[index] = group_for(model);
  if (group_of_model_[index] == kNobody) return std::nullopt;
  return route_in(groups_[static_cast<std::size_t>(group_of_model_[index])], request);
}

std::optional<std::uint32_t> Frontend::route_prefill(const RoutableRequest& request,
                                                     std::size_t decode_pool,
                                                     std::int64_t max_waiting) {
  prefill_group_of_pool_.resize(cluster_.pools.size(), kUnknown);
  std::int32_t& place = prefill_group_of_pool_[decode_pool];
  if (place == kUnknown) {
    std::vector<std::uint32_t> engines;
    std::uint32_t engine = 0;
    for (const Pool& pool : cluster_.pools) {
      for (int i = 0; i < pool.engines; ++i, ++engine) {
        if (prefills_for(pool, cluster_.pools[decode_pool])) engines.push_back(engine);
      }
    }
    place = group_of(engines);
  }
  Group& group = groups_[static_cast<std::size_t>(place)];
  const bool full =
      max_waiting > 0 && std::ranges::all_of(group.views, [&](const EngineView& view) {
        return view.waiting + view.sent_requests >= max_waiting;
      });
  if (full) return std::nullopt;
  return route_in(group, request);
}

std::uint32_t Frontend::route_in(Group& group, const RoutableRequest& request) {
  std::size_t place = group.router->route(request, group.views);
  SCSIM_CHECK_LT(place, group.engines.size());
  if (!down_.empty()) place = working(group, place);
  group.views[place].sent_requests += 1;
  group.views[place].sent_tokens += request.prompt_tokens;
  group.router->heard(place);
  return group.engines[place];
}

void Frontend::answered(std::uint32_t engine, AnsweredRequest answered) {
  for (const Place& at : places_[engine]) {
    answered.place = at.place;
    groups_[at.group].router->answered(answered);
  }
}

void Frontend::set_up(std::uint32_t engine, bool up) {
  down_.resize(engines_.size());
  down_[engine] = up ? 0 : 1;
}

std::size_t Frontend::working(const Group& group, std::size_t place) const {
  if (!down_[group.engines[place]]) return place;
  std::optional<std::size_t> best;
  const auto load = [&](std::size_t at) {
    const EngineView& view = group.views[at];
    return 4 * (view.waiting + view.sent_requests) + view.running;
  };
  for (std::size_t step = 1; step < group.engines.size(); ++step) {
    const std::size_t at = (place + step) % group.engines.size();
    if (!down_[group.engines[at]] && (!best || load(at) < load(*best))) best = at;
  }
  return best.value_or(place);
}

void Frontend::refresh(std::uint32_t engine, TimePoint now) {
  const Scheduler& scheduler = engines_[engine]->scheduler();
  for (const Place& at : places_[engine]) {
    EngineView& view = groups_[at.group].views[at.place];
    view.as_of = now;
    view.waiting = scheduler.waiting();
    view.running = scheduler.running();
    view.pending_tokens = engines_[engine]->pending_tokens();
    view.used_blocks = static_cast<double>(scheduler.pool().used_blocks()) /
                       static_cast<double>(scheduler.pool().num_blocks());
    view.sent_requests = view.sent_tokens = 0;
    groups_[at.group].router->heard(at.place);
  }
}

std::optional<TimePoint> Frontend::changed(std::uint32_t engine, TimePoint now) {
  const std::int64_t period = cluster_.staleness.ns();
  if (period == 0) {
    refresh(engine, now);
    return std::nullopt;
  }
  if (!is_stale_[engine]) {
    is_stale_[engine] = 1;
    stale_.push_back(engine);
  }
  if (observing_) return std::nullopt;
  observing_ = true;
  return TimePoint((now.ns() / period + 1) * period);
}

void Frontend::observe(TimePoint now) {
  observing_ = false;
  for (const std::uint32_t engine : stale_) {
    is_stale_[engine] = 0;
    refresh(engine, now);
  }
  stale_.clear();
}

}  // namespace scsim::sim
