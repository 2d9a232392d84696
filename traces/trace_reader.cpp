// Nothing in a file is believed: whoever simulates may index by any id, add any counts and compare
// any times that come out of here.
#include <google/protobuf/io/coded_stream.h>

#include <utility>

#include "traces/content_lengths.h"
#include "traces/file_header.h"
#include "traces/record_file.h"
#include "traces/slo_message.h"
#include "traces/stored_trace.h"
#include "traces/trace.h"

namespace scsim {
namespace {

constexpr auto kMostTokensUnsigned = static_cast<std::uint64_t>(kMostTokens.value());
constexpr auto kLatestUnsigned = static_cast<std::uint64_t>(kLatestArrival.ns());

// A record that is a request and nothing else, which most are, is parsed into a message whose
// memory is reused; a TraceRecord would allocate anew, because its parser clears the `oneof` first.
bool parse_request_alone(std::string_view bytes, proto::Request& message) {
  constexpr int kLengthDelimited = 2;  // of protobuf's wire types
  constexpr int kTag = proto::TraceRecord::kRequestFieldNumber << 3 | kLengthDelimited;
  static_assert(kTag < 0x80);
  if (bytes.empty() || static_cast<unsigned char>(bytes[0]) != kTag) return false;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()) + 1,
                                            static_cast<int>(bytes.size() - 1));
  std::uint32_t size = 0;
  if (!in.ReadVarint32(&size)) return false;
  const auto at = static_cast<std::size_t>(in.CurrentPosition()) + 1;
  if (bytes.size() - at != size) return false;
  return message.ParseFromArray(bytes.data() + at, static_cast<int>(size));
}

}  // namespace

struct TraceReader::State {
  TraceHeader header;
  TraceTables tables;
  std::function<void(ContentId, Tokens)> hear_content;
  std::function<void(ContentId, std::string_view, std::string_view)> hear_text;
  std::optional<Expected<bool>> ended;  // what next() goes on to give

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  virtual ~State() = default;
  // The next request, or false at the end.
  virtual Expected<bool> next(Request& out) = 0;
  virtual double progress() const = 0;
};

struct TraceReader::StoredState final : State {
  std::shared_ptr<const StoredTrace> trace;
  std::size_t at = 0;

  explicit StoredState(std::shared_ptr<const StoredTrace> stored) : trace(std::move(stored)) {
    header = trace->header;
    tables = trace->tables;
  }
  Expected<bool> next(Request& out) override {
    if (at == trace->requests.size()) return false;
    out = trace->requests[at++];
    return true;
  }
  double progress() const override {
    return trace->requests.empty()
               ? 1
               : static_cast<double>(at) / static_cast<double>(trace->requests.size());
  }
};

struct TraceReader::FileState final : State {
  std::string path;
  RecordReader records;
  ContentLengths contents;
  std::uint64_t requests = 0;
  std::int64_t latest_ns = 0;
  proto::Request request;  // memory reused by every request
  proto::TraceRecord record;

  FileState(std::string file, RecordReader reader)
      : path(std::move(file)), records(std::move(reader)) {}
  double progress() const override { return records.progress(); }

  Error bad(const std::string& what) const { return Error{records.where() + ": " + what}; }
  Error bad_request(const std::string& what) const {
    return bad("request " + std::to_string(requests) + ": " + what);
  }

  Expected<void> read_header() {
    Expected<std::string_view> bytes = records.next();
    if (!bytes) return bytes.error();
    if (!parse_record(*bytes, record) || !record.has_header()) {
      return Error{path + ": does not begin with a header; it is not a file of SCSim"};
    }
    Expected<void> known = check_file_header(record.header(), kTraceFormat, kTraceVersion, path);
    if (!known) return known;
    header = from_file_header(record.header());
    return {};
  }

  Expected<bool> next(Request& out) override {
    while (true) {
      Expected<std::string_view> bytes = records.next();
      if (!bytes) return bytes.error();
      if (bytes->data() == nullptr) {
        return Error{path + ": ends at offset " + std::to_string(records.offset()) +
                     " without a footer; the file was cut"};
      }
      if (parse_request_alone(*bytes, request)) return take(request, out);
      if (!parse_record(*bytes, record)) {
        return bad("a record cannot be parsed");
      }
      if (record.has_request()) return take(record.request(), out);
      if (record.has_footer()) return take_footer();
      Expected<void> taken = take_entry();
      if (!taken) return taken.error();
    }
  }

