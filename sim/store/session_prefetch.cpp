#include "sim/store/session_prefetch.h"

namespace scsim::sim {
namespace {

constexpr double kWeight = 0.125;

}  // namespace

void SessionPrefetch::arrived(std::uint64_t session, std::uint32_t tenant, TimePoint now) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  if (tenant >= think_seconds_.size()) think_seconds_.resize(tenant + 1);
  const double seconds = (now - found->second.ended).seconds().value();
  std::optional<double>& average = think_seconds_[tenant];
  average = average ? *average + kWeight * (seconds - *average) : seconds;
  if (found->second.context.path != kNoPath) paths_.drop_reference(found->second.context.path);
  sessions_.erase(found);
}

std::optional<TimePoint> SessionPrefetch::ended(std::uint64_t session, const Context& context,
                                                TimePoint now) {
  const auto [place, fresh] = sessions_.try_emplace(session, Session{context, now, now});
  if (!fresh) {  // several of its requests at once: the last one counts
    if (place->second.context.path != kNoPath) paths_.drop_reference(place->second.context.path);
    place->second = Session{context, now, now};
  }
  if (context.tenant >= think_seconds_.size() || !think_seconds_[context.tenant]) {
    place->second.context.path = kNoPath;
    return std::nullopt;
  }
  paths_.add_reference(context.path);
  place->second.due = now + to_duration(Seconds(share_ * *think_seconds_[context.tenant]));
  return place->second.due;
}

std::optional<SessionPrefetch::Context> SessionPrefetch::due(std::uint64_t session, TimePoint now) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || found->second.due != now) return std::nullopt;
  Context& context = found->second.context;
  if (context.path == kNoPath) return std::nullopt;
  const Context whole = context;
  context.path = kNoPath;
  return whole;
}

}  // namespace scsim::sim
