#include "analysis/transfer_summary.h"

#include <algorithm>

#include "analysis/request_times.h"
#include "analysis/summary_parts.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

RoleSummary summarise_role(const std::string& role, const Result& result, const Summary& summary) {
  RoleSummary s;
  double busy = 0, used = 0, timed_gpus = 0;
  for (std::size_t e = 0; e < result.engines.size(); ++e) {
    if (result.engines[e].role != role) continue;
    const EngineSummary& engine = summary.engines[e];
    ++s.engines;
    s.gpus += engine.gpus;
    s.waiting += engine.waiting.value_or(0);
    if (!engine.utilisation) continue;
    busy += *engine.utilisation * engine.gpus;
    used += engine.used.value_or(0) * engine.gpus;
    timed_gpus += engine.gpus;
  }
  if (timed_gpus > 0) s.utilisation = busy / timed_gpus;
  if (timed_gpus > 0) s.used = used / timed_gpus;
  return s;
}

std::string role_text(const std::string& name, const RoleSummary& role) {
  return name + ": " + std::to_string(role.engines) + (role.engines == 1 ? " engine" : " engines") +
         (role.utilisation ? ", busy " + format_percent(*role.utilisation) : "") + ", KV " +
         format_percent(role.used) + " used, " + format_fixed(role.waiting, 1) + " waiting";
}

}  // namespace

void summarise_transfers(const Result& result, Summary& summary) {
  if (result.transfers.empty()) return;
  TransferSummary& s = summary.transfers.emplace();
  std::vector<double> seconds;
  std::int64_t finished_requests = 0;
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    const RequestResult& r = result.requests[i];
    if (!summary.window.measures(r) || !admitted(r)) continue;
    const TransferResult& transfer = result.transfers[i];
    ++s.requests[static_cast<std::size_t>(transfer.local)];
    if (finished(r)) {
      ++finished_requests;
      s.wait_seconds += static_cast<double>(transfer.wait_ns) * 1e-9;
    }
    if (transfer.local != TransferResult::Local::kNo) continue;
    s.tokens += transfer.tokens;
    s.bytes += transfer.bytes;
    s.prompt_tokens += r.prompt_tokens;
    seconds.push_back(static_cast<double>(transfer.moving_ns) * 1e-9);
  }
  if (finished_requests > 0) s.wait_seconds /= static_cast<double>(finished_requests);
  if (!seconds.empty()) {
    const double count = static_cast<double>(seconds.size());
    s.mean_bytes = static_cast<double>(s.bytes) / count;
    for (const double one : seconds) s.mean_seconds += one / count;
    s.p99_seconds = quantile(seconds, 0.99);
  }
  s.prefill = summarise_role("prefill", result, summary);
  s.decode = summarise_role("decode", result, summary);
}

std::string transfer_text(const TransferSummary& s) {
  std::int64_t all = 0;
  for (const std::int64_t count : s.requests) all += count;
  const auto share = [&](std::int64_t count) {
    return format_percent(all > 0 ? static_cast<double>(count) / static_cast<double>(all) : 0);
  };
  std::string text = share(s.moved()) + " of prompts computed by prefill engines";
  static const std::string kWhy[] = {
      "", "no role", "decider", "prefill engines busy", "too long for them", "no way for the KV"};
  for (std::size_t why = 1; why < s.requests.size(); ++why) {
    if (s.requests[why] > 0)
      text += ", " + share(s.requests[why]) + " by the engine that answers (" + kWhy[why] + ")";
  }
  if (s.moved() > 0) {
    text += "; " + format_bytes(static_cast<double>(s.bytes)) + " of KV moved (" +
            format_percent(s.prompt_tokens > 0 ? static_cast<double>(s.tokens) /
                                                     static_cast<double>(s.prompt_tokens)
                                               : 0) +
            " of their tokens), " + format_bytes(s.mean_bytes) + " a prompt in " +
            format_seconds(s.mean_seconds) + " on average, " + format_seconds(s.p99_seconds) +
            " at p99";
  }
  return text + "; " + role_text("prefill", s.prefill) + "; " + role_text("decode", s.decode);
}

}  // namespace scsim::analysis