  Expected<bool> take_footer() {
    const proto::FileFooter& footer = record.footer();
    if (footer.records() != records.records() - 1 || footer.requests() != requests) {
      return bad("the footer counts " + std::to_string(footer.records()) + " records with " +
                 std::to_string(footer.requests()) + " requests, but the file has " +
                 std::to_string(records.records() - 1) + " with " + std::to_string(requests));
    }
    if (!records.at_end()) return bad("something follows the footer");
    return false;
  }

  // An entry of a table, contents or a text.
  Expected<void> take_entry() {
    switch (record.record_case()) {
      case proto::TraceRecord::kTenant: {
        const proto::Tenant& tenant = record.tenant();
        const std::size_t id = tables.tenants.size();
        tables.tenants.push_back({TenantId(id), tenant.name(), tenant.price_class()});
        return check_order("tenant", tenant.id(), id);
      }
      case proto::TraceRecord::kSlo:
        return take_slo(record.slo());
      case proto::TraceRecord::kModel:
        tables.models.push_back(record.model().name());
        return check_order("model", record.model().id(), tables.models.size() - 1);
      case proto::TraceRecord::kTask:
        tables.tasks.push_back(record.task().name());
        return check_order("task", record.task().id(), tables.tasks.size() - 1);
      case proto::TraceRecord::kContents:
        return take_contents(record.contents());
      case proto::TraceRecord::kText: {
        const proto::ContentText& text = record.text();
        if (text.content() >= contents.size()) {
          return bad("text of content " + std::to_string(text.content()) +
                     ", which was not declared");
        }
        if (hear_text) hear_text(ContentId(text.content()), text.role(), text.text());
        return {};
      }
      case proto::TraceRecord::kHeader:
        return bad("a second header");
      default:
        return bad("a record of a kind this version does not know");
    }
  }

  Expected<void> check_order(const char* kind, std::uint64_t found, std::uint64_t expected) const {
    if (found == expected) return {};
    return bad(std::string(kind) + " " + std::to_string(found) + " where " +
               std::to_string(expected) + " was expected");
  }

  Expected<void> take_slo(const proto::SloClass& message) {
    Expected<SloClass> slo = from_message(message);
    if (!slo) return bad(slo.error().message);
    tables.slos.push_back(std::move(*slo));
    return check_order("SLO", message.id(), tables.slos.size() - 1);
  }

  Expected<void> take_contents(const proto::ContentBatch& batch) {
    Expected<void> ordered = check_order("content", batch.first_id(), contents.size());
    if (!ordered) return ordered;
    for (const std::uint64_t tokens : batch.tokens()) {
      const ContentId id(contents.size());
      if (tokens > kMostTokensUnsigned) {
        return bad("content " + std::to_string(id.value()) + " has 2^31 tokens or more");
      }
      contents.add(static_cast<std::uint32_t>(tokens));
      if (hear_content) hear_content(id, Tokens(static_cast<std::int64_t>(tokens)));
    }
    return {};
  }

  Expected<bool> take(const proto::Request& in, Request& out) {
    if (in.tenant() >= tables.tenants.size()) return undeclared("tenant", in.tenant());
    if (in.model() >= tables.models.size()) return undeclared("model", in.model());
    if (in.task() >= tables.tasks.size()) return undeclared("task", in.task());
    if (in.slo() >= tables.slos.size()) return undeclared("SLO", in.slo());
    if (in.session() == SessionId::kNone) return bad_request("it has no session");
    if (in.turn() > 0x7FFFFFFFu) return bad_request("its turn is 2^31 or more");
    out.id = RequestId(requests);
    out.tenant = TenantId(in.tenant());
    out.session = SessionId(in.session());
    out.turn = static_cast<int>(in.turn());
    out.model = ModelId(in.model());
    out.task = TaskId(in.task());
    out.slo = SloId(in.slo());
    out.priority = in.priority();
    out.parents.clear();
    for (const std::uint32_t back : in.parents()) {
      if (back == 0 || back > requests) {
        return bad_request("a parent " + std::to_string(back) + " requests back");
      }
      out.parents.push_back(RequestId(requests - back));
    }
    if (Expected<void> timed = take_times(in, out); !timed) return timed.error();
    if (Expected<void> prompted = take_prompt(in, out); !prompted) return prompted.error();
    ++requests;
    return true;
  }

  Error undeclared(const char* kind, std::uint64_t id) const {
    return bad_request(std::string(kind) + " " + std::to_string(id) + " was not declared");
  }

