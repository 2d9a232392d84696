#include "traces/result.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "traces/check.h"
#include "traces/file_header.h"
#include "traces/proto/result.pb.h"
#include "traces/record_file.h"
#include "traces/result_message.h"
#include "traces/slo_message.h"
#include "traces/text.h"

namespace scsim {

namespace {

constexpr std::size_t kBatchRequests = 4096;

// Differences and their sums wrap around, so that any two times, however odd, come back as they
// were.
std::int64_t difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

void fill_run(const Result& result, proto::ResultRun& run) {
  *run.mutable_trace() = to_file_header(result.trace, kTraceFormat, kTraceVersion);
  run.set_trace_path(valid_utf8(result.trace_path));
  run.set_cluster_text(valid_utf8(result.cluster_text));
  run.set_router(valid_utf8(result.router));
  for (const std::string& line : result.honesty) run.add_honesty(valid_utf8(line));
  for (const SloClass& slo : result.slos) *run.add_slos() = to_message(slo);
  run.set_end_ns(result.end.ns());
  run.set_timeline_bin_ns(result.timeline_bin.ns());
  run.set_store_block_tokens(result.store_block_tokens);
  run.set_grams_co2_per_kwh(result.grams_co2_per_kwh);
  run.set_pue(result.pue);
  run.mutable_tenant_weights()->Add(result.tenant_weights.begin(), result.tenant_weights.end());
  for (const Tenant& tenant : result.tables.tenants) {
    proto::Tenant& entry = *run.add_tenants();
    entry.set_id(tenant.id.value());
    entry.set_name(valid_utf8(tenant.name));
    entry.set_price_class(valid_utf8(tenant.price_class));
  }
  for (const SloClass& slo : result.tables.slos) *run.add_trace_slos() = to_message(slo);
  for (const std::string& model : result.tables.models) run.add_models(valid_utf8(model));
  for (const std::string& task : result.tables.tasks) run.add_tasks(valid_utf8(task));
}

Expected<void> take_run(const proto::ResultRun& run, Result& result) {
  const auto take_slos = [](const auto& messages, std::vector<SloClass>& slos) -> Expected<void> {
    for (const proto::SloClass& message : messages) {
      Expected<SloClass> slo = from_message(message);
      if (!slo) return slo.error();
      slos.push_back(std::move(*slo));
    }
    return {};
  };
  result.trace = from_file_header(run.trace());
  result.trace_path = run.trace_path();
  result.cluster_text = run.cluster_text();
  result.router = run.router();
  result.honesty.assign(run.honesty().begin(), run.honesty().end());
  result.end = TimePoint(run.end_ns());
  result.timeline_bin = Duration(run.timeline_bin_ns());
  result.store_block_tokens = run.store_block_tokens();
  result.grams_co2_per_kwh = run.grams_co2_per_kwh();
  result.pue = run.pue();
  result.tenant_weights.assign(run.tenant_weights().begin(), run.tenant_weights().end());
  for (const proto::Tenant& tenant : run.tenants()) {
    result.tables.tenants.push_back({TenantId(tenant.id()), tenant.name(), tenant.price_class()});
  }
  result.tables.models.assign(run.models().begin(), run.models().end());
  result.tables.tasks.assign(run.tasks().begin(), run.tasks().end());
  Expected<void> in_force = take_slos(run.slos(), result.slos);
  if (!in_force) return in_force;
  return take_slos(run.trace_slos(), result.tables.slos);
}

void fill_engine(const EngineResult& engine, proto::ResultEngine& message) {
  message.set_pool(valid_utf8(engine.pool));
  message.set_model(valid_utf8(engine.model));
  message.set_num_blocks(engine.num_blocks);
  message.set_block_tokens(engine.block_tokens);
  message.set_max_sequences(engine.max_sequences);
  message.set_steps(engine.steps);
  message.set_prefill_tokens(engine.prefill_tokens);
  message.set_decode_tokens(engine.decode_tokens);
  message.set_preemptions(engine.preemptions);
  message.set_evicted_blocks(engine.evicted_blocks);
  message.set_peak_used_blocks(engine.peak_used_blocks);
  message.set_abandoned_loads(engine.abandoned_loads);
  message.set_role(engine.role);
  message.mutable_stage_ns()->Add(engine.stage_ns.begin(), engine.stage_ns.end());
  message.set_idle_ns(engine.idle_ns);
  message.set_hbm_bytes(engine.hbm_bytes);
  message.set_flops(engine.flops);
  message.set_link_bytes(engine.link_bytes);
  message.set_peak_hbm_bytes_per_second(engine.peak_hbm_bytes_per_second);
  message.set_peak_flops_per_second(engine.peak_flops_per_second);
  message.set_gpus(engine.gpus);
  message.set_price_per_gpu_hour(engine.price_per_gpu_hour);
  message.set_down_ns(engine.down_ns);
  message.set_off_ns(engine.off_ns);
  message.set_starts(engine.starts);
  message.set_lost_tokens(engine.lost_tokens);
  message.set_gpu_idle_watts(engine.watts.gpu_idle);
  message.set_gpu_active_watts(engine.watts.gpu_active);
  message.set_host_idle_watts(engine.watts.host_idle);
  message.set_host_active_watts(engine.watts.host_active);
  const EngineTimeline& timeline = engine.timeline;
  message.mutable_running()->Add(timeline.running.begin(), timeline.running.end());
  message.mutable_waiting()->Add(timeline.waiting.begin(), timeline.waiting.end());
  message.mutable_used_blocks()->Add(timeline.used_blocks.begin(), timeline.used_blocks.end());
  message.mutable_cached_blocks()->Add(timeline.cached_blocks.begin(),
                                       timeline.cached_blocks.end());
  message.mutable_busy()->Add(timeline.busy.begin(), timeline.busy.end());
}

template <class Repeated, class Array>
bool take_array(const Repeated& from, Array& into) {
  if (static_cast<std::size_t>(from.size()) != into.size()) return false;
  std::ranges::copy(from, into.begin());
  return true;
}

Expected<void> take_engine(const proto::ResultEngine& message, Result& result) {
  EngineResult& engine = result.engines.emplace_back();
  engine.pool = message.pool();
  engine.model = message.model();
  engine.num_blocks = message.num_blocks();
  engine.block_tokens = message.block_tokens();
  engine.max_sequences = message.max_sequences();
  engine.steps = message.steps();
  engine.prefill_tokens = message.prefill_tokens();
  engine.decode_tokens = message.decode_tokens();
  engine.preemptions = message.preemptions();
  engine.evicted_blocks = message.evicted_blocks();
  engine.peak_used_blocks = message.peak_used_blocks();
  engine.abandoned_loads = message.abandoned_loads();
  engine.role = message.role();
  engine.idle_ns = message.idle_ns();
  engine.hbm_bytes = message.hbm_bytes();
  engine.flops = message.flops();
  engine.link_bytes = message.link_bytes();
  engine.peak_hbm_bytes_per_second = message.peak_hbm_bytes_per_second();
  engine.peak_flops_per_second = message.peak_flops_per_second();
  engine.gpus = message.gpus();
  engine.price_per_gpu_hour = message.price_per_gpu_hour();
  engine.down_ns = message.down_ns();
  engine.off_ns = message.off_ns();
  engine.starts = message.starts();
  engine.lost_tokens = message.lost_tokens();
  engine.watts = {message.gpu_idle_watts(), message.gpu_active_watts(), message.host_idle_watts(),
                  message.host_active_watts()};
  EngineTimeline& timeline = engine.timeline;
  timeline.running.assign(message.running().begin(), message.running().end());
  timeline.waiting.assign(message.waiting().begin(), message.waiting().end());
  timeline.used_blocks.assign(message.used_blocks().begin(), message.used_blocks().end());
  timeline.cached_blocks.assign(message.cached_blocks().begin(), message.cached_blocks().end());
  timeline.busy.assign(message.busy().begin(), message.busy().end());
  if (!take_array(message.stage_ns(), engine.stage_ns)) {
    return Error{"engine " + std::to_string(result.engines.size() - 1) + " has " +
                 std::to_string(message.stage_ns_size()) + " stages"};
  }
  return {};
}

void fill_requests(std::span<const RequestResult> requests, proto::ResultRequests& columns) {
  std::int64_t last_request = 0, last_arrival = 0;
  for (const RequestResult& request : requests) {
    const std::int64_t arrival = request.arrival.ns();
    const auto number = static_cast<std::int64_t>(request.request);
    columns.add_request(difference(number, std::exchange(last_request, number)));
    columns.add_tenant(request.tenant);
    columns.add_turn(request.turn);
    columns.add_slo(request.slo);
    columns.add_task(request.task);
    columns.add_session(request.session);
    columns.add_engine(request.engine);
    columns.add_outcome(static_cast<std::uint32_t>(request.outcome));
    columns.add_preemptions(request.preemptions);
    columns.add_arrival_ns(difference(arrival, std::exchange(last_arrival, arrival)));
    columns.add_scheduled_ns(difference(request.scheduled.ns(), arrival));
    columns.add_first_token_ns(difference(request.first_token.ns(), arrival));
    columns.add_end_ns(difference(request.end.ns(), arrival));
    columns.add_prompt_tokens(request.prompt_tokens);
    columns.add_output_tokens(request.output_tokens);
    columns.add_found_tokens(request.found_tokens);
    columns.add_recomputed_tokens(request.recomputed_tokens);
    for (const std::int64_t ns : request.stage_ns) columns.add_stage_ns(ns);
  }
}

void fill_fetches(std::span<const FetchResult> fetches, std::size_t tiers,
                  proto::ResultRequests& columns) {
  for (const FetchResult& fetch : fetches) {
    for (std::size_t tier = 0; tier < tiers; ++tier) columns.add_fetched_tokens(fetch.tokens[tier]);
    columns.add_fetched_lossy_tokens(fetch.lossy_tokens);
    columns.add_found_lossy_tokens(fetch.found_lossy_tokens);
    columns.add_fetch_wait_ns(fetch.wait_ns);
    columns.add_avoided_ns(fetch.avoided_ns);
  }
}

Expected<void> take_fetches(const proto::ResultRequests& columns, Result& result) {
  const int rows = columns.request_size();
  const int tiers = static_cast<int>(result.tiers.size());
  if (columns.fetched_tokens_size() != rows * tiers ||
      columns.fetched_lossy_tokens_size() != rows || columns.found_lossy_tokens_size() != rows ||
      columns.fetch_wait_ns_size() != rows || columns.avoided_ns_size() != rows) {
    return Error{"the columns of what requests fetched differ in length"};
  }
  for (int row = 0; row < rows; ++row) {
    FetchResult& fetch = result.fetches.emplace_back();
    for (int tier = 0; tier < tiers; ++tier)
      fetch.tokens[static_cast<std::size_t>(tier)] = columns.fetched_tokens(row * tiers + tier);
    fetch.lossy_tokens = columns.fetched_lossy_tokens(row);
    fetch.found_lossy_tokens = columns.found_lossy_tokens(row);
    fetch.wait_ns = columns.fetch_wait_ns(row);
    fetch.avoided_ns = columns.avoided_ns(row);
  }
  return {};
}

bool columns_match(const proto::ResultRequests& columns) {
  const int rows = columns.request_size();
  for (const int size :
       {columns.tenant_size(), columns.turn_size(), columns.slo_size(), columns.task_size(),
        columns.session_size(), columns.engine_size(), columns.outcome_size(),
        columns.preemptions_size(), columns.arrival_ns_size(), columns.scheduled_ns_size(),
        columns.first_token_ns_size(), columns.end_ns_size(), columns.prompt_tokens_size(),
        columns.output_tokens_size(), columns.found_tokens_size(),
        columns.recomputed_tokens_size()}) {
    if (size != rows) return false;
  }
  return static_cast<std::size_t>(columns.stage_ns_size()) ==
         kNumStages * static_cast<std::size_t>(rows);
}

// Whoever reads a result indexes its tables by what is in its requests.
bool refers_to_what_is_there(const RequestResult& request, const Result& result) {
  return request.tenant < result.tables.tenants.size() && request.slo < result.slos.size() &&
         request.task < result.tables.tasks.size() && request.engine >= -1 &&
         request.engine < static_cast<std::int64_t>(result.engines.size());
}

Expected<void> take_requests(const proto::ResultRequests& columns, Result& result) {
  if (!columns_match(columns)) return Error{"the columns of the requests differ in length"};
  std::int64_t last_request = 0, last_arrival = 0;
  for (int row = 0; row < columns.request_size(); ++row) {
    RequestResult request;
    last_request = sum(last_request, columns.request(row));
    last_arrival = sum(last_arrival, columns.arrival_ns(row));
    request.request = static_cast<std::uint64_t>(last_request);
    request.tenant = columns.tenant(row);
    request.turn = columns.turn(row);
    request.slo = columns.slo(row);
    request.task = columns.task(row);
    request.session = columns.session(row);
    request.engine = columns.engine(row);
    if (columns.outcome(row) >= kOutcomeNames.size() ||
        columns.preemptions(row) > std::numeric_limits<std::uint16_t>::max() ||
        !refers_to_what_is_there(request, result)) {
      return Error{"request " + std::to_string(request.request) +
                   " refers to a tenant, SLO class, task, engine or outcome that is not there"};
    }
    request.outcome = static_cast<Outcome>(columns.outcome(row));
    request.preemptions = static_cast<std::uint16_t>(columns.preemptions(row));
    request.arrival = TimePoint(last_arrival);
    request.scheduled = TimePoint(sum(last_arrival, columns.scheduled_ns(row)));
    request.first_token = TimePoint(sum(last_arrival, columns.first_token_ns(row)));
    request.end = TimePoint(sum(last_arrival, columns.end_ns(row)));
    request.prompt_tokens = columns.prompt_tokens(row);
    request.output_tokens = columns.output_tokens(row);
    request.found_tokens = columns.found_tokens(row);
    request.recomputed_tokens = columns.recomputed_tokens(row);
    const auto stages =
        columns.stage_ns().begin() + std::ptrdiff_t{row} * static_cast<int>(kNumStages);
    std::copy(stages, stages + static_cast<int>(kNumStages), request.stage_ns.begin());
    if (row < columns.retries_size())
      request.retries = static_cast<std::uint16_t>(columns.retries(row));
    result.requests.push_back(request);
  }
  if (const auto taken = take_transfers(columns, result); !taken) return taken;
  return result.tiers.empty() ? Expected<void>{} : take_fetches(columns, result);
}

void append_gaps(const GapHistogram& gaps, proto::ResultGaps::Group group, RecordWriter& writer) {
  proto::ResultRecord record;
  proto::ResultGaps& message = *record.mutable_gaps();
  message.set_group(group);
  message.mutable_count()->Add(gaps.count.begin(), gaps.count.end());
  message.set_sum_seconds(gaps.sum_seconds);
  message.set_worst_ns(gaps.worst_ns);
  writer.append(record);
}

Expected<void> take_gaps(const proto::ResultGaps& message, Result& result) {
  GapHistogram gaps;
  if (!take_array(message.count(), gaps.count)) {
    return Error{"a histogram of gaps has " + std::to_string(message.count_size()) + " bins"};
  }
  gaps.sum_seconds = message.sum_seconds();
  gaps.worst_ns = message.worst_ns();
  switch (message.group()) {
    case proto::ResultGaps::ALL:
      result.gaps = gaps;
      return {};
    case proto::ResultGaps::TENANT:
      result.gaps_by_tenant.push_back(gaps);
      return {};
    case proto::ResultGaps::TURN:
      result.gaps_by_turn.push_back(gaps);
      return {};
    default:
      return Error{"a histogram of gaps of a kind this version does not know"};
  }
}

Expected<void> take_footer(const proto::FileFooter& footer, const Result& result,
                           RecordReader& reader) {
  if (footer.records() != reader.records() - 1 || footer.requests() != result.requests.size()) {
    return Error{"the footer counts " + std::to_string(footer.records()) + " records with " +
                 std::to_string(footer.requests()) + " requests, but the file has " +
                 std::to_string(reader.records() - 1) + " with " +
                 std::to_string(result.requests.size())};
  }
  if (!reader.at_end()) return Error{"something follows the footer"};
  return {};
}

Expected<void> take_record(const proto::ResultRecord& record, Result& result,
                           RecordReader& reader) {
  switch (record.record_case()) {
    case proto::ResultRecord::kRun:
      return take_run(record.run(), result);
    case proto::ResultRecord::kEngine:
      return take_engine(record.engine(), result);
    case proto::ResultRecord::kRequests:
      return take_requests(record.requests(), result);
    case proto::ResultRecord::kGaps:
      return take_gaps(record.gaps(), result);
    case proto::ResultRecord::kLifetimes:
      return take_lifetimes(record.lifetimes(), result.lifetimes);
    case proto::ResultRecord::kTier:
      return take_tier(record.tier(), result);
    case proto::ResultRecord::kLink:
      take_link(record.link(), result);
      return {};
    case proto::ResultRecord::kFailure:
      take_failure(record.failure(), result);
      return {};
    case proto::ResultRecord::kFooter:
      return take_footer(record.footer(), result, reader);
    case proto::ResultRecord::kHeader:
      return Error{"a second header"};
    default:
      return Error{"a record of a kind this version does not know"};
  }
}

}  // namespace

Expected<void> write_result(const Result& result, const std::string& path) {
  if (!result.tiers.empty()) SCSIM_CHECK_EQ(result.fetches.size(), result.requests.size());
  if (!result.transfers.empty()) SCSIM_CHECK_EQ(result.transfers.size(), result.requests.size());
  Expected<RecordWriter> writer = RecordWriter::create(path);
  if (!writer) return writer.error();
  proto::ResultRecord record;
  const TraceHeader header = {.tool_version = result.tool_version,
                              .made_by = result.made_by,
                              .name = result.trace.name,
                              .seed = result.trace.seed,
                              .notes = {}};
  *record.mutable_header() = to_file_header(header, kResultFormat, kResultVersion);
  writer->append(record);
  fill_run(result, *record.mutable_run());
  writer->append(record);
  for (const EngineResult& engine : result.engines) {
    record.clear_record();
    fill_engine(engine, *record.mutable_engine());
    writer->append(record);
  }
  for (const TierResult& tier : result.tiers) {
    record.clear_record();
    fill_tier(tier, *record.mutable_tier());
    writer->append(record);
  }
  for (const LinkResult& link : result.links) {
    record.clear_record();
    fill_link(link, *record.mutable_link());
    writer->append(record);
  }
  for (const FailureResult& failure : result.failures) {
    record.clear_record();
    fill_failure(failure, *record.mutable_failure());
    writer->append(record);
  }
  const std::span<const RequestResult> requests(result.requests);
  const std::span<const FetchResult> fetches(result.fetches);
  for (std::size_t at = 0; at < requests.size(); at += kBatchRequests) {
    record.clear_record();
    const std::size_t count = std::min(kBatchRequests, requests.size() - at);
    fill_requests(requests.subspan(at, count), *record.mutable_requests());
    if (!result.failures.empty())
      for (const RequestResult& request : requests.subspan(at, count))
        record.mutable_requests()->add_retries(request.retries);
    if (!result.tiers.empty())
      fill_fetches(fetches.subspan(at, count), result.tiers.size(), *record.mutable_requests());
    if (!result.transfers.empty())
      fill_transfers(std::span(result.transfers).subspan(at, count), *record.mutable_requests());
    writer->append(record);
  }
  append_gaps(result.gaps, proto::ResultGaps::ALL, *writer);
  for (const GapHistogram& gaps : result.gaps_by_tenant) {
    append_gaps(gaps, proto::ResultGaps::TENANT, *writer);
  }
  for (const GapHistogram& gaps : result.gaps_by_turn) {
    append_gaps(gaps, proto::ResultGaps::TURN, *writer);
  }
  fill_lifetimes(result.lifetimes, *record.mutable_lifetimes());
  writer->append(record);
  record.mutable_footer()->set_records(writer->records());
  record.mutable_footer()->set_requests(result.requests.size());
  writer->append(record);
  return writer->finish();
}

Expected<Result> read_result(const std::string& path) {
  Expected<RecordReader> reader = RecordReader::open(path);
  if (!reader) return reader.error();
  Result result;
  proto::ResultRecord record;
  while (true) {
    Expected<std::string_view> bytes = reader->next();
    if (!bytes) return bytes.error();
    if (bytes->data() == nullptr) {
      return Error{path + ": ends at offset " + std::to_string(reader->offset()) +
                   " without a footer; the file was cut"};
    }
    const bool parsed = parse_record(*bytes, record);
    if (reader->records() == 1) {
      if (!parsed || !record.has_header()) {
        return Error{path + ": does not begin with a header; it is not a file of SCSim"};
      }
      Expected<void> known =
          check_file_header(record.header(), kResultFormat, kResultVersion, path);
      if (!known) return known.error();
      result.made_by = record.header().made_by();
      result.tool_version = record.header().tool_version();
      continue;
    }
    if (!parsed) return Error{reader->where() + ": a record cannot be parsed"};
    Expected<void> taken = take_record(record, result, *reader);
    if (!taken) return Error{reader->where() + ": " + taken.error().message};
    if (record.has_footer()) return result;
  }
}

}  // namespace scsim
