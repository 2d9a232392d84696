#include "cost_models/fit/drivers.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::cost_models {

std::string driver_name(Driver driver) {
  switch (driver) {
    case Driver::kTurns:
      return "turns";
    case Driver::kEntries:
      return "entries";
    case Driver::kTokens:
      return "tokens";
    case Driver::kTokensTo64:
      return "tokens_to_64";
    case Driver::kTokensTo256:
      return "tokens_to_256";
    case Driver::kPairs:
      return "attended_pairs";
    case Driver::kOperations:
      return "operations";
    case Driver::kBytesRead:
      return "bytes_read";
    case Driver::kBytesMoved:
      return "bytes_moved";
    case Driver::kBytesFreed:
      return "bytes_freed";
    case Driver::kLongest:
      return "longest_pairs";
  }
  check_failed(__FILE__, __LINE__, "a driver without a name");
}

std::vector<Driver> stage_drivers(Stage stage) {
  using enum Driver;
  switch (stage) {
    case Stage::kGeneration:
      return {kTurns, kTokens, kTokensTo64, kTokensTo256, kPairs, kBytesRead, kOperations};
    case Stage::kCompression:
      return {kEntries, kTokens, kPairs, kOperations, kBytesMoved, kBytesFreed, kTurns};
    case Stage::kRetrieval:
      return {kEntries, kTokens, kOperations, kBytesMoved, kTurns};
    case Stage::kLoading:
      return {kEntries, kBytesRead, kBytesMoved, kOperations, kTurns};
    case Stage::kDecode:
      return {kTokens, kOperations, kTurns, kEntries};
    case Stage::kQueue:
    case Stage::kOther:
      return {kTurns, kEntries, kTokens};
  }
  check_failed(__FILE__, __LINE__, "a stage without drivers");
}

std::vector<Driver> operator_drivers() {
  using enum Driver;
  return {kTurns, kBytesRead, kOperations, kPairs, kLongest};
}

double driver_value(Driver driver, const StageCost& cost) {
  switch (driver) {
    case Driver::kTurns:
      return 1;
    case Driver::kEntries:
      return static_cast<double>(cost.entries);
    case Driver::kTokens:
      return static_cast<double>(cost.tokens);
    case Driver::kTokensTo64:
      return static_cast<double>(std::min<std::int64_t>(cost.tokens, 64));
    case Driver::kTokensTo256:
      return static_cast<double>(std::min<std::int64_t>(cost.tokens, 256));
    case Driver::kPairs:
      return static_cast<double>(cost.attended_pairs);
    case Driver::kOperations:
      return cost.operations;
    case Driver::kBytesRead:
      return static_cast<double>(cost.bytes_read);
    case Driver::kBytesMoved:
      return static_cast<double>(cost.bytes_moved);
    case Driver::kBytesFreed:
      return static_cast<double>(cost.bytes_freed);
    case Driver::kLongest:
      return 0;  // a turn is one sequence
  }
  check_failed(__FILE__, __LINE__, "a driver without a value");
}

double driver_value(Driver driver, const OperatorSample& sample) {
  switch (driver) {
    case Driver::kTurns:
      return 1;
    case Driver::kPairs:
      return static_cast<double>(sample.attended_pairs);
    case Driver::kOperations:
      return sample.operations;
    case Driver::kBytesRead:
      return static_cast<double>(sample.bytes_read + sample.bytes_written);
    case Driver::kLongest: {
      double longest = 0;
      for (std::size_t i = 0; i < sample.new_tokens.size(); ++i) {
        const auto fresh = static_cast<double>(sample.new_tokens[i]);
        const auto cached =
            i < sample.cached_tokens.size() ? static_cast<double>(sample.cached_tokens[i]) : 0.0;
        longest = std::max(longest, fresh * cached + fresh * (fresh + 1) / 2);
      }
      return longest * static_cast<double>(sample.query_heads);
    }
    default:
      return 0;
  }
}

}  // namespace scsim::cost_models
