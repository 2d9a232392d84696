#include "traces/trace_cut.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <set>
#include <utility>

#include "traces/check.h"
#include "traces/rng.h"
#include "traces/text.h"
#include "traces/trace.h"

namespace scsim {
namespace {

// A set of dense numbers that knows how many of its members are below a number.
class RankedSet {
 public:
  void insert(std::uint64_t number) {
    if (number / 64 >= words_.size()) words_.resize(number / 64 + 1);
    words_[number / 64] |= std::uint64_t{1} << (number % 64);
  }
  bool contains(std::uint64_t number) const {
    return number / 64 < words_.size() && (words_[number / 64] >> (number % 64) & 1) != 0;
  }
  // To be called after the last insert() and before the first below().
  void count() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (i % kWordsPerCount == 0) counts_.push_back(sum);
      sum += static_cast<std::uint64_t>(std::popcount(words_[i]));
    }
  }
  // REQUIRES: contains(number).
  std::uint64_t below(std::uint64_t number) const {
    const std::size_t word = number / 64;
    std::uint64_t sum = counts_[word / kWordsPerCount];
    for (std::size_t i = word - word % kWordsPerCount; i < word; ++i)
      sum += static_cast<std::uint64_t>(std::popcount(words_[i]));
    const std::uint64_t lower = (std::uint64_t{1} << (number % 64)) - 1;
    return sum + static_cast<std::uint64_t>(std::popcount(words_[word] & lower));
  }

 private:
  static constexpr std::size_t kWordsPerCount = 8;
  std::vector<std::uint64_t> words_, counts_;
};

// Which requests are chosen, one after the other in file order.
class Choice {
 public:
  explicit Choice(const CutOptions& options)
      : options_(options), tenants_(options.tenants.begin(), options.tenants.end()) {}

  bool full() const { return options_.requests && chosen_ >= *options_.requests; }
  // Nothing behind this request can be chosen.
  bool past(const Request& request) const {
    return full() || (options_.to && request.earliest >= *options_.to);
  }
  bool take(const Request& request, const TraceTables& tables) {
    if (past(request) || (options_.from && request.earliest < *options_.from)) return false;
    if (!tenants_.empty() && !tenants_.contains(tables.tenants[request.tenant.value()].name))
      return false;
    if (options_.sessions < 1 &&
        !Rng(0, "cut.sessions", request.session.value()).chance(options_.sessions))
      return false;
    ++chosen_;
    return true;
  }

 private:
  const CutOptions& options_;
  std::set<std::string> tenants_;
  std::uint64_t chosen_ = 0;
};

// What the first reading learns.
struct Survey {
  TraceHeader header;
  RankedSet contents;  // of the chosen requests
  std::uint64_t num_chosen = 0;
  std::uint64_t largest_session = 0;

  void take(const Request& request) {
    ++num_chosen;
    largest_session = std::max(largest_session, request.session.value());
    for (const Span& span : request.prompt) contents.insert(span.content.value());
    if (request.output.valid()) contents.insert(request.output.value());
  }
};

Expected<Survey> survey(const std::string& in, const CutOptions& options,
                        const std::function<void(double)>& progress) {
  Expected<TraceReader> reader = TraceReader::open(in);
  if (!reader) return reader.error();
  Survey survey;
  survey.header = reader->header();
  Choice choice(options);
  Request request;
  // To the end even where no more can be chosen: a damaged file is to be noticed, and a tenant's
  // name may come late.
  for (std::uint64_t read = 0;; ++read) {
    const Expected<bool> more = reader->next(request);
    if (!more) return more.error();
    if (!*more) break;
    if (choice.take(request, reader->tables())) survey.take(request);
    if (read % 1024 == 0) progress(reader->progress());
  }
  std::vector<std::string> known;
  for (const Tenant& tenant : reader->tables().tenants) known.push_back(tenant.name);
  for (const std::string& tenant : options.tenants)
    if (std::ranges::find(known, tenant) == known.end())
      return Error{in + ": " + unknown_name("tenant", tenant, known)};
  survey.contents.count();
  return survey;
}

// Writes the chosen requests of one reading after another.
class Copier {
 public:
  Copier(const CutOptions& options, const Survey& survey, TraceWriter& writer)
      : options_(options), survey_(survey), writer_(writer) {}

