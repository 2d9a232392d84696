#include "traces/log_import.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <unordered_map>
#include <utility>

#include "traces/csv_rows.h"
#include "traces/json_rows.h"
#include "traces/log_numbers.h"
#include "traces/text.h"

namespace scsim {
namespace {

constexpr std::size_t kKeptRejections = 10;
// Well below kMostTokens, so that a content of whole blocks fits a trace as well.
constexpr Tokens kLongest{1 << 30};

Expected<void> check_row(const LoggedRequest& row, bool keep_times) {
  const auto check = [](std::string_view what, Tokens tokens) {
    return check_range(what, tokens.value(), 1, kLongest.value());
  };
  if (Expected<void> ok = check("tokens of the prompt", row.prompt_tokens); !ok) return ok;
  if (Expected<void> ok = check("tokens of the answer", row.output_tokens); !ok) return ok;
  if (row.max_tokens) {
    if (Expected<void> ok = check("max_tokens", *row.max_tokens); !ok) return ok;
  }
  if (keep_times && row.time_ns < 0) {
    return Error{"the time is before 0, which time_zero=keep does not allow"};
  }
  return {};
}

// The first reading.
class Survey : public LogRows {
 public:
  Survey(bool strict, bool keep_times) : strict_(strict), keep_times_(keep_times) {}

  Expected<void> add(const std::string& path, std::int64_t line,
                     Expected<LoggedRequest> row) override {
    ++report.rows;
    if (!row) return reject_row(report, strict_, path, line, row.error().message);
    if (!row->left_out.empty()) {
      ++report.left_out;
      ++left_out[row->left_out];
      return {};
    }
    if (Expected<void> ok = check_row(*row, keep_times_); !ok) {
      return reject_row(report, strict_, path, line, ok.error().message);
    }
    in_order = in_order && row->time_ns >= last_time_;
    last_time_ = row->time_ns;
    first_time = std::min(first_time, row->time_ns);
    latest_time = std::max(latest_time, row->time_ns);
    longest_answer = std::max(longest_answer, row->output_tokens);
    any_without_max_tokens = any_without_max_tokens || !row->max_tokens;
    ++report.requests;
    return {};
  }

  ImportReport report;
  std::map<std::string, std::uint64_t> left_out;  // reason -> rows
  bool in_order = true;
  bool any_without_max_tokens = false;
  std::int64_t first_time = std::numeric_limits<std::int64_t>::max();
  std::int64_t latest_time = std::numeric_limits<std::int64_t>::min();
  Tokens longest_answer{0};

 private:
  bool strict_, keep_times_;
  std::int64_t last_time_ = std::numeric_limits<std::int64_t>::min();
};

// Names to ids of one table of the trace. A row that gives no name is of "default".
template <class Id>
class Names {
 public:
  template <class Declare>
  Id find(const std::string& name, const Declare& declare) {
    if (auto found = ids_.find(name); found != ids_.end()) return found->second;
    Id id = declare(name.empty() ? "default" : name);
    ids_.emplace(name, id);
    if (name.empty()) ids_.emplace("default", id);
    if (name == "default") ids_.emplace("", id);
    return id;
  }

 private:
  std::unordered_map<std::string, Id> ids_;
};

// The second reading.
class Emitter : public LogRows {
 public:
  Emitter(const LogImport& log, const Survey& survey, bool keep_times, std::int64_t zero_ns,
          Tokens max_tokens, TraceWriter& writer)
      : log_(log),
        survey_(survey),
        keep_times_(keep_times),
        zero_ns_(zero_ns),
        max_tokens_(max_tokens),
        writer_(writer) {}

  Expected<void> add(const std::string&, std::int64_t, Expected<LoggedRequest> row) override {
    if (!row || !row->left_out.empty() || !check_row(*row, keep_times_)) return {};
    if (survey_.in_order) {
      write(*row);
    } else {
      held_.push_back(std::move(*row));
    }
    return {};
  }

  void write_held() {
    std::ranges::stable_sort(held_, {}, &LoggedRequest::time_ns);
    for (const LoggedRequest& row : held_) write(row);
  }

  std::uint64_t requests = 0;
  std::uint64_t without_parent = 0;  // rows that continue one that is not in the log before them

 private:
  struct Chat {
    SessionId session;
    RequestId last;
    int turn = 0;
  };

