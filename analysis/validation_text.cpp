#include <algorithm>
#include <cmath>

#include "analysis/validation.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

using Unit = ValidatedQuantity::Unit;

std::string value_text(Unit unit, double value) {
  switch (unit) {
    case Unit::kSeconds:
      return format_seconds(value);
    case Unit::kShare:
      return format_percent(value);
    case Unit::kBytes:
      return format_bytes(value);
    case Unit::kCount:
      break;
  }
  return value == std::floor(value) ? format_integer(static_cast<std::int64_t>(value))
                                    : format_fixed(value, 2);
}

// "+3.1 %", of shares "+0.4 points".
std::string error_text(Unit unit, double error, bool is_signed = true) {
  const std::string sign = is_signed && error > 0 ? "+" : "";
  if (unit == Unit::kShare) return sign + format_fixed(100 * error, 2) + " points";
  return sign + format_percent(error);
}

std::string quantities_text(const Validation& validation) {
  TextTable table({"", "real", "simulated", "error", "spread of real", "bar", ""});
  for (const ValidatedQuantity& q : validation.quantities) {
    const bool over_time = q.name.ends_with("moment by moment");
    table.add({q.name, over_time ? "" : value_text(q.unit, q.real),
               over_time ? "" : value_text(q.unit, q.simulated), error_text(q.unit, q.error),
               q.spread ? error_text(q.unit, *q.spread, false) : "-",
               q.bar ? error_text(q.unit, *q.bar, false) : "",
               !q.bar || validation.saturated ? ""
               : q.met()                      ? "met"
                                              : "MISSED"});
  }
  return table.text(0);
}

std::string by_request_text(const Validation& validation) {
  TextTable table({"request by request", "requests", "error p50", "p90", "correlation",
                   "real runs p50", "p90"});
  for (const ValidatedRequests& r : validation.by_request) {
    const auto percent = [](const std::optional<double>& value) {
      return value ? format_percent(*value) : std::string("-");
    };
    table.add({r.name, format_integer(r.requests), format_percent(r.median), format_percent(r.p90),
               format_fixed(r.correlation, 3), percent(r.real_median), percent(r.real_p90)});
  }
  return table.text(0);
}

std::string paths_text(const Validation& validation) {
  if (validation.paths.empty()) return "";
  TextTable table({"prompts mostly from", "requests", "simulated too", "TTFT p50 real", "simulated",
                   "error", "spread of real"});
  for (const ValidatedPath& path : validation.paths) {
    table.add({path.name, format_integer(path.requests), format_integer(path.same),
               format_seconds(path.real), format_seconds(path.simulated),
               path.real > 0 ? error_text(Unit::kSeconds, path.simulated / path.real - 1) : "-",
               path.spread ? format_percent(*path.spread) : ""});
  }
  return table.text(0) + "\n";
}

std::string stages_text(const Validation& validation) {
  TextTable table({"stage of a request", "real", "simulated", "difference"});
  double all = 0;
  for (const ValidatedStage& stage : validation.stages) all += stage.real;
  for (const ValidatedStage& stage : validation.stages) {
    if (stage.real == 0 && stage.simulated == 0) continue;
    const double difference = stage.simulated - stage.real;
    table.add(
        {std::string(kStageNames[static_cast<std::size_t>(stage.stage)]),
         format_seconds(stage.real), format_seconds(stage.simulated),
         (difference > 0 ? "+" : "") + format_percent(all > 0 ? difference / all : 0) + " of E2E"});
  }
  return table.text(0);
}

}  // namespace

std::string validation_text(const Validation& validation) {
  std::string text = wrapped(
      "", format_integer(validation.requests) + " requests finished in the simulated and " +
              format_integer(static_cast<std::int64_t>(validation.real_runs)) +
              (validation.real_runs == 1 ? " real run" : " real runs") + "; " +
              format_integer(validation.left_out) + " did not in every run and are left out");
  for (const std::string& line : validation.simulated_honesty)
    text += wrapped("! simulated: ", line);
  for (const std::string& line : validation.real_honesty) text += wrapped("! real: ", line);
  text += quantities_text(validation) + "\n" + by_request_text(validation) + "\n" +
          paths_text(validation) + stages_text(validation) + "\n";
  std::string missed;
  for (const ValidatedQuantity& q : validation.quantities)
    if (!q.met()) missed += (missed.empty() ? "" : ", ") + q.name;
  const std::string blamed =
      std::string(kStageNames[static_cast<std::size_t>(validation.stages.front().stage)]);
  if (validation.saturated)
    return text + wrapped("Bars  ", "not asked: the real run was " + validation.load);
  if (missed.empty()) return text + wrapped("Bars  ", "all met");
  return text + wrapped("Bars  ", "MISSED by " + missed + "; the stage furthest off is " + blamed);
}

std::string validation_csv(const Validation& validation) {
  std::string csv = "part,name,what,value\n";
  const auto add = [&csv](const std::string& part, const std::string& name, const std::string& what,
                          double value) {
    csv += part + "," + csv_field(name) + "," + what + "," + format_shortest(value) + "\n";
  };
  for (const ValidatedQuantity& q : validation.quantities) {
    add("quantity", q.name, "real", q.real);
    add("quantity", q.name, "simulated", q.simulated);
    add("quantity", q.name, "error", q.error);
    if (q.spread) add("quantity", q.name, "spread", *q.spread);
    if (q.bar) add("quantity", q.name, "bar", *q.bar);
  }
  for (const ValidatedRequests& r : validation.by_request) {
    add("request", r.name, "requests", static_cast<double>(r.requests));
    add("request", r.name, "median", r.median);
    add("request", r.name, "p90", r.p90);
    add("request", r.name, "correlation", r.correlation);
    if (r.real_median) add("request", r.name, "real_median", *r.real_median);
    if (r.real_p90) add("request", r.name, "real_p90", *r.real_p90);
  }
  for (const ValidatedPath& path : validation.paths) {
    add("path", path.name, "requests", static_cast<double>(path.requests));
    add("path", path.name, "same", static_cast<double>(path.same));
    add("path", path.name, "real", path.real);
    add("path", path.name, "simulated", path.simulated);
    if (path.spread) add("path", path.name, "spread", *path.spread);
  }
  for (const ValidatedStage& stage : validation.stages) {
    const std::string name(kStageNames[static_cast<std::size_t>(stage.stage)]);
    add("stage", name, "real", stage.real);
    add("stage", name, "simulated", stage.simulated);
  }
  return csv;
}

}  // namespace scsim::analysis
