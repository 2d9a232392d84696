#include "analysis/failures.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/html_tables.h"
#include "analysis/request_times.h"
#include "analysis/wording.h"
#include "traces/report/html_elements.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

using Json = nlohmann::ordered_json;

struct Effect {
  std::int64_t retried = 0, retries = 0, failed = 0;  // requests; starts; for good
  std::int64_t lost_tokens = 0, lost_bytes = 0;
  double down_seconds = 0;               // of engines
  double ttft_hit = 0, ttft_others = 0;  // means of finished requests
};

Effect effect_of(const Result& result) {
  Effect effect;
  std::int64_t hit = 0, others = 0;
  for (const RequestResult& r : result.requests) {
    effect.retried += r.retries > 0 ? 1 : 0;
    effect.retries += r.retries;
    effect.failed += r.outcome == Outcome::kFailed ? 1 : 0;
    const std::optional<double> first = ttft(r);
    if (!finished(r) || !first) continue;
    (r.retries > 0 ? effect.ttft_hit : effect.ttft_others) += *first;
    ++(r.retries > 0 ? hit : others);
  }
  if (hit > 0) effect.ttft_hit /= static_cast<double>(hit);
  if (others > 0) effect.ttft_others /= static_cast<double>(others);
  for (const FailureResult& failure : result.failures) {
    effect.lost_tokens += failure.lost_tokens;
    effect.lost_bytes += failure.lost_bytes;
  }
  for (const EngineResult& engine : result.engines)
    effect.down_seconds += static_cast<double>(engine.down_ns) * 1e-9;
  return effect;
}

std::string counted(std::int64_t count, const std::string& what) {
  return format_integer(count) + " " + what + (count == 1 ? "" : "s");
}

double seconds_between(TimePoint from, TimePoint to) { return (to - from).seconds().value(); }

}  // namespace

std::string failures_text(const Result& result, const Summary& summary) {
  if (result.failures.empty()) return "";
  std::map<std::string, std::int64_t> kinds;
  for (const FailureResult& failure : result.failures) ++kinds[failure.what];
  std::string text = counted(static_cast<std::int64_t>(result.failures.size()), "failure") + " (";
  for (const auto& [what, count] : kinds)
    text += (text.back() == '(' ? "" : ", ") + counted(count, what);
  const Effect effect = effect_of(result);
  const double engine_seconds = static_cast<double>(summary.cluster.engines) * summary.run_seconds;
  text += "); engines were down for " + format_seconds(effect.down_seconds) +
          (engine_seconds > 0 ? " in all, " + format_percent(effect.down_seconds / engine_seconds) +
                                    " of their time"
                              : std::string());
  text += "; lost: " + count_text(static_cast<double>(effect.lost_tokens)) +
          " tokens of prefix caches, " + format_bytes(static_cast<double>(effect.lost_bytes)) +
          " of tiers; " + counted(effect.retried, "request") + " started anew, " +
          counted(effect.retries, "time") + ", and " + format_integer(effect.failed) +
          " failed for good";
  if (effect.ttft_hit > 0)
    text += "; mean TTFT of those that started anew and finished " +
            format_seconds(effect.ttft_hit) + ", of the others " +
            format_seconds(effect.ttft_others);
  return text;
}

std::string failures_html(const Result& result, const Summary& summary) {
  if (result.failures.empty()) return "";
  HtmlTable table(
      {"what", "which", "from", "down for", "requests there", "tokens lost", "bytes lost"});
  for (std::size_t i = 0; i < std::min(kTableRows, result.failures.size()); ++i) {
    const FailureResult& failure = result.failures[i];
    table.add({failure.what, failure.which, format_seconds(failure.begin.seconds().value()),
               format_seconds(seconds_between(failure.begin, failure.end)),
               format_integer(failure.requests), format_integer(failure.lost_tokens),
               format_bytes(static_cast<double>(failure.lost_bytes))});
  }
  return section("Failures", paragraph("Effect: ", failures_text(result, summary)) + table.html() +
                                 rows_left_out(result.failures.size()));
}

nlohmann::ordered_json failures_json(const Result& result) {
  const Effect effect = effect_of(result);
  Json json = {{"retried_requests", effect.retried},   {"retries", effect.retries},
               {"failed_requests", effect.failed},     {"engine_down_seconds", effect.down_seconds},
               {"lost_tokens", effect.lost_tokens},    {"lost_bytes", effect.lost_bytes},
               {"mean_ttft_retried", effect.ttft_hit}, {"mean_ttft_others", effect.ttft_others}};
  json["events"] = Json::array();
  for (const FailureResult& failure : result.failures)
    json["events"].push_back({{"what", failure.what},
                              {"which", failure.which},
                              {"begin_seconds", failure.begin.seconds().value()},
                              {"end_seconds", failure.end.seconds().value()},
                              {"requests", failure.requests},
                              {"lost_tokens", failure.lost_tokens},
                              {"lost_bytes", failure.lost_bytes}});
  return json;
}

}  // namespace scsim::analysis
