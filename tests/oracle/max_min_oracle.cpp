#include "tests/oracle/max_min_oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace scsim::oracle {
namespace {

constexpr long double kInfinite = std::numeric_limits<long double>::infinity();

bool uses(const Links& links, std::size_t link) {
  return std::ranges::find(links, link) != links.end();
}

}  // namespace

std::vector<long double> max_min_rates(const std::vector<double>& capacities,
                                       const std::vector<Links>& flows) {
  std::vector<long double> rates(flows.size(), 0);
  std::vector<bool> stopped(flows.size(), false);
  while (true) {
    // How much further all may rise, and the link that says so.
    long double least = kInfinite;
    std::size_t full = capacities.size();
    for (std::size_t link = 0; link < capacities.size(); ++link) {
      long double left = static_cast<long double>(capacities[link]);
      long double rising = 0;
      for (std::size_t flow = 0; flow < flows.size(); ++flow) {
        if (!uses(flows[flow], link)) continue;
        left -= rates[flow];
        if (!stopped[flow]) ++rising;
      }
      if (rising > 0 && std::max(left, 0.0L) / rising < least) {
        least = std::max(left, 0.0L) / rising;
        full = link;
      }
    }
    for (std::size_t flow = 0; flow < flows.size(); ++flow) {
      if (!stopped[flow]) rates[flow] += least;
    }
    if (full == capacities.size()) return rates;
    for (std::size_t flow = 0; flow < flows.size(); ++flow) {
      if (uses(flows[flow], full)) stopped[flow] = true;
    }
  }
}

std::string max_min_fault(const std::vector<double>& capacities, const std::vector<Links>& flows,
                          const std::vector<double>& rates, double rounding) {
  std::vector<double> load(capacities.size(), 0), fastest(capacities.size(), 0);
  for (std::size_t flow = 0; flow < flows.size(); ++flow) {
    for (const std::uint32_t link : flows[flow]) {
      load[link] += rates[flow];
      fastest[link] = std::max(fastest[link], rates[flow]);
    }
  }
  for (std::size_t link = 0; link < capacities.size(); ++link) {
    if (load[link] > capacities[link] * (1 + rounding))
      return "link " + std::to_string(link) + " carries " + std::to_string(load[link]);
  }
  for (std::size_t flow = 0; flow < flows.size(); ++flow) {
    const bool has_bottleneck = std::ranges::any_of(flows[flow], [&](std::uint32_t link) {
      return load[link] >= capacities[link] * (1 - rounding) &&
             rates[flow] >= fastest[link] * (1 - rounding);
    });
    if (!has_bottleneck) return "flow " + std::to_string(flow) + " has no bottleneck";
  }
  return "";
}

std::vector<PlayedFlow> play_flows(const std::vector<double>& capacities,
                                   const std::vector<PlannedFlow>& given) {
  std::vector<PlannedFlow> plan = given;
  enum class State { kBefore, kMoving, kOver };
  std::vector<PlayedFlow> played(plan.size());
  std::vector<State> states(plan.size(), State::kBefore);
  long double now = 0;
  while (true) {
    std::vector<std::size_t> moving;
    std::vector<Links> links;
    for (std::size_t flow = 0; flow < plan.size(); ++flow) {
      if (states[flow] != State::kMoving) continue;
      moving.push_back(flow);
      links.push_back(plan[flow].links);
    }
    const std::vector<long double> rates = max_min_rates(capacities, links);

    // What comes next: a flow begins, is cancelled or ends.
    long double next = kInfinite;
    for (std::size_t flow = 0; flow < plan.size(); ++flow) {
      if (states[flow] == State::kBefore)
        next = std::min(next, static_cast<long double>(plan[flow].begin_ns));
      if (states[flow] != State::kOver && plan[flow].cancel_ns)
        next = std::min(next, static_cast<long double>(*plan[flow].cancel_ns));
      if (states[flow] != State::kOver && !plan[flow].moves.empty())
        next = std::min(next, static_cast<long double>(plan[flow].moves.front().at_ns));
    }
    std::vector<long double> ends;
    for (std::size_t i = 0; i < moving.size(); ++i) {
      const long double left =
          static_cast<long double>(plan[moving[i]].bytes) - played[moving[i]].moved;
      ends.push_back(now + (rates[i] == kInfinite ? 0 : left / rates[i] * 1e9L));
      next = std::min(next, ends.back());
    }
    if (next == kInfinite) return played;

    for (std::size_t i = 0; i < moving.size(); ++i) {
      PlayedFlow& flow = played[moving[i]];
      if (ends[i] <= next) {
        flow = {next, static_cast<long double>(plan[moving[i]].bytes)};
        states[moving[i]] = State::kOver;
      } else {
        flow.moved += rates[i] * (next - now) / 1e9L;
      }
    }
    for (std::size_t flow = 0; flow < plan.size(); ++flow) {
      if (states[flow] != State::kOver && plan[flow].cancel_ns && *plan[flow].cancel_ns <= next) {
        played[flow].end_ns = next;
        states[flow] = State::kOver;
      } else if (states[flow] != State::kOver && !plan[flow].moves.empty() &&
                 plan[flow].moves.front().at_ns <= next) {
        const PlannedFlow::Move move = plan[flow].moves.front();
        plan[flow].moves.erase(plan[flow].moves.begin());
        plan[flow].links = move.links;
        plan[flow].begin_ns = move.begin_ns;
        states[flow] = State::kBefore;
      } else if (states[flow] == State::kBefore && plan[flow].begin_ns <= next) {
        states[flow] = State::kMoving;
      }
    }
    now = next;
  }
}

}  // namespace scsim::oracle
