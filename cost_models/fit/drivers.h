// What the seconds of a stage are fitted to: the ledger that the executor keeps of it. Whatever a
// method does is in these numbers, so all methods are fitted alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/calibration.h"

namespace scsim::cost_models {

enum class Driver : std::uint8_t {
  kTurns,        // one: what a stage costs however much it does
  kEntries,      // times that the stage was entered: layers, steps
  kTokens,       // that went through it
  kTokensTo64,   // at most 64 and at most 256 of them: matrix products of few rows do not reach the
  kTokensTo256,  // rate of large ones, so first tokens cost more than later ones
  kPairs,        // (query, key) pairs attended, all layers and query heads
  kOperations,   // floating point
  kBytesRead,    // of KV, by attention
  kBytesMoved,   // of KV, between tiers or by copies
  kBytesFreed,   // of KV
  kLongest,      // of a batch, the sequence with the most keys: pairs of that one alone
};
std::string driver_name(Driver driver);  // "tokens", "bytes_read"

// What may drive a stage, or an operator alone, in the order in which they are tried: of two that
// always move together the first is kept.
std::vector<Driver> stage_drivers(Stage stage);
std::vector<Driver> operator_drivers();

double driver_value(Driver driver, const StageCost& cost);
double driver_value(Driver driver, const OperatorSample& sample);

}  // namespace scsim::cost_models
