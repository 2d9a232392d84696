// What stat_trace() found, for people and for tools.
#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "traces/text.h"
#include "traces/trace_stat.h"

namespace scsim {
namespace {

using Json = nlohmann::ordered_json;

class Page {
 public:
  void line(std::string_view name, const std::string& value) {
    fmt::format_to(std::back_inserter(text_), "  {:<24}{}\n", name, value);
  }
  void heading(std::string_view text) {
    fmt::format_to(std::back_inserter(text_), "{}{}\n", text_.empty() ? "" : "\n", text);
  }
  // In parentheses, broken into lines.
  void note(const std::string& text) {
    constexpr std::size_t kColumns = 98;
    std::string line = " ";
    for (const std::string& word : split("(" + text + ")", ' ')) {
      if (line.size() + 1 + word.size() > kColumns) {
        text_ += line + '\n';
        line = "  ";
      }
      line += " " + word;
    }
    text_ += line + '\n';
  }
  template <class... Args>
  void row(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string count(std::uint64_t value) { return format_integer(static_cast<std::int64_t>(value)); }

double seconds(TimePoint time) { return time.seconds().value(); }

std::string part_of(std::int64_t found, std::int64_t total) {
  if (total == 0) return "0 of 0";
  return format_integer(found) + " of " + format_integer(total) + " (" +
         format_percent(static_cast<double>(found) / static_cast<double>(total)) + ")";
}

std::string part_of(const ReuseCount& reuse) { return part_of(reuse.found, reuse.total); }

void add_overview(const TraceStat& stat, Page& page) {
  page.heading(stat.path + (stat.header.name.empty() ? "" : " (" + stat.header.name + ")"));
  if (!stat.header.made_by.empty()) page.line("made by", stat.header.made_by);
  if (!stat.header.notes.empty()) page.line("notes", stat.header.notes);
  page.line("requests", count(stat.requests) + ", of which closed loop " + count(stat.closed_loop) +
                            ", with parents " + count(stat.with_parents) +
                            ", that may be cancelled " + count(stat.with_cancel));
  page.line("sessions", count(stat.session_arrivals.count));
  page.line("contents", count(stat.contents) + " of " + format_integer(stat.content_tokens) +
                            " tokens, in " + count(stat.spans) + " spans");
  page.line("time",
            format_seconds(seconds(stat.first)) + " to " + format_seconds(seconds(stat.last)));
  if (stat.closed_loop > 0)
    page.note(
        "times below are the earliest possible: of a closed-loop request, its parents' and "
        "its think time, as if answers took no time");
}

void add_arrivals(const TraceStat& stat, Page& page) {
  page.heading("arrivals               per second   gap cv   peak/mean");
  const auto row = [&](const char* name, const ArrivalSummary& arrivals) {
    page.row("  {:<20}{:>11}{:>9}{:>12}", name, format_fixed(arrivals.rate_per_second, 3),
             format_fixed(arrivals.gap_cv, 2), format_fixed(arrivals.peak_to_mean, 2));
  };
  row("requests", stat.request_arrivals);
  row("session starts", stat.session_arrivals);
  page.note(
      "gap cv: standard deviation of the times between neighbours over their mean; peak/mean: "
      "of the counts in windows of " +
      format_seconds(stat.request_arrivals.window_seconds));
}

void add_lengths(const TraceStat& stat, Page& page) {
  page.heading("lengths                    mean       p50       p90       p99       max");
  const auto row = [&](const char* name, const LengthSummary& lengths) {
    page.row("  {:<20}{:>9}{:>10}{:>10}{:>10}{:>10}", name, format_fixed(lengths.mean, 1),
             lengths.p50, lengths.p90, lengths.p99, lengths.max);
  };
  row("prompt tokens", stat.prompt);
  row("output tokens", stat.output);
  row("spans per prompt", stat.prompt_spans);
  row("requests per session", stat.session_requests);
}

void add_reuse(const TraceStat& stat, Page& page) {
  const auto part_of_all = [&](std::int64_t tokens) {
    return format_percent(ReuseCount{stat.prefix_tokens.total, tokens}.ratio());
  };
  page.heading("sharing: what an unlimited cache in one pool would find");
  page.note("requests in file order, each judged before it touches anything; found / asked for");
  page.line("prefix, tokens", part_of(stat.prefix_tokens));
  page.note("tokens of the longest prefix that some earlier prompt began with as well");
  page.line("prefix, blocks of " + std::to_string(stat.block_tokens), part_of(stat.prefix_blocks));
  page.note(
      "whole blocks of that prefix; a partial block ends a prompt, counts as one, and is found "
      "only if an equal prompt came before");
  page.line("  with outputs, tokens", part_of(stat.prefix_tokens_with_outputs));
  page.line("  with outputs, blocks", part_of(stat.prefix_blocks_with_outputs));
  page.note("the same where every output stays in the cache behind its prompt");
  page.line("position-free, tokens", part_of(stat.position_free));
  page.note("tokens of contents that any earlier prompt held, at whatever offset");
  page.line("found from", part_of_all(stat.found_own_session) + " own session, " +
                              part_of_all(stat.found_own_tenant) + " others of the tenant, " +
                              part_of_all(stat.found_other_tenant) + " other tenants");
  page.note("prefix tokens found, by whose prompt brought them first; of all tokens asked for");
}

void add_fan_out(const TraceStat& stat, Page& page) {
  page.heading("fan-out: unique prompt tokens by the number of prompts that hold them");
  page.line("unique tokens", format_integer(stat.unique_tokens));
  std::int64_t most = 1;
  for (std::size_t i = 0; i < stat.unique_by_fan_out.size(); ++i) {
    const std::int64_t fewest = i == 0 ? 1 : most + 1;
    if (i > 0) most *= 2;
    if (stat.unique_by_fan_out[i] == 0) continue;
    const std::string range =
        fewest == most ? std::to_string(most) : std::to_string(fewest) + "-" + std::to_string(most);
    page.line("  in " + range, part_of(stat.unique_by_fan_out[i], stat.unique_tokens));
  }
  page.line("largest", format_integer(stat.max_fan_out) + " prompts");
}

void add_times(const TraceStat& stat, Page& page) {
  page.heading("reuse over time");
  page.line("time between uses",
            "mean " + format_seconds(stat.gap_mean) + ", p50 " + format_seconds(stat.gap_p50) +
                ", p90 " + format_seconds(stat.gap_p90) + ", p99 " + format_seconds(stat.gap_p99) +
                ", max " + format_seconds(stat.gap_max));
  page.note("from one use of a prefix to the next, each token found counting once");
  page.line("live set", "peak " + format_integer(stat.live_peak) + " tokens at " +
                            format_seconds(seconds(stat.live_peak_at)) + ", mean " +
                            format_integer(static_cast<std::int64_t>(stat.live_mean + 0.5)));
  page.note(
      "prompt tokens used before that will be used again: what a cache that knows the future "
      "holds");
}

void add_tenants(const TraceStat& stat, Page& page) {
  std::size_t width = 6;
  for (const TenantStat& tenant : stat.tenants) width = std::max(width, tenant.name.size());
  page.heading("tenants");
  page.row("  {:<{}}  {:<12}{:>10}{:>10}{:>15}{:>14}{:>15}{:>9}", "tenant", width, "class",
           "requests", "sessions", "prompt tokens", "output", "unique", "found");
  for (const TenantStat& tenant : stat.tenants) {
    if (tenant.requests == 0) continue;
    page.row("  {:<{}}  {:<12}{:>10}{:>10}{:>15}{:>14}{:>15}{:>9}", tenant.name, width,
             tenant.price_class, count(tenant.requests), count(tenant.sessions),
             format_integer(tenant.prompt_tokens), format_integer(tenant.output_tokens),
             format_integer(tenant.unique_tokens), format_percent(tenant.prefix.ratio()));
  }
  page.note(
      "unique: prompt tokens the tenant was the first to use; found: prefix tokens as above, "
      "of its prompt tokens");
}

Json json_of(const LengthSummary& lengths) {
  return {{"count", lengths.count}, {"mean", lengths.mean}, {"p50", lengths.p50},
          {"p90", lengths.p90},     {"p99", lengths.p99},   {"max", lengths.max}};
}

Json json_of(const ArrivalSummary& arrivals) {
  return {{"count", arrivals.count},
          {"rate_per_second", arrivals.rate_per_second},
          {"gap_cv", arrivals.gap_cv},
          {"peak_to_mean", arrivals.peak_to_mean},
          {"window_seconds", arrivals.window_seconds}};
}

Json json_of(const ReuseCount& reuse) {
  return {{"total", reuse.total}, {"found", reuse.found}, {"ratio", reuse.ratio()}};
}

Json json_of(const TenantStat& tenant) {
  return {{"name", tenant.name},
          {"price_class", tenant.price_class},
          {"requests", tenant.requests},
          {"sessions", tenant.sessions},
          {"prompt_tokens", tenant.prompt_tokens},
          {"output_tokens", tenant.output_tokens},
          {"prefix", json_of(tenant.prefix)},
          {"unique_tokens", tenant.unique_tokens}};
}

}  // namespace

std::string trace_stat_text(const TraceStat& stat) {
  Page page;
  add_overview(stat, page);
  add_arrivals(stat, page);
  add_lengths(stat, page);
  add_reuse(stat, page);
  add_fan_out(stat, page);
  add_times(stat, page);
  add_tenants(stat, page);
  return page.take();
}

std::string trace_stat_json(const TraceStat& stat) {
  Json json = {{"path", stat.path},
               {"name", stat.header.name},
               {"made_by", stat.header.made_by},
               {"notes", stat.header.notes},
               {"seed", stat.header.seed},
               {"block_tokens", stat.block_tokens},
               {"requests", stat.requests},
               {"closed_loop", stat.closed_loop},
               {"with_parents", stat.with_parents},
               {"with_cancel", stat.with_cancel},
               {"contents", stat.contents},
               {"content_tokens", stat.content_tokens},
               {"spans", stat.spans},
               {"first", seconds(stat.first)},
               {"last", seconds(stat.last)},
               {"request_arrivals", json_of(stat.request_arrivals)},
               {"session_arrivals", json_of(stat.session_arrivals)},
               {"prompt", json_of(stat.prompt)},
               {"output", json_of(stat.output)},
               {"session_requests", json_of(stat.session_requests)},
               {"prompt_spans", json_of(stat.prompt_spans)},
               {"prefix_tokens", json_of(stat.prefix_tokens)},
               {"prefix_blocks", json_of(stat.prefix_blocks)},
               {"prefix_tokens_with_outputs", json_of(stat.prefix_tokens_with_outputs)},
               {"prefix_blocks_with_outputs", json_of(stat.prefix_blocks_with_outputs)},
               {"position_free", json_of(stat.position_free)},
               {"found_own_session", stat.found_own_session},
               {"found_own_tenant", stat.found_own_tenant},
               {"found_other_tenant", stat.found_other_tenant},
               {"unique_tokens", stat.unique_tokens},
               {"unique_by_fan_out", stat.unique_by_fan_out},
               {"max_fan_out", stat.max_fan_out},
               {"gap_mean", stat.gap_mean},
               {"gap_p50", stat.gap_p50},
               {"gap_p90", stat.gap_p90},
               {"gap_p99", stat.gap_p99},
               {"gap_max", stat.gap_max},
               {"live_peak", stat.live_peak},
               {"live_peak_at", seconds(stat.live_peak_at)},
               {"live_mean", stat.live_mean},
               {"tenants", Json::array()}};
  for (const TenantStat& tenant : stat.tenants) json["tenants"].push_back(json_of(tenant));
  return json.dump(2) + "\n";
}

}  // namespace scsim
