#include "analysis/compare.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "analysis/request_times.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

// Indices of `result.requests` in order of place in the trace.
std::vector<std::uint32_t> by_place(const Result& result) {
  std::vector<std::uint32_t> order(result.requests.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::ranges::sort(order, {}, [&](std::uint32_t i) { return result.requests[i].request; });
  return order;
}

std::string whole(std::uint64_t value) { return format_integer(static_cast<std::int64_t>(value)); }

// Why the two did not run the same trace; empty if they did.
std::string difference_of_traces(const Result& a, const Result& b,
                                 const std::vector<std::uint32_t>& order_a,
                                 const std::vector<std::uint32_t>& order_b) {
  const std::string head = "not paired, since the traces differ: ";
  if (order_a.size() != order_b.size())
    return head + "A has " + whole(order_a.size()) + " requests and B " + whole(order_b.size());
  for (std::size_t i = 0; i < order_a.size(); ++i) {
    const RequestResult& x = a.requests[order_a[i]];
    const RequestResult& y = b.requests[order_b[i]];
    if (x.request != y.request)
      return head + "request " + whole(std::min(x.request, y.request)) + " is in " +
             (x.request < y.request ? "A" : "B") + " only";
    const std::string which = head + "request " + whole(x.request) + " ";
    if (x.prompt_tokens != y.prompt_tokens)
      return which + "has " + format_integer(x.prompt_tokens) + " prompt tokens in A and " +
             format_integer(y.prompt_tokens) + " in B";
    if (x.tenant != y.tenant || x.session != y.session || x.turn != y.turn)
      return which + "belongs to another tenant, session or turn";
  }
  if (a.trace.name != b.trace.name || a.trace.made_by != b.trace.made_by ||
      a.trace.seed != b.trace.seed)
    return head + "their requests look alike, but A was made by \"" + a.trace.made_by + "\" (" +
           a.trace.name + ", seed " + whole(a.trace.seed) + ") and B by \"" + b.trace.made_by +
           "\" (" + b.trace.name + ", seed " + whole(b.trace.seed) + ")";
  return "";
}

// Lines of `text` that `other` does not have, without their indentation.
std::vector<std::string> lines_only_in(const std::string& text, const std::string& other) {
  const auto lines_of = [](const std::string& all) {
    std::vector<std::string> lines;
    for (const std::string& line : split(all, '\n')) lines.emplace_back(trim(line));
    return lines;
  };
  const std::vector<std::string> others = lines_of(other);
  std::vector<std::string> lines = lines_of(text);
  std::erase_if(lines, [&](const std::string& line) {
    return line.empty() || std::ranges::find(others, line) != others.end();
  });
  return lines;
}

// Requests of A in order of arrival with their counterparts in B; empty where that has none.
struct Pair {
  const RequestResult* a;
  const RequestResult* b;
};

std::vector<Pair> measured_pairs(const Result& a, const Result& b, const Window& window_a,
                                 const Window& window_b, const std::vector<std::uint32_t>& order_a,
                                 const std::vector<std::uint32_t>& order_b) {
  std::vector<std::uint32_t> partner(a.requests.size());
  for (std::size_t i = 0; i < order_a.size(); ++i) partner[order_a[i]] = order_b[i];
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < a.requests.size(); ++i) {
    const Pair pair{&a.requests[i], &b.requests[partner[i]]};
    if (window_a.measures(*pair.a) && window_b.measures(*pair.b)) pairs.push_back(pair);
  }
  return pairs;
}

PairedMetric paired_metric(std::string_view name, const std::vector<Pair>& pairs,
                           const std::function<std::optional<double>(const RequestResult&)>& of) {
  PairedMetric metric;
  metric.name = name;
  std::vector<double> differences, scratch;
  for (const Pair& pair : pairs) {
    if (!finished(*pair.a) || !finished(*pair.b)) continue;
    const std::optional<double> x = of(*pair.a), y = of(*pair.b);
    if (!x || !y) continue;
    const double difference = *y - *x, same = kSameWithin * *x;
    differences.push_back(difference);
    ++(difference > same ? metric.worse : difference < -same ? metric.better : metric.same);
  }
  metric.difference = describe(differences, scratch);
  return metric;
}

}  // namespace

Comparison compare(const Result& a, const Result& b, const SummaryOptions& options,
                   const std::string& name_a, const std::string& name_b) {
  Comparison comparison;
  comparison.name_a = name_a;
  comparison.name_b = name_b;
  comparison.a = summarise(a, options);
  comparison.b = summarise(b, options);
  comparison.cluster_a = lines_only_in(a.cluster_text, b.cluster_text);
  comparison.cluster_b = lines_only_in(b.cluster_text, a.cluster_text);
  const std::vector<std::uint32_t> order_a = by_place(a), order_b = by_place(b);
  comparison.why_unpaired = difference_of_traces(a, b, order_a, order_b);
  if (!comparison.is_paired()) return comparison;

  const std::vector<Pair> pairs =
      measured_pairs(a, b, comparison.a.window, comparison.b.window, order_a, order_b);
  for (const Pair& pair : pairs) {
    const bool in_a = finished(*pair.a), in_b = finished(*pair.b);
    comparison.pairs += in_a && in_b ? 1 : 0;
    comparison.finished_only_in_a += in_a && !in_b ? 1 : 0;
    comparison.finished_only_in_b += in_b && !in_a ? 1 : 0;
  }
  comparison.paired = {
      paired_metric("TTFT", pairs, [](const RequestResult& r) { return ttft(r); }),
      paired_metric("TPOT", pairs, [](const RequestResult& r) { return tpot(r); }),
      paired_metric("E2E", pairs, [](const RequestResult& r) { return std::optional(e2e(r)); }),
  };
  return comparison;
}

}  // namespace scsim::analysis
