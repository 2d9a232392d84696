// The front end: for each model the engines that serve it, a router over them, and what that router
// has heard of them.
//
// Views are `staleness` old: engines are looked at when the clock passes a multiple of it, those
// that changed since; with staleness 0 a view is always that of this moment.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/cluster.h"
#include "sim/engine.h"
#include "sim/engine_facts.h"
#include "sim/router.h"

namespace scsim::sim {

class Frontend {
 public:
  Frontend(const Cluster& cluster, const std::vector<std::unique_ptr<Engine>>& engines);

  // What tiers each engine can fetch from; before the first request.
  void set_tiers(std::vector<std::vector<TierFacts>> tiers) { tiers_ = std::move(tiers); }

  // The engine that the router of the request's model chooses; nothing if no pool serves the model,
  // which the trace's tables name `model`.
  std::optional<std::uint32_t> route(const RoutableRequest& request, ModelId id,
                                     const std::string& model);

  // The engine that computes the prompt of a request to be answered in the pool; nothing if each
  // has at least `max_waiting` requests waiting (0: no limit). REQUIRES: pools prefill for that
  // one.
  std::optional<std::uint32_t> route_prefill(const RoutableRequest& request,
                                             std::size_t decode_pool, std::int64_t max_waiting);

  // The engine's state changed. Gives the time at which observe() has to be called, if it has to be
  // and is not asked for already.
  std::optional<TimePoint> changed(std::uint32_t engine, TimePoint now);
  void observe(TimePoint now);
  // A request of this engine has its first token.
  bool listens() const { return listens_; }
  void answered(std::uint32_t engine, AnsweredRequest answered);
  // Whether the engine works, which frontends know at once. What the router would send to one that
  // does not goes to the least loaded of the others; if none works, to where it would have gone.
  void set_up(std::uint32_t engine, bool up);

  // What the router of a model's requests knows, in the order of its engines. REQUIRES: it routed
  // one.
  std::span<const EngineView> views(ModelId id) const {
    return groups_[static_cast<std::size_t>(group_of_model_[id.value()])].views;
  }

 private:
  struct Group {  // engines among which one router chooses
    std::vector<std::uint32_t> engines;
    std::unique_ptr<Router> router;
    std::vector<EngineView> views;
  };
  struct Place {
    std::uint32_t group, place;
  };
  static constexpr std::int32_t kNobody = -1, kUnknown = -2;

  std::int32_t group_for(const std::string& model);
  std::int32_t group_of(const std::vector<std::uint32_t>& engines);
  std::uint32_t route_in(Group& group, const RoutableRequest& request);
  std::size_t working(const Group& group, std::size_t place) const;
  void refresh(std::uint32_t engine, TimePoint now);

  const Cluster& cluster_;
  const std::vector<std::unique_ptr<Engine>>& engines_;
  std::vector<std::vector<TierFacts>> tiers_;  // by engine; empty: there are none
  std::vector<Group> groups_;
  std::vector<std::int32_t> group_of_model_;
  std::vector<std::int32_t> prefill_group_of_pool_;
  std::vector<std::vector<Place>> places_;  // of an engine in the groups' views
  std::vector<char> is_stale_;
  std::vector<std::uint32_t> stale_;  // engines that changed since they were looked at
  bool observing_ = false;
  bool listens_ = false;    // a router does
  std::vector<char> down_;  // by engine; empty: none has ever been
};

}  // namespace scsim::sim
