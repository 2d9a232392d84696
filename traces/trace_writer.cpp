// Requests wait in a small batch, so that the contents they use go into one record before them.
#include <utility>

#include "traces/content_lengths.h"
#include "traces/file_header.h"
#include "traces/record_file.h"
#include "traces/slo_message.h"
#include "traces/text.h"
#include "traces/trace.h"
#include "traces/version.h"

namespace scsim {
namespace {

constexpr std::size_t kBatchRequests = 256;
constexpr std::size_t kBatchContents = 1 << 16;
constexpr std::size_t kBatchTextBytes = 1 << 20;
constexpr std::size_t kBatchSpans = 1 << 16;

std::uint64_t unsigned_tokens(Tokens tokens) {
  SCSIM_CHECK_GE(tokens, Tokens{0});
  SCSIM_CHECK_LE(tokens, kMostTokens);
  return static_cast<std::uint64_t>(tokens.value());
}

std::uint64_t unsigned_ns(std::int64_t ns) {
  SCSIM_CHECK_GE(ns, std::int64_t{0});
  SCSIM_CHECK_LE(ns, kLatestArrival.ns());
  return static_cast<std::uint64_t>(ns);
}

}  // namespace

struct TraceWriter::State {
  RecordWriter records;
  ContentLengths contents;
  std::uint64_t tenants = 0, slos = 0, models = 0, tasks = 0, requests = 0;
  TimePoint latest{};

  // The batch. The messages keep their memory from one batch to the next.
  proto::TraceRecord new_contents;
  std::vector<proto::TraceRecord> new_texts;
  std::vector<proto::TraceRecord> batch = std::vector<proto::TraceRecord>(kBatchRequests);
  std::size_t batch_size = 0, batch_text_bytes = 0, batch_spans = 0;

  explicit State(RecordWriter writer) : records(std::move(writer)) {}

  void flush() {
    proto::ContentBatch& lengths = *new_contents.mutable_contents();
    if (lengths.tokens_size() > 0) {
      lengths.set_first_id(contents.size() - static_cast<std::uint64_t>(lengths.tokens_size()));
      records.append(new_contents);
      lengths.clear_tokens();
    }
    for (const proto::TraceRecord& text : new_texts) records.append(text);
    for (std::size_t i = 0; i < batch_size; ++i) records.append(batch[i]);
    new_texts.clear();
    batch_size = batch_text_bytes = batch_spans = 0;
  }

  void append_named(proto::NamedId& entry, std::string_view name, std::uint64_t& count,
                    const proto::TraceRecord& record) {
    entry.set_id(count++);
    entry.set_name(valid_utf8(name));
    records.append(record);
  }

  void fill(const Request& request, proto::Request& message) {
    message.Clear();
    SCSIM_CHECK_LT(request.tenant.value(), tenants);
    message.set_tenant(request.tenant.value());
    SCSIM_CHECK(request.session.valid());
    message.set_session(request.session.value());
    SCSIM_CHECK_GE(request.turn, 0);
    message.set_turn(static_cast<std::uint32_t>(request.turn));
    for (const RequestId parent : request.parents) {
      SCSIM_CHECK_LT(parent.value(), requests);
      SCSIM_CHECK_LE(requests - parent.value(), std::uint64_t{0xFFFFFFFFu});
      message.add_parents(static_cast<std::uint32_t>(requests - parent.value()));
    }

    const TimePoint earliest = request.arrival.value_or(request.earliest);
    SCSIM_CHECK_GE(earliest, latest);
    latest = earliest;
    if (request.arrival) {
      message.set_arrival_ns(unsigned_ns(earliest.ns()));
    } else {
      message.set_think_ns(unsigned_ns(request.think.ns()));
      message.set_earliest_ns(unsigned_ns(earliest.ns()));
    }

    SCSIM_CHECK_LT(request.model.value(), models);
    message.set_model(request.model.value());
    for (const Span& span : request.prompt) fill(span, *message.add_prompt());
    const Tokens prompt_tokens = request.prompt_tokens();
    SCSIM_CHECK_GT(prompt_tokens, Tokens{0});
    SCSIM_CHECK_LE(prompt_tokens, kMostTokens);

    const std::uint64_t output_tokens = unsigned_tokens(request.output_tokens);
    if (request.output.valid()) {
      SCSIM_CHECK_LT(request.output.value(), contents.size());
      SCSIM_CHECK(contents.allows(request.output.value(), 0, output_tokens));
      message.set_output_content(request.output.value());
    }
    message.set_output_tokens(output_tokens);
    message.set_max_tokens(unsigned_tokens(request.max_tokens));
    SCSIM_CHECK_LT(request.task.value(), tasks);
    message.set_task(request.task.value());
    SCSIM_CHECK_LT(request.slo.value(), slos);
    message.set_slo(request.slo.value());
    message.set_priority(request.priority);
    if (request.cancel_after) {
      SCSIM_CHECK_GT(*request.cancel_after, Duration{});
      message.set_cancel_after_ns(unsigned_ns(request.cancel_after->ns()));
    }
  }

