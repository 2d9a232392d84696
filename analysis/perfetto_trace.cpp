#include "analysis/perfetto_trace.h"

#include <algorithm>
#include <map>

#include "analysis/cluster_timeline.h"
#include "analysis/request_times.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kMaxCounterPoints = 20000;
constexpr std::size_t kChunk = 1 << 20;  // bytes collected before they go to the file

std::string whole(std::int64_t value) { return format_fixed(static_cast<double>(value), 0); }
// The format counts in microseconds.
std::string microseconds(std::int64_t ns) {
  return format_fixed(static_cast<double>(ns) * 1e-3, 3);
}

// Engine e is process e + 1; requests that were never routed are process 0.
std::string process(std::int32_t engine) { return whole(engine + 1); }

class EventWriter {
 public:
  explicit EventWriter(PartialFile& file) : file_(file) {}

  void name(std::string_view what, std::int32_t engine, std::size_t thread, std::string_view name) {
    begin();
    text_ += "{\"ph\":\"M\",\"name\":" + json_quote(what) + ",\"pid\":" + process(engine) +
             ",\"tid\":" + whole(static_cast<std::int64_t>(thread)) +
             ",\"args\":{\"name\":" + json_quote(name) + "}}";
  }
  // `args` is a JSON object; empty for the stages inside a request.
  void span(std::string_view name, std::int32_t engine, std::size_t thread, TimePoint from,
            TimePoint to, std::string_view args) {
    if (args.empty() && from >= to) return;  // a stage that took no time
    begin();
    text_ += "{\"ph\":\"X\",\"name\":" + json_quote(name) + ",\"pid\":" + process(engine) +
             ",\"tid\":" + whole(static_cast<std::int64_t>(thread)) +
             ",\"ts\":" + microseconds(from.ns()) + ",\"dur\":" + microseconds((to - from).ns());
    if (!args.empty()) text_ += ",\"args\":" + std::string(args);
    text_ += "}";
  }
  void counter(std::string_view name, std::int32_t engine, std::int64_t ns, double value) {
    begin();
    text_ += "{\"ph\":\"C\",\"name\":" + json_quote(name) + ",\"pid\":" + process(engine) +
             ",\"ts\":" + microseconds(ns) + ",\"args\":{\"value\":" + format_fixed(value, 4) +
             "}}";
  }
  void raw(std::string_view text) { text_ += text; }
  void flush() {
    file_.write(text_);
    text_.clear();
  }

 private:
  void begin() {
    if (text_.size() >= kChunk) flush();
    if (!first_) text_ += ",\n";
    first_ = false;
  }

  PartialFile& file_;
  std::string text_;
  bool first_ = true;
};

// The first lane of an engine that is free again; lanes are threads 1, 2, ...
class Lanes {
 public:
  std::size_t take(TimePoint from, TimePoint to) {
    const auto free = std::ranges::find_if(ends_, [&](TimePoint end) { return end <= from; });
    if (free == ends_.end()) {
      ends_.push_back(to);
      return ends_.size();
    }
    *free = to;
    return static_cast<std::size_t>(free - ends_.begin()) + 1;
  }

 private:
  std::vector<TimePoint> ends_;
};

std::string request_args(const Result& result, const RequestResult& r) {
  const std::string tenant =
      r.tenant < result.tables.tenants.size() ? result.tables.tenants[r.tenant].name : "";
  return "{\"tenant\":" + json_quote(tenant) +
         ",\"session\":" + whole(static_cast<std::int64_t>(r.session)) +
         ",\"turn\":" + whole(r.turn) + ",\"prompt_tokens\":" + whole(r.prompt_tokens) +
         ",\"found_tokens\":" + whole(r.found_tokens) +
         ",\"output_tokens\":" + whole(r.output_tokens) +
         ",\"preemptions\":" + whole(r.preemptions) +
         ",\"outcome\":" + json_quote(kOutcomeNames[static_cast<std::size_t>(r.outcome)]) + "}";
}

void draw_request(const Result& result, const RequestResult& r, std::size_t lane,
                  EventWriter& out) {
  const std::string name = "request " + whole(static_cast<std::int64_t>(r.request));
  out.span(name, r.engine, lane, r.arrival, r.end, request_args(result, r));
  if (!admitted(r)) {
    out.span("queue", r.engine, lane, r.arrival, r.end, "");
    return;
  }
  out.span("queue", r.engine, lane, r.arrival, r.scheduled, "");
  const bool answered = r.output_tokens > 0;
  out.span("prefill", r.engine, lane, r.scheduled, answered ? r.first_token : r.end, "");
  if (answered) out.span("decode", r.engine, lane, r.first_token, r.end, "");
}

