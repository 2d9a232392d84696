// Max-min fair sharing flow by flow, the slow way: what sim/store/network.h must give.
//
// Rates from the procedure everybody writes first: all flows rise together until a link is full,
// those on it stop, the others go on. Time from event to event, all rates made anew at each. And
// the definition itself, which says of any rates whether they are the right ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace scsim::oracle {

using Links = std::vector<std::uint32_t>;

// Of each flow; infinite for one without a finite link.
std::vector<long double> max_min_rates(const std::vector<double>& capacities,
                                       const std::vector<Links>& flows);

// Empty if no link carries more than it can and each flow has a full link on which none is faster,
// all but for `rounding`; else what is wrong.
std::string max_min_fault(const std::vector<double>& capacities, const std::vector<Links>& flows,
                          const std::vector<double>& rates, double rounding);

struct PlannedFlow {
  Links links;
  std::int64_t bytes = 0;
  std::int64_t begin_ns = 0;                   // its first byte may move
  std::optional<std::int64_t> cancel_ns = {};  // if it is not done by then
  // If it is not done by `at_ns` it stops there, and goes on over other links from `begin_ns` on.
  struct Move {
    std::int64_t at_ns;
    Links links;
    std::int64_t begin_ns;
  };
  std::vector<Move> moves = {};  // by at_ns
};
struct PlayedFlow {
  long double end_ns = 0;  // or of its cancellation
  long double moved = 0;   // bytes
};
// Capacities are bytes per second.
std::vector<PlayedFlow> play_flows(const std::vector<double>& capacities,
                                   const std::vector<PlannedFlow>& plan);

}  // namespace scsim::oracle