  void fill(const Span& span, proto::Span& message) const {
    const std::uint64_t first = unsigned_tokens(span.first), count = unsigned_tokens(span.count);
    SCSIM_CHECK_GT(count, std::uint64_t{0});
    SCSIM_CHECK_LT(span.content.value(), contents.size());
    SCSIM_CHECK(contents.allows(span.content.value(), first, count));
    message.set_content(span.content.value());
    message.set_first(first);
    message.set_count(count);
  }
};

TraceWriter::TraceWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
TraceWriter::TraceWriter(TraceWriter&&) noexcept = default;
TraceWriter& TraceWriter::operator=(TraceWriter&&) noexcept = default;
TraceWriter::~TraceWriter() = default;

Expected<TraceWriter> TraceWriter::create(const std::string& path, const TraceHeader& header) {
  Expected<RecordWriter> records = RecordWriter::create(path);
  if (!records) return records.error();
  proto::TraceRecord record;
  *record.mutable_header() = to_file_header(header, kTraceFormat, kTraceVersion);
  if (header.tool_version.empty()) {
    record.mutable_header()->set_tool_version(std::string(tool_version()));
  }
  records->append(record);
  return TraceWriter(std::make_unique<State>(std::move(*records)));
}

TenantId TraceWriter::add_tenant(std::string_view name, std::string_view price_class) {
  proto::TraceRecord record;
  proto::Tenant& tenant = *record.mutable_tenant();
  tenant.set_id(state_->tenants);
  tenant.set_name(valid_utf8(name));
  tenant.set_price_class(valid_utf8(price_class));
  state_->records.append(record);
  return TenantId(state_->tenants++);
}

SloId TraceWriter::add_slo(const SloClass& slo) {
  proto::TraceRecord record;
  *record.mutable_slo() = to_message(slo);
  record.mutable_slo()->set_id(state_->slos);
  state_->records.append(record);
  return SloId(state_->slos++);
}

ModelId TraceWriter::add_model(std::string_view name) {
  proto::TraceRecord record;
  state_->append_named(*record.mutable_model(), name, state_->models, record);
  return ModelId(state_->models - 1);
}

TaskId TraceWriter::add_task(std::string_view name) {
  proto::TraceRecord record;
  state_->append_named(*record.mutable_task(), name, state_->tasks, record);
  return TaskId(state_->tasks - 1);
}

ContentId TraceWriter::add_content(Tokens tokens) {
  proto::ContentBatch& lengths = *state_->new_contents.mutable_contents();
  lengths.add_tokens(unsigned_tokens(tokens));
  state_->contents.add(static_cast<std::uint32_t>(tokens.value()));
  const ContentId id(state_->contents.size() - 1);
  if (static_cast<std::size_t>(lengths.tokens_size()) >= kBatchContents) state_->flush();
  return id;
}

void TraceWriter::add_text(ContentId content, std::string_view role, std::string_view text) {
  SCSIM_CHECK_LT(content.value(), state_->contents.size());
  proto::ContentText& entry = *state_->new_texts.emplace_back().mutable_text();
  entry.set_content(content.value());
  entry.set_role(valid_utf8(role));
  entry.set_text(valid_utf8(text));
  state_->batch_text_bytes += text.size();
  if (state_->batch_text_bytes >= kBatchTextBytes) state_->flush();
}

RequestId TraceWriter::add(const Request& request) {
  declare_defaults();
  State& state = *state_;
  state.fill(request, *state.batch[state.batch_size].mutable_request());
  ++state.batch_size;
  state.batch_spans += request.prompt.size();
  const RequestId id(state.requests++);
  if (state.batch_size == kBatchRequests || state.batch_spans >= kBatchSpans) state.flush();
  return id;
}

void TraceWriter::declare_defaults() {
  if (state_->tenants == 0) add_tenant("default");
  if (state_->slos == 0)
    add_slo(SloClass{.id = {}, .name = "default", .ttft = {}, .tpot = {}, .e2e = {}});
  if (state_->models == 0) add_model("default");
  if (state_->tasks == 0) add_task("default");
}

Expected<void> TraceWriter::finish() {
  declare_defaults();
  state_->flush();
  proto::TraceRecord record;
  record.mutable_footer()->set_records(state_->records.records());
  record.mutable_footer()->set_requests(state_->requests);
  state_->records.append(record);
  return state_->records.finish();
}

}  // namespace scsim
