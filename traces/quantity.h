// Kinds of numbers that must not be mixed: token counts, bytes, real-valued seconds, rates, ids.
//
//   Tokens prompt{12000};
//   Bytes cache = prompt * BytesPerToken{131072};   // kinds meet only in the operators written out
//   below Seconds read = cache / BytesPerSecond{4.8e12};
//
// A Quantity has the arithmetic of its representation within its own kind; an Id compares and
// hashes and has no arithmetic. Simulated time is in traces/time.h.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace scsim {

template <class Tag, class Rep>
class Quantity {
 public:
  using rep = Rep;
  constexpr Quantity() = default;
  constexpr explicit Quantity(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }

  constexpr Quantity& operator+=(Quantity other) {
    value_ += other.value_;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity other) {
    value_ -= other.value_;
    return *this;
  }
  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity(a.value_ + b.value_);
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity(a.value_ - b.value_);
  }
  friend constexpr Quantity operator*(Quantity a, Rep factor) {
    return Quantity(a.value_ * factor);
  }
  friend constexpr Quantity operator*(Rep factor, Quantity a) {
    return Quantity(a.value_ * factor);
  }
  friend constexpr Quantity operator/(Quantity a, Rep divisor) {
    return Quantity(a.value_ / divisor);
  }
  friend constexpr Rep operator/(Quantity a, Quantity b) { return a.value_ / b.value_; }
  friend constexpr auto operator<=>(Quantity, Quantity) = default;

 private:
  Rep value_{};
};

using Tokens = Quantity<struct TokensTag, std::int64_t>;
using Blocks = Quantity<struct BlocksTag, std::int64_t>;
using Bytes = Quantity<struct BytesTag, double>;
using BytesPerToken = Quantity<struct BytesPerTokenTag, double>;
using Flops = Quantity<struct FlopsTag, double>;
using Seconds = Quantity<struct SecondsTag, double>;
using BytesPerSecond = Quantity<struct BytesPerSecondTag, double>;
using FlopsPerSecond = Quantity<struct FlopsPerSecondTag, double>;

constexpr Seconds operator/(Bytes size, BytesPerSecond rate) {
  return Seconds(size.value() / rate.value());
}
constexpr Seconds operator/(Flops work, FlopsPerSecond rate) {
  return Seconds(work.value() / rate.value());
}
constexpr Bytes operator*(Tokens count, BytesPerToken each) {
  return Bytes(static_cast<double>(count.value()) * each.value());
}

// A name for one thing among its kind. The default value names nothing.
template <class Tag>
class Id {
 public:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  constexpr Id() = default;
  constexpr explicit Id(std::uint64_t value) : value_(value) {}
  constexpr std::uint64_t value() const { return value_; }
  constexpr bool valid() const { return value_ != kNone; }
  friend constexpr auto operator<=>(Id, Id) = default;

 private:
  std::uint64_t value_ = kNone;
};

using RequestId = Id<struct RequestTag>;  // position in the trace, from 0
using ContentId = Id<struct ContentTag>;
using SessionId = Id<struct SessionTag>;
using TenantId = Id<struct TenantTag>;
using ModelId = Id<struct ModelTag>;
using TaskId = Id<struct TaskTag>;
using SloId = Id<struct SloTag>;
using EngineId = Id<struct EngineTag>;

}  // namespace scsim

template <class Tag>
struct std::hash<scsim::Id<Tag>> {
  std::size_t operator()(scsim::Id<Tag> id) const noexcept {
    std::uint64_t x = id.value() * 0x9E3779B97F4A7C15u;  // Fibonacci hashing: dense ids spread out
    return static_cast<std::size_t>(x ^ (x >> 32));
  }
};