  // Copy number `copy`.
  Expected<void> run(const std::string& in, std::uint64_t copy,
                     const std::function<void(double)>& progress) {
    Expected<TraceReader> reader = TraceReader::open(in);
    if (!reader) return reader.error();
    placed_.clear();
    first_content_.reset();
    Choice choice(options_);
    first_session_ = copy * (survey_.largest_session + 1);
    offset_ = report_.period * static_cast<std::int64_t>(copy);
    reader->on_content([&](ContentId content, Tokens tokens) {
      if (!survey_.contents.contains(content.value())) return;
      const ContentId added = writer_.add_content(tokens);
      if (!first_content_) first_content_ = added.value();
    });
    reader->on_text([&](ContentId content, std::string_view role, std::string_view text) {
      if (survey_.contents.contains(content.value())) writer_.add_text(fresh(content), role, text);
    });
    Request request;
    for (std::uint64_t read = 0; !choice.full(); ++read) {
      const Expected<bool> more = reader->next(request);
      if (!more) return more.error();
      if (!*more || choice.past(request)) break;
      write_until(sped_up(request.earliest, options_.speed > 1 ? options_.speed : 1));
      placed_.emplace_back();
      if (choice.take(request, reader->tables())) place(request, reader->tables());
      if (read % 1024 == 0) progress(reader->progress());
    }
    write_until(TimePoint::never());
    if (copy == 0) measure_period();
    return {};
  }

  const CutReport& report() const { return report_; }

 private:
  // A request read: where it is in the new file (once it is written) and when.
  struct Placed {
    RequestId id;
    TimePoint old_earliest, earliest = TimePoint::never();
    bool chosen() const { return earliest != TimePoint::never(); }
  };
  struct Waiting {
    std::uint64_t old_id;
    Request request;
    friend bool operator>(const Waiting& a, const Waiting& b) {
      return std::pair(a.request.earliest, a.old_id) > std::pair(b.request.earliest, b.old_id);
    }
  };

  ContentId fresh(ContentId content) const {
    return ContentId(*first_content_ + survey_.contents.below(content.value()));
  }

  static Duration shorter(Duration time, double speed) {
    if (speed == 1) return time;
    return to_duration(Seconds(time.seconds().value() / speed));
  }
  TimePoint sped_up(TimePoint time, double speed) const {
    const TimePoint begin = options_.from.value_or(TimePoint());
    return TimePoint() + shorter(std::max(time, begin) - begin, speed);
  }

  // Gives the request its times and lets it wait for its turn; parents still have their old ids.
  void place(const Request& old, const TraceTables& tables) {
    Request request = old;
    Placed& placed = placed_.back();
    placed.old_earliest = old.earliest;
    std::erase_if(request.parents, [&](RequestId id) { return !placed_[id.value()].chosen(); });
    if (request.parents.size() < old.parents.size()) ++report_.lost_parents;
    if (request.parents.empty() && !old.parents.empty() && !old.arrival) {
      ++report_.made_open_loop;
      request.arrival = old.earliest;
      request.think = Duration();
    }
    request.earliest = earliest(request);
    if (request.arrival) request.arrival = request.earliest;
    placed.earliest = request.earliest;
    rename(request, tables);
    waiting_.push_back({placed_.size() - 1, std::move(request)});
    std::ranges::push_heap(waiting_, std::greater<>());
  }

  // Open loop: the old time, sped up. Closed loop: what it was later than its parents and its think
  // time allowed is sped up; the think time is not.
  TimePoint earliest(const Request& request) const {
    if (request.arrival || request.parents.empty() || options_.speed == 1)
      return sped_up(request.earliest, options_.speed);
    TimePoint old_bound, bound;
    for (const RequestId parent : request.parents) {
      old_bound = std::max(old_bound, placed_[parent.value()].old_earliest + request.think);
      bound = std::max(bound, placed_[parent.value()].earliest + request.think);
    }
    if (request.earliest <= old_bound) return bound;
    return bound + shorter(request.earliest - old_bound, options_.speed);
  }

  void rename(Request& request, const TraceTables& tables) {
    for (Span& span : request.prompt) span.content = fresh(span.content);
    if (request.output.valid()) request.output = fresh(request.output);
    request.session = SessionId(first_session_ + request.session.value());
    request.tenant = declared(request.tenant, tables.tenants, tenants_, [&](const Tenant& tenant) {
      return writer_.add_tenant(tenant.name, tenant.price_class);
    });
    request.slo = declared(request.slo, tables.slos, slos_,
                           [&](const SloClass& slo) { return writer_.add_slo(slo); });
    request.model = declared(request.model, tables.models, models_,
                             [&](const std::string& name) { return writer_.add_model(name); });
    request.task = declared(request.task, tables.tasks, tasks_,
                            [&](const std::string& name) { return writer_.add_task(name); });
  }

