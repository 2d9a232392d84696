// Gaps between tokens (ITL) of every request, without visiting requests at every step.
//
// All members of an engine's decode group see the same gap: from the end of one step of the group
// to the end of the next. So the engine keeps one cumulative histogram of its gaps; a member
// remembers what it read when it came, and the difference when it leaves is its own. A newcomer's
// first gap begins at its own last token instead and is counted apart.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "traces/result.h"
#include "traces/time.h"

namespace scsim::sim {

void add_gap(GapHistogram& histogram, std::int64_t gap_ns);

// Where gaps are counted, over all engines.
struct GapBook {
  std::vector<GapHistogram> by_tenant, by_turn;
};

class GapTracker {
 public:
  using Member = std::int32_t;  // small dense numbers of the caller's

  explicit GapTracker(GapBook& book) : book_(book) {}

  // `member` produced a token at `now` and decodes from here on.
  void join(Member member, std::uint32_t tenant, std::uint32_t turn, TimePoint now);
  // It ends, is preempted, or gets no token in the coming step (then it joins again later, with the
  // time of its last token).
  void leave(Member member);
  TimePoint last_token(Member member) const;
  // The group took `count` steps. The first ended at `first_end`; the others, from `second` to
  // `last` seconds long and evenly growing between, end at `last_end`.
  void steps(std::int64_t count, TimePoint first_end, double second, double last,
             TimePoint last_end);

 private:
  struct Reading {
    std::array<std::uint32_t, GapHistogram::kBins> count{};
    TimePoint since;  // of the reading; of a newcomer: its last token
    std::uint32_t tenant = 0, turn = 0;
    bool newcomer = false;
  };
  struct Peak {  // a gap longer than all later ones
    TimePoint end;
    std::int64_t ns;
  };
  void count_gap(std::size_t bin, std::uint32_t times);
  void add_peak(TimePoint end, std::int64_t ns);

  GapBook& book_;
  std::array<std::uint32_t, GapHistogram::kBins> count_{};  // wraps; only differences are used
  std::size_t lowest_ = GapHistogram::kBins, highest_ = 0;  // bins ever used
  std::vector<Reading> readings_;
  std::vector<Member> newcomers_;
  std::vector<Peak> peaks_;
  TimePoint last_end_;  // of the group's last step
};

}  // namespace scsim::sim
