// The laws that every registered method keeps, each a function of its entry in the table.
// register.cpp makes a test case of each method and law; what a method must tell them it tells in
// its entry (MethodEntry::small, MethodEntry::lossless) and its contract.
#pragma once

#include <span>

#include "methods/method.h"

namespace scsim::test {

struct Law {
  const char* name;  // reads on behind the method's name
  void (*check)(const methods::MethodEntry& entry);
};

std::span<const Law> laws();

}  // namespace scsim::test
