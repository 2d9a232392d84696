#include "traces/trace_stat.h"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cmath>
#include <utility>

#include "traces/check.h"
#include "traces/prefix_tree.h"

namespace scsim {
namespace {

// What became of a piece of a prefix: by prompts, and by outputs behind them.
struct Use {
  std::int64_t prompts = 0;  // whose prompt holds it
  TimePoint first, last;     // of these
  SessionId first_session;
  TenantId first_tenant;
  bool touched = false;        // by a prompt or an output
  bool prompt_ends = false;    // some prompt ends with it
  bool sequence_ends = false;  // some prompt with its output ends with it
  void becomes_upper_part() { prompt_ends = sequence_ends = false; }
};

// Weights by time, in bins 1/32 of a power of two wide.
class TimeHistogram {
 public:
  void add(Duration time, double weight) {
    weight_[bin(static_cast<std::uint64_t>(time.ns()))] += weight;
    total_ += weight;
    sum_ += weight * time.seconds().value();
    max_ = std::max(max_, time);
  }
  double mean() const { return total_ > 0 ? sum_ / total_ : 0; }
  double max() const { return max_.seconds().value(); }
  double quantile(double q) const {
    double below = 0;
    for (std::size_t i = 0; i < weight_.size(); ++i) {
      if (weight_[i] > 0 && below + weight_[i] >= q * total_) {
        const double part = (q * total_ - below) / weight_[i];
        const double low = start(i), high = std::min(start(i + 1), static_cast<double>(max_.ns()));
        return (low + part * std::max(0.0, high - low)) * 1e-9;
      }
      below += weight_[i];
    }
    return max();
  }

 private:
  static constexpr int kBits = 5;
  static std::size_t bin(std::uint64_t ns) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - kBits - 1);
    return (static_cast<std::size_t>(shift) << kBits) + static_cast<std::size_t>(ns >> shift);
  }
  static double start(std::size_t bin) {
    const std::size_t shift = bin < (2u << kBits) ? 0 : (bin >> kBits) - 1;
    return std::ldexp(static_cast<double>(bin - (shift << kBits)), static_cast<int>(shift));
  }

  std::array<double, 60 << kBits> weight_{};
  double total_ = 0, sum_ = 0;
  Duration max_{};
};

// Which tokens of a content were seen: disjoint intervals in order, mostly one.
class SeenTokens {
 public:
  Tokens count(Tokens first, Tokens count) const {
    Tokens seen{0};
    const Tokens end = first + count;
    for (const auto& [low, high] : intervals_)
      seen += std::max(Tokens(0), std::min(end, high) - std::max(first, low));
    return seen;
  }
  void add(Tokens first, Tokens count) {
    Tokens end = first + count;
    // Those that touch it become one with it.
    const auto begin = std::ranges::lower_bound(intervals_, first, {}, &Interval::second);
    auto behind = begin;
    for (; behind != intervals_.end() && behind->first <= end; ++behind) {
      first = std::min(first, behind->first);
      end = std::max(end, behind->second);
    }
    if (behind - begin == 1) {
      *begin = {first, end};
    } else {
      intervals_.insert(intervals_.erase(begin, behind), Interval(first, end));
    }
  }

 private:
  using Interval = std::pair<Tokens, Tokens>;  // from, to
  std::vector<Interval> intervals_;
};

LengthSummary summary_of(std::vector<std::int64_t> values) {
  LengthSummary summary;
  summary.count = values.size();
  if (values.empty()) return summary;
  double sum = 0;
  for (const std::int64_t value : values) sum += static_cast<double>(value);
  summary.mean = sum / static_cast<double>(values.size());
  std::ranges::sort(values);
  const auto rank = [&](std::size_t percent) {
    return values[std::max<std::size_t>((values.size() * percent + 99) / 100, 1) - 1];
  };
  summary.p50 = rank(50);
  summary.p90 = rank(90);
  summary.p99 = rank(99);
  summary.max = values.back();
  return summary;
}

// REQUIRES: times in order.
ArrivalSummary summary_of(const std::vector<TimePoint>& times) {
  ArrivalSummary summary;
  summary.count = times.size();
  if (times.size() < 2 || times.front() == times.back()) return summary;
  const double length_s = (times.back() - times.front()).seconds().value();
  const auto gaps = static_cast<double>(times.size() - 1);
  summary.rate_per_second = gaps / length_s;
  const double mean = length_s / gaps;
  double squares = 0;
  for (std::size_t i = 1; i < times.size(); ++i) {
    const double off = (times[i] - times[i - 1]).seconds().value() - mean;
    squares += off * off;
  }
  summary.gap_cv = std::sqrt(squares / gaps) / mean;

  // Windows of a minute, or ten of them where the trace is shorter than ten minutes.
  const double windows = length_s >= 600 ? std::floor(length_s / 60) : 10;
  summary.window_seconds = length_s / windows;
  std::vector<std::int64_t> in_window(static_cast<std::size_t>(windows));
  for (const TimePoint time : times) {
    const double place = (time - times.front()).seconds().value() / summary.window_seconds;
    ++in_window[std::min(static_cast<std::size_t>(place), in_window.size() - 1)];
  }
  summary.peak_to_mean = static_cast<double>(*std::ranges::max_element(in_window)) /
                         (static_cast<double>(times.size()) / windows);
  return summary;
}