  // The new id of an entry of a table, which is declared when it is first needed.
  template <class AnyId, class Entry, class Add>
  static AnyId declared(AnyId old, const std::vector<Entry>& table, std::vector<AnyId>& ids,
                        Add add) {
    if (ids.size() < table.size()) ids.resize(table.size());
    AnyId& id = ids[old.value()];
    if (!id.valid()) id = add(table[old.value()]);
    return id;
  }

  // All that waits for `time` or less; what is read later is not earlier than that.
  void write_until(TimePoint time) {
    while (!waiting_.empty() && waiting_.front().request.earliest <= time) {
      std::ranges::pop_heap(waiting_, std::greater<>());
      const std::uint64_t old_id = waiting_.back().old_id;
      Request request = std::move(waiting_.back().request);
      waiting_.pop_back();
      if (report_.requests == 0) first_ = request.earliest;
      // Rounded times may be a nanosecond off their order.
      last_ = std::max(last_, request.earliest + offset_);
      request.earliest = last_;
      if (request.arrival) request.arrival = last_;
      for (RequestId& parent : request.parents) parent = placed_[parent.value()].id;
      placed_[old_id].id = writer_.add(request);
      ++report_.requests;
    }
  }

  void measure_period() {
    if (options_.repeat < 2 || report_.requests < 2) return;
    const Duration length = last_ - first_;
    const auto gaps = static_cast<std::int64_t>(report_.requests - 1);
    report_.period = length + Duration((length.ns() + gaps - 1) / gaps);
  }

  const CutOptions& options_;
  const Survey& survey_;
  TraceWriter& writer_;
  CutReport report_;
  TimePoint first_, last_;

  // Of the copy being written.
  std::vector<Placed> placed_;  // by old id
  std::optional<std::uint64_t> first_content_;
  std::uint64_t first_session_ = 0;
  Duration offset_{};
  std::vector<Waiting> waiting_;  // a heap, the soonest first

  std::vector<TenantId> tenants_;  // new ids by old
  std::vector<SloId> slos_;
  std::vector<ModelId> models_;
  std::vector<TaskId> tasks_;
};

Expected<void> check(const CutOptions& options) {
  if (!(options.speed >= 1e-6 && options.speed <= 1e6))
    return Error{"speed: " + format_shortest(options.speed) +
                 "; expected a number from 1e-6 to 1e6"};
  if (!(options.sessions > 0 && options.sessions <= 1))
    return Error{"sessions: " + format_shortest(options.sessions) +
                 "; expected a share above 0, at most 1"};
  if (options.repeat < 1) return Error{"repeat: 0; expected 1 or more"};
  if (options.from && options.to && *options.from >= *options.to)
    return Error{"to: " + format_seconds(options.to->seconds().value()) +
                 " is not after from: " + format_seconds(options.from->seconds().value())};
  return {};
}

}  // namespace

Expected<CutReport> cut_trace(const std::string& in, const std::string& out,
                              const CutOptions& options, const std::string& made_by) {
  if (const Expected<void> checked = check(options); !checked) return checked.error();
  double readings_done = 0;
  const double readings = static_cast<double>(options.repeat) + 1;
  const auto progress = [&](double part) {
    if (options.progress) options.progress((readings_done + part) / readings);
  };
  const Expected<Survey> surveyed = survey(in, options, progress);
  if (!surveyed) return surveyed.error();
  if (surveyed->num_chosen == 0) return Error{in + ": none of its requests is chosen"};
  if (surveyed->largest_session >= SessionId::kNone / options.repeat - 1)
    return Error{in + ": its session ids are too large to repeat it so often"};

  TraceHeader header = surveyed->header;
  header.notes +=
      (header.notes.empty() ? "" : "; ") + ("cut from a trace made by: " + header.made_by);
  header.made_by = made_by;
  header.tool_version.clear();
  Expected<TraceWriter> writer = TraceWriter::create(out, header);
  if (!writer) return writer.error();
  Copier copier(options, *surveyed, *writer);
  for (std::uint64_t copy = 0; copy < options.repeat; ++copy) {
    ++readings_done;
    if (const Expected<void> done = copier.run(in, copy, progress); !done) return done.error();
  }
  if (const Expected<void> finished = writer->finish(); !finished) return finished.error();
  return copier.report();
}

}  // namespace scsim
