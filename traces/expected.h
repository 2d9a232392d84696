// Expected<T>: a value, or a message for the person whose input was wrong.
//
//   Expected<Cluster> cluster = read_cluster(path);
//   if (!cluster) return cluster.error();
//   use(*cluster);
//
// The member names are those of C++23's std::expected. An Error is a finished sentence: where
// (file, line or offset, key), what was expected, what was found, the nearest valid name.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "traces/check.h"

namespace scsim {

struct Error {
  std::string message;
};

template <class T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & {
    require();
    return std::get<0>(state_);
  }
  const T& value() const& {
    require();
    return std::get<0>(state_);
  }
  T&& value() && {
    require();
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // REQUIRES: !has_value().
  const Error& error() const {
    SCSIM_CHECK(!has_value());
    return std::get<1>(state_);
  }

 private:
  void require() const {
    if (!has_value()) check_failed(__FILE__, __LINE__, "no value: " + std::get<1>(state_).message);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Expected<void> {
 public:
  Expected() = default;
  Expected(Error error) : error_(std::move(error)) {}
  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  const Error& error() const {
    SCSIM_CHECK(error_.has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace scsim
