#include "traces/slo_message.h"

#include "traces/text.h"

namespace scsim {
namespace {

std::uint64_t target_ns(const std::optional<Duration>& target) {
  if (!target) return 0;
  SCSIM_CHECK_GE(target->ns(), std::int64_t{0});
  SCSIM_CHECK_LE(target->ns(), kLatestArrival.ns());
  return static_cast<std::uint64_t>(target->ns());
}

std::optional<Duration> target_of(std::uint64_t ns) {
  if (ns == 0) return std::nullopt;
  return Duration(static_cast<std::int64_t>(ns));
}

}  // namespace

proto::SloClass to_message(const SloClass& slo) {
  proto::SloClass message;
  message.set_id(slo.id.value());
  message.set_name(valid_utf8(slo.name));
  message.set_ttft_ns(target_ns(slo.ttft));
  message.set_tpot_ns(target_ns(slo.tpot));
  message.set_e2e_ns(target_ns(slo.e2e));
  return message;
}

Expected<SloClass> from_message(const proto::SloClass& message) {
  const auto latest = static_cast<std::uint64_t>(kLatestArrival.ns());
  if (message.ttft_ns() > latest || message.tpot_ns() > latest || message.e2e_ns() > latest) {
    return Error{"SLO class " + json_quote(message.name()) + " has a target of over 146 years"};
  }
  return SloClass{SloId(message.id()), message.name(), target_of(message.ttft_ns()),
                  target_of(message.tpot_ns()), target_of(message.e2e_ns())};
}

}  // namespace scsim
