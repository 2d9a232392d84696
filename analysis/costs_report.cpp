#include "analysis/costs_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/html_tables.h"
#include "analysis/wording.h"
#include "traces/report/html_elements.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kIndent = 2, kNameWidth = 24;

double per(double amount, std::int64_t count) {
  return count > 0 ? amount / static_cast<double>(count) : 0;
}

// The dearest first.
std::vector<CostShare> sorted(const Costs& costs) {
  std::vector<CostShare> tenants = costs.tenants;
  std::ranges::stable_sort(tenants, std::ranges::greater{}, [&](const CostShare& tenant) {
    return costs.has_energy ? tenant.amount.microjoules : tenant.amount.nanodollars;
  });
  return tenants;
}

// Cells of a row that say what is known.
std::vector<std::string> heads(const Costs& costs) {
  std::vector<std::string> cells = {"finished"};
  if (costs.has_energy) cells.insert(cells.end(), {"energy", "a request"});
  if (costs.has_energy && costs.grams_co2_per_kwh > 0)
    cells.insert(cells.end(), {"CO2", "a request"});
  if (costs.has_dollars) cells.insert(cells.end(), {"dollars", "a thousand"});
  return cells;
}
std::vector<std::string> row(const Costs& costs, const CostShare& share) {
  std::vector<std::string> cells = {format_integer(share.finished)};
  const auto each = [&](double amount, double times, std::string (*text)(double)) {
    cells.push_back(text(amount));
    cells.push_back(share.finished > 0 ? text(per(amount, share.finished) * times) : "-");
  };
  if (costs.has_energy) each(share.amount.joules(), 1, energy_text);
  if (costs.has_energy && costs.grams_co2_per_kwh > 0)
    each(costs.grams(share.amount), 1, grams_text);
  if (costs.has_dollars) each(share.amount.dollars(), 1000, dollars_text);
  return cells;
}

std::string parts_text(const Costs& costs) {
  std::string text;
  for (const CostShare& part : costs.parts) {
    if (part.amount.microjoules == 0) continue;
    text += (text.empty() ? "" : ", ") + part.name + " " +
            format_percent(part.amount.joules() / costs.total.joules());
  }
  return text;
}

CostShare everybody(const Costs& costs) {
  return {
      .name = "all", .amount = costs.total, .requests = costs.requests, .finished = costs.finished};
}

Json amount_json(const Costs& costs, const CostShare& share) {
  Json json = {{"name", share.name}};
  if (costs.has_energy) {
    json["joules"] = share.amount.joules();
    if (costs.grams_co2_per_kwh > 0) json["grams_co2"] = costs.grams(share.amount);
  }
  if (costs.has_dollars) json["dollars"] = share.amount.dollars();
  return json;
}

}  // namespace

std::optional<Amount> cost_per_correct(const Summary& summary) {
  if (!summary.costs || !summary.answers || summary.answers->all.correct <= 0) return std::nullopt;
  const Costs& costs = *summary.costs;
  if (costs.run_seconds <= 0) return std::nullopt;
  const double part = summary.window.seconds() / costs.run_seconds / summary.answers->all.correct;
  return Amount{std::llround(static_cast<double>(costs.total.microjoules) * part),
                std::llround(static_cast<double>(costs.total.nanodollars) * part)};
}

std::string energy_sentence(const Summary& summary) {
  if (!summary.costs || !summary.costs->has_energy) return "";
  const Costs& costs = *summary.costs;
  const double joules = costs.total.joules();
  std::string text = format_fixed(joules / 3.6e6, joules < 3.6e8 ? 2 : 0) + " kWh for the run, " +
                     power_text(costs.mean_watts()) + " on average";
  if (costs.grams_co2_per_kwh > 0) text += ", " + grams_text(costs.grams(costs.total)) + " of CO2";
  if (joules > 0) text += ": " + parts_text(costs);
  if (costs.finished > 0) {
    text += "; " + energy_text(per(joules, costs.finished));
    if (costs.grams_co2_per_kwh > 0)
      text += " and " + grams_text(per(costs.grams(costs.total), costs.finished)) + " of CO2";
    text += " per finished request";
  }
  if (const auto correct = cost_per_correct(summary)) {
    text += "; " + energy_text(correct->joules());
    if (costs.grams_co2_per_kwh > 0) text += ", " + grams_text(costs.grams(*correct)) + " of CO2";
    if (costs.has_dollars) text += ", " + dollars_text(correct->dollars());
    text += " per correct answer";
  }
  return text;
}

std::string costs_table(const Summary& summary, std::size_t tenant_rows) {
  if (!summary.costs || summary.costs->tenants.size() < 2 || tenant_rows == 0) return "";
  const Costs& costs = *summary.costs;
  std::vector<std::string> header = heads(costs);
  header.insert(header.begin(), "whose");
  TextTable table(header);
  const auto add = [&](const CostShare& share) {
    std::vector<std::string> cells = row(costs, share);
    cells.insert(cells.begin(), shortened(share.name, kNameWidth));
    table.add(cells);
  };
  const std::vector<CostShare> tenants = sorted(costs);
  const std::size_t shown = std::min(tenant_rows, tenants.size());
  for (std::size_t t = 0; t < shown; ++t) add(tenants[t]);
  if (shown < tenants.size()) {
    CostShare others{
        .name = format_integer(static_cast<std::int64_t>(tenants.size() - shown)) + " others",
        .amount = {}};
    for (std::size_t t = shown; t < tenants.size(); ++t) {
      others.amount += tenants[t].amount;
      others.requests += tenants[t].requests;
      others.finished += tenants[t].finished;
    }
    add(others);
  }
  add(everybody(costs));
  return table.text(kIndent);
}

std::string costs_html(const Summary& summary) {
  if (!summary.costs) return "";
  const Costs& costs = *summary.costs;
  std::vector<std::string> header = heads(costs);
  header.insert(header.begin(), "tenant");
  HtmlTable table(header);
  const auto add = [&](const CostShare& share) {
    std::vector<std::string> cells = row(costs, share);
    cells.insert(cells.begin(), share.name);
    table.add(cells);
  };
  const std::vector<CostShare> tenants = sorted(costs);
  for (std::size_t t = 0; t < std::min(kTableRows, tenants.size()); ++t) add(tenants[t]);
  add(everybody(costs));
  const std::string sentence = energy_sentence(summary);
  return section("Energy and money", (sentence.empty() ? "" : paragraph("Energy: ", sentence)) +
                                         table.html() + rows_left_out(tenants.size()));
}

nlohmann::ordered_json costs_json(const Summary& summary) {
  const Costs& costs = *summary.costs;
  Json json = amount_json(costs, everybody(costs));
  if (costs.has_energy) json["mean_watts"] = costs.mean_watts();
  json["requests"] = costs.requests;
  json["finished"] = costs.finished;
  json["parts"] = Json::array();
  for (const CostShare& part : costs.parts) json["parts"].push_back(amount_json(costs, part));
  json["tenants"] = Json::array();
  for (const CostShare& tenant : costs.tenants) {
    Json one = amount_json(costs, tenant);
    one["requests"] = tenant.requests;
    one["finished"] = tenant.finished;
    json["tenants"].push_back(std::move(one));
  }
  if (const auto correct = cost_per_correct(summary))
    json["per_correct_answer"] = amount_json(costs, {.name = "correct answer", .amount = *correct});
  return json;
}

}  // namespace scsim::analysis