  void write(const LoggedRequest& row) {
    ++requests;
    Request request;
    request.tenant = tenants_.find(row.tenant, [&](auto name) { return writer_.add_tenant(name); });
    request.model = models_.find(row.model, [&](auto name) { return writer_.add_model(name); });
    request.task = tasks_.find(row.task, [&](auto name) { return writer_.add_task(name); });
    request.slo = slos_.find(row.slo, [&](std::string_view name) {
      return writer_.add_slo(
          SloClass{.id = {}, .name = std::string(name), .ttft = {}, .tpot = {}, .e2e = {}});
    });
    request.arrival = TimePoint(row.time_ns - zero_ns_);
    request.earliest = *request.arrival;
    request.priority = row.priority;
    request.output_tokens = row.output_tokens;
    request.max_tokens = row.max_tokens.value_or(max_tokens_);
    place(row, request);
    if (log_.fill) {
      log_.fill(row, writer_, request);
    } else {
      request.prompt = {Span{writer_.add_content(row.prompt_tokens), Tokens(0), row.prompt_tokens}};
    }
    if (!request.output.valid()) request.output = writer_.add_content(request.output_tokens);
    request.max_tokens = std::max(request.max_tokens, request.output_tokens);
    remember(row, request, writer_.add(request));
  }

  // Tenants number their sessions each for itself.
  static std::string session_key(const LoggedRequest& row) {
    return row.tenant + '\0' + row.session;
  }

  // Session, turn and parents, from what the row says of itself and what came before.
  void place(const LoggedRequest& row, Request& request) {
    const Chat* before = nullptr;
    if (!row.session.empty()) {
      auto found = sessions_.find(session_key(row));
      if (found != sessions_.end()) before = &found->second;
    } else if (row.parent_chat) {
      auto found = chats_.find(*row.parent_chat);
      if (found != chats_.end()) before = &found->second;
      without_parent += before == nullptr;
    }
    if (before) {
      request.session = before->session;
      request.parents = {before->last};
      request.turn = row.turn.value_or(before->turn + 1);
    } else {
      request.session = SessionId(num_sessions_++);
      request.turn = row.turn.value_or(0);
    }
  }

  void remember(const LoggedRequest& row, const Request& request, RequestId id) {
    Chat chat{.session = request.session, .last = id, .turn = request.turn};
    if (!row.session.empty()) sessions_[session_key(row)] = chat;
    if (row.chat) chats_[*row.chat] = chat;
  }

