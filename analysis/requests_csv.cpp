#include "analysis/requests_csv.h"

#include "analysis/costs.h"
#include "analysis/request_times.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr std::size_t kChunk = 1 << 20;  // bytes collected before they go to the file

std::string header(const Result& result) {
  std::string text =
      "request,tenant,session,turn,slo_class,task,engine,outcome,arrival_s,scheduled_s,first_token_"
      "s,"
      "end_s,ttft_s,tpot_s,e2e_s,prompt_tokens,output_tokens,found_tokens,recomputed_tokens,"
      "preemptions,within_slo";
  for (std::string_view stage : kStageNames) text += "," + std::string(stage) + "_s";
  if (result.pue > 0) text += ",joules,usd";
  if (!result.transfers.empty())
    text += ",prefill_engine,prefilled,transfer_tokens,transfer_bytes,transfer_s,transfer_wait_s";
  if (result.tiers.empty()) return text + "\n";
  for (const TierResult& tier : result.tiers)
    text += "," + csv_field("fetched_tokens_" + tier.name);
  return text + ",fetched_lossy_tokens,found_lossy_tokens,computed_tokens,fetch_wait_s,avoided_s\n";
}

// Names as they stand in the file, quoted once.
class Names {
 public:
  template <class Items, class NameOf>
  Names(const Items& items, const NameOf& name_of) {
    for (const auto& item : items) fields_.push_back(csv_field(name_of(item)));
  }
  std::string of(std::size_t id) const {
    return id < fields_.size() ? fields_[id] : format_fixed(static_cast<double>(id), 0);
  }

 private:
  std::vector<std::string> fields_;
};

std::string whole(std::int64_t value) { return format_fixed(static_cast<double>(value), 0); }
std::string seconds(std::int64_t ns) {
  return ns == 0 ? "0" : format_fixed(static_cast<double>(ns) * 1e-9, 9);
}

// Prompt tokens that were neither found nor fetched were computed.
std::string store_cells(const RequestResult& r, const FetchResult& fetch, std::size_t tiers,
                        bool was_admitted) {
  std::string text;
  const auto add = [&](const std::string& cell) { text += ',', text += cell; };
  std::int64_t computed = r.prompt_tokens - r.found_tokens;
  for (std::size_t t = 0; t < tiers; ++t) {
    add(was_admitted ? whole(fetch.tokens[t]) : "");
    computed -= fetch.tokens[t];
  }
  add(was_admitted ? whole(fetch.lossy_tokens) : "");
  add(was_admitted ? whole(fetch.found_lossy_tokens) : "");
  add(was_admitted ? whole(computed) : "");
  add(seconds(fetch.wait_ns));
  add(was_admitted ? seconds(fetch.avoided_ns) : "");
  return text;
}

std::string transfer_cells(const TransferResult& transfer) {
  return "," + (transfer.prefill_engine < 0 ? "" : whole(transfer.prefill_engine)) + "," +
         std::string(kLocalNames[static_cast<std::size_t>(transfer.local)]) + "," +
         whole(transfer.tokens) + "," + whole(transfer.bytes) + "," + seconds(transfer.moving_ns) +
         "," + seconds(transfer.wait_ns);
}

}  // namespace

Expected<void> write_requests_csv(const Result& result, const std::string& path) {
  Expected<PartialFile> file = PartialFile::create(path);
  if (!file) return file.error();
  const Names tenants(result.tables.tenants, [](const Tenant& t) { return t.name; });
  const Names slos(result.slos, [](const SloClass& slo) { return slo.name; });
  const Names tasks(result.tables.tasks, [](const std::string& task) { return task; });

  std::vector<Amount> costs;
  if (result.pue > 0) attribute_costs(result, &costs);
  std::string text = header(result);
  std::size_t row = 0;
  const auto add = [&](const std::string& cell) { text += cell, text += ','; };
  for (const RequestResult& r : result.requests) {
    const bool was_admitted = admitted(r);
    const std::optional<double> first = ttft(r), per_token = tpot(r);
    add(whole(static_cast<std::int64_t>(r.request)));
    add(tenants.of(r.tenant));
    add(whole(static_cast<std::int64_t>(r.session)));
    add(whole(r.turn));
    add(slos.of(r.slo));
    add(tasks.of(r.task));
    add(r.engine < 0 ? "" : whole(r.engine));
    add(std::string(kOutcomeNames[static_cast<std::size_t>(r.outcome)]));
    add(seconds(r.arrival.ns()));
    add(was_admitted ? seconds(r.scheduled.ns()) : "");
    add(first ? seconds(r.first_token.ns()) : "");
    add(seconds(r.end.ns()));
    add(first ? format_fixed(*first, 9) : "");
    add(per_token ? format_fixed(*per_token, 9) : "");
    add(finished(r) ? format_fixed(e2e(r), 9) : "");
    add(whole(r.prompt_tokens));
    add(whole(r.output_tokens));
    add(was_admitted ? whole(r.found_tokens) : "");
    add(whole(r.recomputed_tokens));
    add(whole(r.preemptions));
    const SloClass& slo = slo_of(result, r);
    text += !has_targets(slo) ? "" : targets_met(r, slo).all() ? "1" : "0";
    for (std::int64_t stage : r.stage_ns) text += ',', text += seconds(stage);
    if (row < costs.size())
      text +=
          "," + format_fixed(costs[row].joules(), 6) + "," + format_fixed(costs[row].dollars(), 9);
    if (row < result.transfers.size()) text += transfer_cells(result.transfers[row]);
    if (row < result.fetches.size())
      text += store_cells(r, result.fetches[row], result.tiers.size(), was_admitted);
    ++row;
    text += '\n';
    if (text.size() < kChunk) continue;
    file->write(text);
    text.clear();
  }
  file->write(text);
  return file->commit();
}

}  // namespace scsim::analysis
