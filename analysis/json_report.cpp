#include "analysis/json_report.h"

#include <nlohmann/json.hpp>

#include "analysis/costs_report.h"
#include "analysis/failures.h"
#include "analysis/scaling.h"
#include "analysis/store_reports.h"

namespace scsim::analysis {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;  // of summary.json; grows when a key changes its meaning

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json to_json(const Estimate& estimate) {
  Json json = {{"value", estimate.value}};
  if (!estimate.interval) {
    json["interval"] = nullptr;
    return json;
  }
  json["interval"] = {{"half_width_95", estimate.interval->half_width},
                      {"batches", estimate.interval->batches},
                      {"too_narrow", estimate.interval->correlated}};
  return json;
}

Json to_json(const Distribution& d) {
  if (d.count == 0) return {{"count", 0}};
  return {{"count", d.count},      {"mean", to_json(d.mean)}, {"p50", to_json(d.p50)},
          {"p90", to_json(d.p90)}, {"p99", to_json(d.p99)},   {"worst", d.worst}};
}

Json to_json(const HitRatio& hits) {
  return {{"found_tokens", hits.found_tokens},
          {"prompt_tokens", hits.prompt_tokens},
          {"ratio", hits.prompt_tokens > 0 ? Json(hits.ratio()) : Json()}};
}

Json to_json(const PerStage<double>& stages) {
  Json json = Json::object();
  for (std::size_t s = 0; s < kNumStages; ++s) json[std::string(kStageNames[s])] = stages[s];
  return json;
}

Json to_json(const GroupSummary& group) {
  Json outcomes = Json::object();
  for (std::size_t i = 0; i < kOutcomeNames.size(); ++i)
    if (i < kUsualOutcomes || group.outcomes[i] > 0)
      outcomes[std::string(kOutcomeNames[i])] = group.outcomes[i];
  return {{"name", group.name},
          {"requests", group.requests},
          {"outcomes", std::move(outcomes)},
          {"ttft", to_json(group.ttft)},
          {"tpot", to_json(group.tpot)},
          {"itl", to_json(group.itl)},
          {"e2e", to_json(group.e2e)},
          {"hit", to_json(group.hits)},
          {"slo",
           {{"with_targets", group.slo.with_targets},
            {"within", group.slo.within},
            {"share", group.slo.with_targets > 0 ? Json(group.slo.share()) : Json()}}},
          {"stage_seconds_per_request", to_json(group.stage_seconds)},
          {"preemptions", group.preemptions},
          {"preempted_requests", group.preempted_requests},
          {"recomputed_tokens", group.recomputed_tokens}};
}

Json to_json(const SloSummary& slo) {
  return {{"name", slo.name},
          {"targets",
           {{"ttft", number_or_null(slo.ttft)},
            {"tpot", number_or_null(slo.tpot)},
            {"e2e", number_or_null(slo.e2e)}}},
          {"requests", slo.requests},
          {"met_ttft", slo.met_ttft},
          {"met_tpot", slo.met_tpot},
          {"met_e2e", slo.met_e2e},
          {"within", slo.within},
          {"share", slo.has_targets() ? Json(slo.share()) : Json()}};
}

Json to_json(const EngineSummary& engine) {
  return {{"pool", engine.pool},
          {"model", engine.model},
          {"gpus", engine.gpus},
          {"utilisation", number_or_null(engine.utilisation)},
          {"running", number_or_null(engine.running)},
          {"waiting", number_or_null(engine.waiting)},
          {"used_blocks_share", number_or_null(engine.used)},
          {"cached_blocks_share", number_or_null(engine.cached)},
          {"peak_used_blocks_share", engine.peak_used},
          {"ledger_seconds", to_json(engine.stage_seconds)},
          {"idle_seconds", engine.idle_seconds},
          {"hbm_bytes_per_second", engine.hbm_bytes_per_second},
          {"peak_hbm_bytes_per_second", engine.peak_hbm_bytes_per_second},
          {"flops_per_second", engine.flops_per_second},
          {"peak_flops_per_second", engine.peak_flops_per_second},
          {"link_bytes_per_second", engine.link_bytes_per_second},
          {"steps", engine.steps},
          {"prefill_tokens", engine.prefill_tokens},
          {"decode_tokens", engine.decode_tokens},
          {"preemptions", engine.preemptions},
          {"evicted_blocks", engine.evicted_blocks},
          {"num_blocks", engine.num_blocks},
          {"block_tokens", engine.block_tokens}};
}

Json to_json(const ClusterSummary& cluster) {
  return {{"engines", cluster.engines},
          {"gpus", cluster.gpus},
          {"utilisation", number_or_null(cluster.utilisation)},
          {"running", cluster.running},
          {"waiting", cluster.waiting},
          {"used_blocks_share", cluster.used},
          {"cached_blocks_share", cluster.cached},
          {"ledger_gpu_seconds", to_json(cluster.stage_gpu_seconds)},
          {"idle_gpu_seconds", cluster.idle_gpu_seconds},
          {"hbm_bytes_per_second", cluster.hbm_bytes_per_second},
          {"peak_hbm_bytes_per_second", cluster.peak_hbm_bytes_per_second},
          {"flops_per_second", cluster.flops_per_second},
          {"peak_flops_per_second", cluster.peak_flops_per_second}};
}

Json to_json(const LifetimeSummary& life) {
  return {{"reason", life.reason},
          {"blocks", life.blocks},
          {"mean_seconds", life.mean},
          {"p50_seconds", life.p50},
          {"p90_seconds", life.p90}};
}

Json to_json(const Money& money) {
  return {{"dollars", money.dollars},
          {"per_million_tokens", number_or_null(money.per_million_tokens)},
          {"per_million_generated_tokens", number_or_null(money.per_million_generated_tokens)},
          {"per_thousand_within_slo", number_or_null(money.per_thousand_within_slo)}};
}

Json to_json(const RoleSummary& role) {
  return {{"engines", role.engines},
          {"gpus", role.gpus},
          {"utilisation", number_or_null(role.utilisation)},
          {"waiting", role.waiting},
          {"used_blocks_share", role.used}};
}

Json to_json(const TransferSummary& s) {
  Json where = Json::object();
  for (std::size_t i = 0; i < kLocalNames.size(); ++i)
    where[std::string(kLocalNames[i])] = s.requests[i];
  return {{"prompts", std::move(where)},
          {"tokens", s.tokens},
          {"bytes", s.bytes},
          {"bytes_per_prompt", s.mean_bytes},
          {"seconds_mean", s.mean_seconds},
          {"seconds_p99", s.p99_seconds},
          {"wait_seconds_per_request", s.wait_seconds},
          {"prefill", to_json(s.prefill)},
          {"decode", to_json(s.decode)}};
}

template <class T>
Json list(const std::vector<T>& items) {
  Json json = Json::array();
  for (const T& item : items) json.push_back(to_json(item));
  return json;
}

Json about(const Result& result) {
  return {{"trace", result.trace.name},
          {"trace_path", result.trace_path},
          {"trace_made_by", result.trace.made_by},
          {"trace_seed", result.trace.seed},
          {"made_by", result.made_by},
          {"tool_version", result.tool_version},
          {"router", result.router},
          {"cluster", result.cluster_text},
          {"requests", result.requests.size()}};
}

Json answers_json(const Answers& answers) {
  const auto group = [](const AnswerGroup& g) {
    return Json{{"name", g.name},
                {"requests", g.requests},
                {"within_slo", g.within},
                {"correct", g.correct},
                {"correct_per_gpu_hour", g.per_gpu_hour},
                {"low", g.low},
                {"high", g.high}};
  };
  Json json = group(answers.all);
  json["gpu_hours"] = answers.gpu_hours;
  json["dollars"] = number_or_null(answers.dollars);
  json["interval_has_costs"] = answers.costs_drawn;
  json["left_out"] = answers.left_out;
  for (const auto& [name, groups] :
       {std::pair{"methods", &answers.methods}, {"tenants", &answers.tenants}}) {
    json[name] = Json::array();
    for (const AnswerGroup& one : *groups) json[name].push_back(group(one));
  }
  return json;
}

Json window(const Summary& summary) {
  const Window& w = summary.window;
  return {{"begin_seconds", w.begin.seconds().value()},
          {"end_seconds", w.end.seconds().value()},
          {"first_arrival_seconds", w.first_arrival.seconds().value()},
          {"last_arrival_seconds", w.last_arrival.seconds().value()},
          {"run_seconds", summary.run_seconds},
          {"warm_up", summary.options.warm_up},
          {"whole_run", w.whole_run},
          {"rule", window_sentence(w)}};
}

}  // namespace