class Survey {
 public:
  Survey(TraceStat& stat, std::int64_t block_tokens) : stat_(stat), block_(block_tokens) {
    SCSIM_CHECK_GT(block_tokens, 0);
  }

  void hear_content(Tokens tokens) {
    ++stat_.contents;
    stat_.content_tokens += tokens.value();
  }

  void take(const Request& request) {
    const std::int64_t tokens = request.prompt_tokens().value();
    count(request, tokens);
    judge_position_free(request, tokens);

    path_.clear();
    tree_.descend(tree_.kRoot, request.prompt, path_);
    const std::size_t prompt_nodes = path_.size();
    if (request.output.valid() && request.output_tokens > Tokens(0)) {
      const Span output{request.output, Tokens(0), request.output_tokens};
      tree_.descend(path_.empty() ? tree_.kRoot : path_.back(), {&output, 1}, path_);
    }
    const std::span<const std::uint32_t> prompt(path_.data(), prompt_nodes);
    judge_prefix(request, tokens, prompt);
    touch(request, prompt);
  }

  void finish(const TraceTables& tables) {
    stat_.requests = prompts_.size();
    if (!times_.empty()) {
      stat_.first = times_.front();
      stat_.last = times_.back();
    }
    stat_.request_arrivals = summary_of(times_);
    stat_.session_arrivals = summary_of(session_starts_);
    stat_.prompt = summary_of(std::move(prompts_));
    stat_.output = summary_of(std::move(outputs_));
    stat_.prompt_spans = summary_of(std::move(spans_));
    stat_.session_requests = summary_of(std::move(session_requests_));
    stat_.tenants.resize(std::max(stat_.tenants.size(), tables.tenants.size()));
    for (std::size_t i = 0; i < tables.tenants.size(); ++i) {
      stat_.tenants[i].name = tables.tenants[i].name;
      stat_.tenants[i].price_class = tables.tenants[i].price_class;
    }
    stat_.gap_mean = gaps_.mean();
    stat_.gap_p50 = gaps_.quantile(0.5);
    stat_.gap_p90 = gaps_.quantile(0.9);
    stat_.gap_p99 = gaps_.quantile(0.99);
    stat_.gap_max = gaps_.max();
    walk_tree();
  }

 private:
  TenantStat& tenant(const Request& request) {
    const std::size_t place = request.tenant.value();
    if (place >= stat_.tenants.size()) stat_.tenants.resize(place + 1);
    return stat_.tenants[place];
  }

  void count(const Request& request, std::int64_t tokens) {
    times_.push_back(request.earliest);
    prompts_.push_back(tokens);
    outputs_.push_back(request.output_tokens.value());
    spans_.push_back(static_cast<std::int64_t>(request.prompt.size()));
    stat_.spans += request.prompt.size();
    stat_.closed_loop += !request.arrival.has_value();
    stat_.with_parents += !request.parents.empty();
    stat_.with_cancel += request.cancel_after.has_value();
    TenantStat& mine = tenant(request);
    ++mine.requests;
    mine.prompt_tokens += tokens;
    mine.output_tokens += request.output_tokens.value();
    const auto [session, fresh] =
        sessions_.try_emplace(request.session.value(), session_requests_.size());
    if (fresh) {
      session_requests_.push_back(0);
      session_starts_.push_back(request.earliest);
      ++mine.sessions;
    }
    ++session_requests_[session->second];
  }

  void judge_position_free(const Request& request, std::int64_t tokens) {
    stat_.position_free.total += tokens;
    for (const Span& span : request.prompt) {
      const std::size_t content = span.content.value();
      if (content >= seen_.size()) seen_.resize(content + 1);
      stat_.position_free.found += seen_[content].count(span.first, span.count).value();
    }
    for (const Span& span : request.prompt) seen_[span.content.value()].add(span.first, span.count);
  }

  // Blocks of a prompt of `tokens` of which `found` are there: whole ones, and the partial one at
  // the end where an equal sequence ended.
  void count_blocks(std::int64_t tokens, std::int64_t found, bool ends, ReuseCount& blocks) const {
    blocks.total += (tokens + block_ - 1) / block_;
    blocks.found += found / block_ + (found == tokens && ends && tokens % block_ != 0 ? 1 : 0);
  }

