#include "analysis/fairness.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/request_times.h"
#include "analysis/summary_parts.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

constexpr double kGeneratedWeight = 2;  // as engines count service

double sum(const std::vector<double>& values) {
  double all = 0;
  for (const double value : values) all += value;
  return all;
}

}  // namespace

double jain_index(const std::vector<double>& shares) {
  double squares = 0;
  for (const double share : shares) squares += share * share;
  if (squares == 0) return 1;
  const double all = sum(shares);
  return all * all / (static_cast<double>(shares.size()) * squares);
}

std::optional<Fairness> fairness_of(const Result& result) {
  if (result.tenant_weights.empty()) return std::nullopt;
  const std::size_t tenants = result.tenant_weights.size();
  std::vector<double> prompts(tenants), answers(tenants);
  std::vector<char> asked(tenants);
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    const RequestResult& r = result.requests[i];
    asked[r.tenant] = 1;
    prompts[r.tenant] += static_cast<double>(computed_tokens(result, i));
    answers[r.tenant] += static_cast<double>(r.output_tokens);
  }
  double prefill = 0, decode = 0;
  for (const EngineResult& engine : result.engines) {
    const auto seconds = [&](Stage stage) {
      return static_cast<double>(engine.stage_ns[static_cast<std::size_t>(stage)]) * engine.gpus;
    };
    prefill += seconds(Stage::kGeneration) + seconds(Stage::kCompression);
    decode += seconds(Stage::kDecode) + seconds(Stage::kLoading);
  }
  struct Resource {
    std::string name;
    std::vector<double> used;
  };
  std::vector<Resource> resources = {{"GPU time", std::vector<double>(tenants)}};
  const double prompt_tokens = sum(prompts), answer_tokens = sum(answers);
  for (std::size_t t = 0; t < tenants; ++t) {
    if (prompt_tokens > 0) resources[0].used[t] += prefill * prompts[t] / prompt_tokens;
    if (answer_tokens > 0) resources[0].used[t] += decode * answers[t] / answer_tokens;
  }
  for (const TierResult& tier : result.tiers) {
    resources.push_back({tier.name, tier.charged_byte_seconds});
    resources.back().used.resize(tenants);
  }

  Fairness fairness;
  std::vector<double> service, dominant;
  for (std::size_t t = 0; t < tenants; ++t) {
    if (!asked[t]) continue;
    TenantService tenant{tenant_name(result, t),
                         result.tenant_weights[t],
                         prompts[t] + kGeneratedWeight * answers[t],
                         {}};
    for (const Resource& resource : resources) {
      const double all = sum(resource.used);
      const double share = all > 0 ? resource.used[t] / all : 0;
      if (share <= tenant.dominant_share) continue;
      tenant.dominant_share = share;
      tenant.dominant = resource.name;
    }
    service.push_back(tenant.tokens / tenant.weight);
    dominant.push_back(tenant.dominant_share / tenant.weight);
    fairness.tenants.push_back(std::move(tenant));
  }
  fairness.service = jain_index(service);
  fairness.dominant = jain_index(dominant);
  return fairness;
}

std::string fairness_text(const Fairness& fairness) {
  std::string text = "Jain's index over " +
                     format_integer(static_cast<std::int64_t>(fairness.tenants.size())) +
                     " tenants, by weight: " + format_fixed(fairness.service, 3) +
                     " of service (prompt tokens computed and twice those generated), " +
                     format_fixed(fairness.dominant, 3) + " of dominant shares";
  const auto most = std::ranges::max_element(fairness.tenants, {}, &TenantService::dominant_share);
  if (most != fairness.tenants.end() && most->dominant_share > 0)
    text += "; the largest is " + shortened(most->name, 24) + "'s, " +
            format_percent(most->dominant_share) + " of " + most->dominant;
  return text;
}

nlohmann::ordered_json fairness_json(const Fairness& fairness) {
  nlohmann::ordered_json json = {{"jain_service", fairness.service},
                                 {"jain_dominant_share", fairness.dominant}};
  json["tenants"] = nlohmann::ordered_json::array();
  for (const TenantService& tenant : fairness.tenants)
    json["tenants"].push_back({{"name", tenant.name},
                               {"weight", tenant.weight},
                               {"service_tokens", tenant.tokens},
                               {"dominant_resource", tenant.dominant},
                               {"dominant_share", tenant.dominant_share}});
  return json;
}

}  // namespace scsim::analysis
