// Checks for our own mistakes: always on, print both values, end the run.
//
//   SCSIM_CHECK_LE(used, capacity);
//
// For somebody's wrong input use Expected (traces/expected.h).
#pragma once

#include <concepts>
#include <sstream>
#include <string>
#include <type_traits>

namespace scsim {

// Prints "file:line: check failed: what" to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const std::string& what);

template <class T>
std::string check_text(const T& value) {
  std::ostringstream out;
  if constexpr (requires { out << value; }) {
    out << value;
  } else if constexpr (requires { out << value.value(); }) {
    out << value.value();
  } else if constexpr (requires { out << value.ns(); }) {
    out << value.ns() << " ns";
  } else {
    out << "(a value without text)";
  }
  return out.str();
}

template <class A, class B>
[[noreturn, gnu::cold, gnu::noinline]] void comparison_failed(const char* file, int line,
                                                              const char* text, const A& a,
                                                              const B& b) {
  check_failed(file, line, std::string(text) + " with " + check_text(a) + " and " + check_text(b));
}

}  // namespace scsim

#define SCSIM_CHECK(condition)                               \
  do {                                                       \
    if (!(condition)) [[unlikely]]                           \
      ::scsim::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)

#define SCSIM_CHECK_OP(a, op, b)                                                           \
  do {                                                                                     \
    const auto& scsim_a = (a);                                                             \
    const auto& scsim_b = (b);                                                             \
    if (!(scsim_a op scsim_b)) [[unlikely]]                                                \
      ::scsim::comparison_failed(__FILE__, __LINE__, #a " " #op " " #b, scsim_a, scsim_b); \
  } while (false)

#define SCSIM_CHECK_EQ(a, b) SCSIM_CHECK_OP(a, ==, b)
#define SCSIM_CHECK_NE(a, b) SCSIM_CHECK_OP(a, !=, b)
#define SCSIM_CHECK_LT(a, b) SCSIM_CHECK_OP(a, <, b)
#define SCSIM_CHECK_LE(a, b) SCSIM_CHECK_OP(a, <=, b)
#define SCSIM_CHECK_GT(a, b) SCSIM_CHECK_OP(a, >, b)
#define SCSIM_CHECK_GE(a, b) SCSIM_CHECK_OP(a, >=, b)