  void judge_prefix(const Request& request, std::int64_t tokens,
                    std::span<const std::uint32_t> prompt) {
    std::int64_t found = 0, found_with_outputs = 0;
    for (const std::uint32_t index : prompt) {
      const Use& use = tree_[index].payload;
      const std::int64_t here = tree_[index].tokens.value();
      if (use.touched) found_with_outputs += here;
      if (use.prompts == 0) continue;
      found += here;
      gaps_.add(request.earliest - use.last, static_cast<double>(here));
      (use.first_session == request.session ? stat_.found_own_session
       : use.first_tenant == request.tenant ? stat_.found_own_tenant
                                            : stat_.found_other_tenant) += here;
    }
    const Use end = prompt.empty() ? Use{} : tree_[prompt.back()].payload;
    const auto take = [&](ReuseCount& in_tokens, ReuseCount& in_blocks, std::int64_t there,
                          bool ends) {
      in_tokens.total += tokens;
      in_tokens.found += there;
      count_blocks(tokens, there, ends, in_blocks);
    };
    take(stat_.prefix_tokens, stat_.prefix_blocks, found, end.prompt_ends);
    take(stat_.prefix_tokens_with_outputs, stat_.prefix_blocks_with_outputs, found_with_outputs,
         end.sequence_ends);
    TenantStat& mine = tenant(request);
    mine.prefix.total += tokens;
    mine.prefix.found += found;
    mine.unique_tokens += tokens - found;
  }

  void touch(const Request& request, std::span<const std::uint32_t> prompt) {
    for (const std::uint32_t index : path_) tree_[index].payload.touched = true;
    for (const std::uint32_t index : prompt) {
      Use& use = tree_[index].payload;
      if (use.prompts++ == 0) {
        use.first = request.earliest;
        use.first_session = request.session;
        use.first_tenant = request.tenant;
      }
      use.last = request.earliest;
    }
    if (!prompt.empty()) tree_[prompt.back()].payload.prompt_ends = true;
    if (!path_.empty()) tree_[path_.back()].payload.sequence_ends = true;
  }

  void walk_tree() {
    std::vector<std::pair<TimePoint, std::int64_t>> changes;  // of the live set
    double token_seconds = 0;
    for (std::uint32_t index = 1; index < tree_.size(); ++index) {
      const Use& use = tree_[index].payload;
      const std::int64_t tokens = tree_[index].tokens.value();
      if (use.prompts == 0) continue;
      stat_.unique_tokens += tokens;
      const auto group = static_cast<std::size_t>(std::bit_width(std::uint64_t(use.prompts - 1)));
      if (group >= stat_.unique_by_fan_out.size()) stat_.unique_by_fan_out.resize(group + 1);
      stat_.unique_by_fan_out[group] += tokens;
      stat_.max_fan_out = std::max(stat_.max_fan_out, use.prompts);
      if (use.last == use.first) continue;
      changes.emplace_back(use.first, tokens);
      changes.emplace_back(use.last, -tokens);
      token_seconds += static_cast<double>(tokens) * (use.last - use.first).seconds().value();
    }
    std::ranges::sort(changes);  // at one instant what ends goes first
    std::int64_t live = 0;
    for (const auto& [time, change] : changes) {
      live += change;
      if (live <= stat_.live_peak) continue;
      stat_.live_peak = live;
      stat_.live_peak_at = time;
    }
    SCSIM_CHECK_EQ(live, 0);
    if (stat_.last > stat_.first)
      stat_.live_mean = token_seconds / (stat_.last - stat_.first).seconds().value();
  }

  TraceStat& stat_;
  std::int64_t block_;
  PrefixTree<Use> tree_;
  std::vector<std::uint32_t> path_;
  std::vector<SeenTokens> seen_;  // by content
  std::vector<TimePoint> times_, session_starts_;
  std::vector<std::int64_t> prompts_, outputs_, spans_, session_requests_;
  boost::unordered_flat_map<std::uint64_t, std::size_t> sessions_;  // place in session_requests_
  TimeHistogram gaps_;
};

}  // namespace

Expected<TraceStat> stat_trace(const std::string& path, const StatOptions& options) {
  if (options.block_tokens <= 0)
    return Error{"block tokens: " + std::to_string(options.block_tokens) + "; expected 1 or more"};
  Expected<TraceReader> reader = TraceReader::open(path);
  if (!reader) return reader.error();
  TraceStat stat;
  stat.path = path;
  stat.header = reader->header();
  stat.block_tokens = options.block_tokens;
  Survey survey(stat, options.block_tokens);
  reader->on_content([&](ContentId, Tokens tokens) { survey.hear_content(tokens); });
  Request request;
  for (std::uint64_t taken = 0;; ++taken) {
    const Expected<bool> more = reader->next(request);
    if (!more) return more.error();
    if (!*more) break;
    survey.take(request);
    if (options.progress && taken % 1024 == 0) options.progress(reader->progress());
  }
  survey.finish(reader->tables());
  return stat;
}

}  // namespace scsim