void draw_counters(const Result& result, std::int32_t engine, std::size_t bins_per_point,
                   EventWriter& out) {
  const EngineTimeline& timeline = result.engines[static_cast<std::size_t>(engine)].timeline;
  const std::int64_t point = result.timeline_bin.ns() * static_cast<std::int64_t>(bins_per_point);
  // A counter keeps its value until the next event.
  const auto draw = [&](std::string_view name, const std::vector<float>& series) {
    const std::vector<double> values = merged_bins(series, bins_per_point);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (i == 0 || values[i] != values[i - 1])
        out.counter(name, engine, point * static_cast<std::int64_t>(i), values[i]);
  };
  draw("running", timeline.running);
  draw("waiting", timeline.waiting);
  draw("KV used", timeline.used_blocks);
  draw("KV cached", timeline.cached_blocks);
  draw("busy", timeline.busy);
}

// The store is a process of its own, behind the engines.
void draw_store(const Result& result, std::int32_t process, std::size_t bins_per_point,
                EventWriter& out) {
  constexpr double kGib = 1024.0 * 1024 * 1024, kGigabyte = 1e9;
  if (result.tiers.empty()) return;
  out.name("process_name", process, 0, "store");
  const std::int64_t point = result.timeline_bin.ns() * static_cast<std::int64_t>(bins_per_point);
  const auto draw = [&](const std::string& name, const std::vector<float>& series, double unit) {
    const std::vector<double> values = merged_bins(series, bins_per_point);
    for (std::size_t i = 0; i < values.size(); ++i)
      if (i == 0 || values[i] != values[i - 1])
        out.counter(name, process, point * static_cast<std::int64_t>(i), values[i] / unit);
  };
  for (const TierResult& tier : result.tiers) draw(tier.name + " GiB", tier.used_bytes, kGib);
  for (const LinkResult& link : result.links)
    if (link.bytes > 0) draw(link.name + " GB/s", link.carried, kGigabyte);
}

// So many that all engines, tiers and links together have at most kMaxCounterPoints points of a
// counter.
std::size_t bins_per_counter_point(const Result& result) {
  std::size_t bins = 0;
  for (const EngineResult& engine : result.engines) bins += engine.timeline.running.size();
  for (const TierResult& tier : result.tiers) bins += tier.used_bytes.size();
  for (const LinkResult& link : result.links) bins += link.carried.size();
  return std::max<std::size_t>(1, (bins + kMaxCounterPoints - 1) / kMaxCounterPoints);
}

}  // namespace

Expected<std::string> write_perfetto_trace(const Result& result, const std::string& path,
                                           std::size_t max_requests) {
  Expected<PartialFile> file = PartialFile::create(path);
  if (!file) return file.error();
  std::string left_out;
  if (result.requests.size() > max_requests)
    left_out = "trace.json draws the first " +
               format_integer(static_cast<std::int64_t>(max_requests)) + " of " +
               format_integer(static_cast<std::int64_t>(result.requests.size())) +
               " requests to arrive; counters cover the whole run";

  const std::size_t bins_per_point = bins_per_counter_point(result);
  const double point_seconds =
      result.timeline_bin.seconds().value() * static_cast<double>(bins_per_point);
  EventWriter out(*file);
  out.raw("{\"displayTimeUnit\":\"ms\",\n\"otherData\":{\"tool\":" +
          json_quote("scsim " + result.tool_version) +
          ",\"trace\":" + json_quote(result.trace.name) +
          ",\"requests\":" + json_quote(left_out.empty() ? "all are drawn" : left_out) +
          ",\"counters\":" + json_quote("means over " + format_seconds(point_seconds)) +
          "},\n\"traceEvents\":[\n");
  const auto engines = static_cast<std::int32_t>(result.engines.size());
  for (std::int32_t e = 0; e < engines; ++e) {
    const EngineResult& engine = result.engines[static_cast<std::size_t>(e)];
    out.name("process_name", e, 0, "engine " + whole(e) + " (" + engine.pool + ")");
    draw_counters(result, e, bins_per_point, out);
  }
  draw_store(result, engines, bins_per_point, out);
  std::map<std::int32_t, Lanes> lanes;  // by engine
  bool unrouted = false;
  const std::size_t drawn = std::min(max_requests, result.requests.size());
  for (std::size_t i = 0; i < drawn; ++i) {
    RequestResult r = result.requests[i];
    if (r.engine < 0 || r.engine >= engines) r.engine = -1;
    if (r.engine < 0 && !unrouted) out.name("process_name", -1, 0, "never routed");
    unrouted = unrouted || r.engine < 0;
    const std::size_t lane = lanes[r.engine].take(r.arrival, r.end);
    draw_request(result, r, lane, out);
  }
  out.raw("\n]}\n");
  out.flush();
  if (const Expected<void> done = file->commit(); !done) return done.error();
  return left_out;
}

}  // namespace scsim::analysis
