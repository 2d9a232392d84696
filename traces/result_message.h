// Parts of a result as messages, shared by the files that write and read them.
#pragma once

#include <span>

#include "traces/expected.h"
#include "traces/result.h"

namespace scsim::proto {
class ResultFailure;
class ResultLifetimes;
class ResultLink;
class ResultRequests;
class ResultTier;
}  // namespace scsim::proto

namespace scsim {

void fill_lifetimes(const LifetimeHistogram& lifetimes, proto::ResultLifetimes& message);
Expected<void> take_lifetimes(const proto::ResultLifetimes& message, LifetimeHistogram& lifetimes);
void fill_tier(const TierResult& tier, proto::ResultTier& message);
Expected<void> take_tier(const proto::ResultTier& message, Result& result);
void fill_link(const LinkResult& link, proto::ResultLink& message);
void take_link(const proto::ResultLink& message, Result& result);
void fill_transfers(std::span<const TransferResult> transfers, proto::ResultRequests& columns);
// Nothing, if the columns have none.
Expected<void> take_transfers(const proto::ResultRequests& columns, Result& result);
void fill_failure(const FailureResult& failure, proto::ResultFailure& message);
void take_failure(const proto::ResultFailure& message, Result& result);

}  // namespace scsim