  Expected<void> take_times(const proto::Request& in, Request& out) {
    const bool open_loop = in.has_arrival_ns();
    if (!open_loop && !in.has_think_ns()) {
      return bad_request("it has neither an arrival nor a think time");
    }
    const std::uint64_t earliest = open_loop ? in.arrival_ns() : in.earliest_ns();
    if (earliest > kLatestUnsigned || in.think_ns() > kLatestUnsigned ||
        in.cancel_after_ns() > kLatestUnsigned) {
      return bad_request("a time is too late");
    }
    out.earliest = TimePoint(static_cast<std::int64_t>(earliest));
    if (out.earliest.ns() < latest_ns) {
      return bad_request("it is earlier (" + std::to_string(earliest) +
                         " ns) than the request before it (" + std::to_string(latest_ns) + " ns)");
    }
    latest_ns = out.earliest.ns();
    out.arrival.reset();
    if (open_loop) out.arrival = out.earliest;
    out.think = Duration(static_cast<std::int64_t>(in.think_ns()));
    out.cancel_after.reset();
    if (in.cancel_after_ns() > 0) {
      out.cancel_after = Duration(static_cast<std::int64_t>(in.cancel_after_ns()));
    }
    return {};
  }

  Expected<void> take_prompt(const proto::Request& in, Request& out) {
    const auto tokens = [](std::uint64_t count) {
      return Tokens(static_cast<std::int64_t>(count));
    };
    out.prompt.clear();
    std::uint64_t sum = 0;
    for (const proto::Span& span : in.prompt()) {
      if (Expected<void> valid = check_span(span.content(), span.first(), span.count()); !valid) {
        return valid;
      }
      if (span.count() == 0) return bad_request("an empty span");
      sum += span.count();
      if (sum > kMostTokensUnsigned) return bad_request("its prompt has 2^31 tokens or more");
      out.prompt.push_back({ContentId(span.content()), tokens(span.first()), tokens(span.count())});
    }
    if (sum == 0) return bad_request("its prompt is empty");
    if (in.output_tokens() > kMostTokensUnsigned || in.max_tokens() > kMostTokensUnsigned) {
      return bad_request("its output has 2^31 tokens or more");
    }
    out.output = ContentId();
    if (in.has_output_content()) {
      out.output = ContentId(in.output_content());
      Expected<void> valid = check_span(in.output_content(), 0, in.output_tokens());
      if (!valid) return valid;
    }
    out.output_tokens = tokens(in.output_tokens());
    out.max_tokens = tokens(in.max_tokens());
    return {};
  }

  Expected<void> check_span(std::uint64_t content, std::uint64_t first, std::uint64_t count) const {
    if (content >= contents.size()) return undeclared("content", content);
    if (first > kMostTokensUnsigned || count > kMostTokensUnsigned ||
        !contents.allows(content, first, count)) {
      return bad_request("tokens [" + std::to_string(first) + ", " + std::to_string(first) + " + " +
                         std::to_string(count) + ") are not within content " +
                         std::to_string(content));
    }
    return {};
  }
};

TraceReader::TraceReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TraceReader::TraceReader(TraceReader&&) noexcept = default;
TraceReader& TraceReader::operator=(TraceReader&&) noexcept = default;
TraceReader::~TraceReader() = default;

Expected<TraceReader> TraceReader::open(const std::string& path) {
  Expected<RecordReader> records = RecordReader::open(path);
  if (!records) return records.error();
  auto state = std::make_unique<FileState>(path, std::move(*records));
  Expected<void> header = state->read_header();
  if (!header) return header.error();
  return TraceReader(std::move(state));
}

TraceReader TraceReader::over(std::shared_ptr<const StoredTrace> trace) {
  return TraceReader(std::make_unique<StoredState>(std::move(trace)));
}

const TraceHeader& TraceReader::header() const { return state_->header; }
const TraceTables& TraceReader::tables() const { return state_->tables; }
double TraceReader::progress() const { return state_->progress(); }

Expected<bool> TraceReader::next(Request& request) {
  if (state_->ended) return *state_->ended;
  Expected<bool> more = state_->next(request);
  if (!more || !*more) state_->ended = more;
  return more;
}

void TraceReader::on_content(std::function<void(ContentId, Tokens)> hear) {
  state_->hear_content = std::move(hear);
}

void TraceReader::on_text(std::function<void(ContentId, std::string_view, std::string_view)> hear) {
  state_->hear_text = std::move(hear);
}

}  // namespace scsim
