// When a session's context should be brought near: before its next turn, as far as one can tell.
//
// Think times are learnt per tenant: an exponential average, of weight 1/8, of the times between
// the end of a session's request and the arrival of its next one, which everybody can see. A
// context is due when a share of that time has passed since the session's last answer (think times
// vary, so waiting for all of it would be too late for most). No session is due before its tenant's
// first think time has been seen, nor once it has come back (INV-ORACLE).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/token_path.h"
#include "traces/time.h"

namespace scsim::sim {

class SessionPrefetch {
 public:
  struct Context {
    std::size_t engine;
    PathId path;
    std::int64_t tokens;
    std::uint32_t tenant;
  };

  SessionPrefetch(double share_of_think_time, TokenPaths& paths)
      : share_(share_of_think_time), paths_(paths) {}

  void arrived(std::uint64_t session, std::uint32_t tenant, TimePoint now);
  // The session's request has ended; gives when its context is due, if it will be.
  std::optional<TimePoint> ended(std::uint64_t session, const Context& context, TimePoint now);
  // The context, if it is due now: the session has not come back. The caller drops the reference
  // to its path.
  std::optional<Context> due(std::uint64_t session, TimePoint now);

 private:
  struct Session {
    Context context;
    TimePoint ended, due;
  };
  double share_;
  TokenPaths& paths_;
  boost::unordered_flat_map<std::uint64_t, Session> sessions_;  // that think
  std::vector<std::optional<double>> think_seconds_;            // by tenant
};

}  // namespace scsim::sim