std::string json_report(const Result& result, const Summary& summary) {
  const std::optional<bool> met = summary.slo_met();
  const Rates& rates = summary.rates;
  Json json = {{"format", "scsim.summary"},
               {"version", kVersion},
               {"run", about(result)},
               {"honesty", summary.honesty},
               {"window", window(summary)}};
  json["slo"] = {{"met", met ? Json(*met) : Json()},
                 {"wanted_share", summary.options.slo_share},
                 {"classes", list(summary.slos)}};
  json["verdict"] = {{"load", kLoadNames[static_cast<std::size_t>(summary.verdict.load)]},
                     {"near_saturation", summary.verdict.near_saturation},
                     {"queue_rise_requests", summary.verdict.queue_rise},
                     {"drain_seconds", summary.verdict.drain},
                     {"sentence", summary.verdict.sentence}};
  json["bottleneck"] = {
      {"what", kBottleneckNames[static_cast<std::size_t>(summary.bottleneck.what)]},
      {"sentence", summary.bottleneck.sentence}};
  json["per_second"] = {{"arrivals", rates.arrivals},
                        {"finished", rates.finished},
                        {"prompt_tokens", rates.prompt_tokens},
                        {"generated_tokens", rates.generated_tokens},
                        {"goodput", rates.goodput},
                        {"finished_without_targets", rates.without_targets}};
  json["all"] = to_json(summary.all);
  json["tenants"] = list(summary.tenants);
  json["turns"] = list(summary.turns);
  json["cache_worth"] = {{"found_tokens", summary.cache_worth.found_tokens},
                         {"gpu_seconds", summary.cache_worth.gpu_seconds},
                         {"share_of_run", summary.cache_worth.share_of_run},
                         {"dollars", number_or_null(summary.cache_worth.dollars)},
                         {"is_estimate", true}};
  json["block_lifetimes"] = list(summary.lifetimes);
  if (summary.answers) json["answers"] = answers_json(*summary.answers);
  json["money"] = summary.money ? to_json(*summary.money) : Json();
  if (!result.failures.empty()) json["failures"] = failures_json(result);
  if (const Scaling scaling = scaling_of(result); scaling.gpu_share < 1)
    json["scaling"] = scaling_json(scaling);
  if (summary.fairness) json["fairness"] = fairness_json(*summary.fairness);
  if (summary.costs) json["costs"] = costs_json(summary);
  json["cluster"] = to_json(summary.cluster);
  json["engines"] = list(summary.engines);
  if (summary.store) json["store"] = store_json(result, summary);
  if (summary.transfers) json["kv_transfers"] = to_json(*summary.transfers);
  Json meanings = Json::object();
  const auto explain = [&](const std::vector<Definition>& of) {
    for (const Definition& definition : of)
      meanings[std::string(definition.term)] = definition.sentence;
  };
  explain(definitions());
  if (summary.costs) explain(cost_definitions());
  if (summary.store) explain(store_definitions());
  json["definitions"] = std::move(meanings);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace scsim::analysis
