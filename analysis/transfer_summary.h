// What pools of roles did (sim/disaggregation.h): prompts that one engine computed for another, and
// their KV on its way. Of requests that arrived in the measured window and were admitted. Absent
// where no pool has a role.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "analysis/statistics.h"
#include "traces/result.h"

namespace scsim::analysis {

struct RoleSummary {
  int engines = 0, gpus = 0;
  std::optional<double> utilisation;  // busy share of the window, by GPUs
  double waiting = 0;                 // mean requests over the window, all engines
  double used = 0;                    // mean share of the KV blocks, by GPUs
};

struct TransferSummary {
  std::array<std::int64_t, kLocalNames.size()> requests{};  // by TransferResult::Local
  std::int64_t tokens = 0, bytes = 0;                       // moved
  std::int64_t prompt_tokens = 0;                           // of the prompts they are a part of
  double mean_bytes = 0;                                    // per request that moved
  double mean_seconds = 0, p99_seconds = 0;                 // likewise, from first byte to last
  double wait_seconds = 0;  // per finished request of the window: of its retrieval
  RoleSummary prefill, decode;

  std::int64_t moved() const { return requests[0]; }
};

struct Summary;
// Fills summary.transfers, if pools have roles. REQUIRES: engines are summarised.
void summarise_transfers(const Result& result, Summary& summary);
std::string transfer_text(const TransferSummary& transfers);

}  // namespace scsim::analysis