  const LogImport& log_;
  const Survey& survey_;
  bool keep_times_;
  std::int64_t zero_ns_;
  Tokens max_tokens_;
  TraceWriter& writer_;
  std::vector<LoggedRequest> held_;
  Names<TenantId> tenants_;
  Names<ModelId> models_;
  Names<TaskId> tasks_;
  Names<SloId> slos_;
  std::unordered_map<std::string, Chat> sessions_;
  std::unordered_map<std::uint64_t, Chat> chats_;
  std::uint64_t num_sessions_ = 0;
};

}  // namespace

ImportOption default_max_tokens_option() {
  return {"default_max_tokens", "auto",
          "max_tokens where the log has none; auto: the longest answer, rounded up to a power of "
          "two"};
}

std::vector<ImportOption> log_options() {
  return {{"time_zero", "first",
           "first: the trace begins with its first request; keep: times as logged"},
          default_max_tokens_option()};
}

Error no_requests(const ImportReport& report, const std::string& path) {
  std::string message = path + ": no request among " +
                        format_integer(static_cast<std::int64_t>(report.rows)) + " rows";
  if (!report.first_rejected.empty()) message += "; " + report.first_rejected.front();
  return Error{message};
}

Expected<void> reject_row(ImportReport& report, bool strict, const std::string& path,
                          std::int64_t line, const std::string& why) {
  std::string message = path + ":" + std::to_string(line) + ": " + why;
  if (strict) return Error{message};
  ++report.rejected;
  if (report.first_rejected.size() < kKeptRejections) {
    report.first_rejected.push_back(std::move(message));
  }
  return {};
}

Expected<Tokens> max_tokens_of_all(const ImportOptions& options, Tokens longest_answer,
                                   std::vector<std::string>& assumptions) {
  if (options.text("default_max_tokens") != "auto") {
    Expected<std::int64_t> given = options.integer("default_max_tokens", 1, kLongest.value());
    if (!given) return given.error();
    assumptions.push_back("max_tokens is " + format_integer(*given) +
                          " where the log does not give it, more where the answer was longer");
    return Tokens(*given);
  }
  auto longest = static_cast<std::uint64_t>(longest_answer.value());
  Tokens all(static_cast<std::int64_t>(std::bit_ceil(longest)));
  assumptions.push_back("max_tokens is " + format_integer(all.value()) +
                        " where the log does not give it: the longest answer, rounded up to a "
                        "power of two");
  return all;
}

Expected<ImportReport> import_log(const LogImport& log, const ImportInputs& inputs,
                                  const ImportOptions& options, const OpenTrace& open) {
  Expected<std::string> zero = options.choice("time_zero", {"first", "keep"});
  if (!zero) return zero.error();
  const bool keep_times = *zero == "keep";

  Survey survey(inputs.strict, keep_times);
  if (Expected<void> ok = log.read(survey); !ok) return ok.error();
  ImportReport& report = survey.report;
  if (report.requests == 0) return no_requests(report, inputs.paths.front());
  const std::int64_t zero_ns = keep_times ? 0 : survey.first_time;
  if (survey.latest_time / 2 - zero_ns / 2 >= kLatestArrival.ns() / 2) {
    return Error{inputs.paths.front() + ": times span more than 146 years; is the unit right?"};
  }
  report.assumptions = log.assumptions;
  if (!survey.in_order) {
    report.assumptions.push_back("rows were not in order of time and are sorted by it");
  }
  for (const auto& [reason, rows] : survey.left_out) {
    report.assumptions.push_back(format_integer(static_cast<std::int64_t>(rows)) +
                                 " rows left out: " + reason);
  }
  Tokens max_tokens{0};
  if (survey.any_without_max_tokens) {
    Expected<Tokens> all = max_tokens_of_all(options, survey.longest_answer, report.assumptions);
    if (!all) return all.error();
    max_tokens = *all;
  }

  Expected<TraceWriter> writer = open(report.assumptions);
  if (!writer) return writer.error();
  Emitter emitter(log, survey, keep_times, zero_ns, max_tokens, *writer);
  if (Expected<void> ok = log.read(emitter); !ok) return ok.error();
  emitter.write_held();
  if (emitter.requests != report.requests) {
    return Error{inputs.paths.front() + ": changed while it was read"};
  }
  if (emitter.without_parent > 0) {
    report.assumptions.push_back(
        format_integer(static_cast<std::int64_t>(emitter.without_parent)) +
        " requests continue one that is not in the log before them; each begins a session");
  }
  if (Expected<void> ok = writer->finish(); !ok) return ok.error();
  return std::move(report);
}

Expected<void> read_json_log(
    const std::vector<std::string>& paths, LogRows& rows,
    const std::function<Expected<LoggedRequest>(const JsonValue&)>& parse) {
  for (const std::string& path : paths) {
    Expected<JsonRows> reader = JsonRows::open(path);
    if (!reader) return reader.error();
    while (true) {
      Expected<bool> more = reader->next();
      if (!more) return more.error();
      if (!*more) break;
      const Expected<JsonValue>& row = reader->row();
      Expected<void> ok =
          rows.add(path, reader->line(), row ? parse(*row) : Expected<LoggedRequest>(row.error()));
      if (!ok) return ok;
    }
  }
  return {};
}

Expected<void> read_csv_log(const std::vector<std::string>& paths, bool header, LogRows& rows,
                            const std::function<Expected<CsvParse>(const CsvRows&)>& bind) {
  for (const std::string& path : paths) {
    Expected<CsvRows> reader = CsvRows::open(path, header);
    if (!reader) return reader.error();
    Expected<CsvParse> parse = bind(*reader);
    if (!parse) return parse.error();
    while (true) {
      Expected<bool> more = reader->next();
      if (!more) return more.error();
      if (!*more) break;
      Expected<void> well_formed = reader->check_row();
      Expected<void> ok =
          rows.add(path, reader->line(),
                   well_formed ? (*parse)(*reader) : Expected<LoggedRequest>(well_formed.error()));
      if (!ok) return ok;
    }
  }
  return {};
}

}  // namespace scsim
