// Simulated time: whole nanoseconds since the start of the trace.
//
// `Seconds` (traces/quantity.h) is what a cost model computes; TimePoint and Duration are what the
// event queue orders. to_duration() is the one place where real time becomes ticks.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

#include "traces/check.h"
#include "traces/quantity.h"

namespace scsim {

class Duration {
 public:
  constexpr Duration() = default;
  constexpr explicit Duration(std::int64_t ns) : ns_(ns) {}
  constexpr std::int64_t ns() const { return ns_; }
  constexpr Seconds seconds() const { return Seconds(static_cast<double>(ns_) * 1e-9); }
  constexpr Duration& operator+=(Duration d) {
    ns_ += d.ns_;
    return *this;
  }
  constexpr Duration& operator-=(Duration d) {
    ns_ -= d.ns_;
    return *this;
  }
  friend constexpr Duration operator+(Duration a, Duration b) { return Duration(a.ns_ + b.ns_); }
  friend constexpr Duration operator-(Duration a, Duration b) { return Duration(a.ns_ - b.ns_); }
  friend constexpr Duration operator*(Duration a, std::int64_t n) { return Duration(a.ns_ * n); }
  friend constexpr auto operator<=>(Duration, Duration) = default;

 private:
  std::int64_t ns_ = 0;
};

class TimePoint {
 public:
  constexpr TimePoint() = default;
  constexpr explicit TimePoint(std::int64_t ns) : ns_(ns) {}
  static constexpr TimePoint never() { return TimePoint(std::numeric_limits<std::int64_t>::max()); }
  constexpr std::int64_t ns() const { return ns_; }
  constexpr Seconds seconds() const { return Seconds(static_cast<double>(ns_) * 1e-9); }
  friend constexpr TimePoint operator+(TimePoint t, Duration d) {
    return TimePoint(t.ns_ + d.ns());
  }
  friend constexpr TimePoint operator-(TimePoint t, Duration d) {
    return TimePoint(t.ns_ - d.ns());
  }
  friend constexpr Duration operator-(TimePoint a, TimePoint b) { return Duration(a.ns_ - b.ns_); }
  friend constexpr auto operator<=>(TimePoint, TimePoint) = default;

 private:
  std::int64_t ns_ = 0;
};

// Rounds to the nearest nanosecond. REQUIRES: 0 <= seconds < 292 years.
inline Duration to_duration(Seconds seconds) {
  SCSIM_CHECK_GE(seconds.value(), 0.0);
  SCSIM_CHECK_LT(seconds.value(), 9.2e9);
  return Duration(static_cast<std::int64_t>(seconds.value() * 1e9 + 0.5));
}

}  // namespace scsim
