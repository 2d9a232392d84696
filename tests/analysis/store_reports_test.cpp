#include "analysis/store_reports.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "analysis/html_report.h"
#include "analysis/json_report.h"
#include "analysis/outputs.h"
#include "analysis/text_report.h"
#include "tests/analysis/sample_result.h"
#include "tests/analysis/sample_store.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

using nlohmann::json;

Result result_with_store(const SampleOptions& options = {}) {
  Result result = sample_result(options);
  add_store(result);
  return result;
}

// Of summary.json in the order in which they stand there.
std::vector<std::string> keys_in_order(const nlohmann::ordered_json& object) {
  std::vector<std::string> names;
  for (const auto& [key, value] : object.items()) names.push_back(key);
  return names;
}

}  // namespace

TEST_CASE("no report says anything of a store that is not there", "[analysis][store]") {
  const test::TemporaryFolder folder;
  const Result result = sample_result({.requests = 300});
  const Summary summary = summarise(result, {});
  REQUIRE(write_outputs(result, summary, folder.file("out")));
  CHECK(text_report(result, summary).find("Store") == std::string::npos);
  CHECK_FALSE(json::parse(json_report(result, summary)).contains("store"));
  CHECK_FALSE(json::parse(json_report(result, summary))["definitions"].contains("residence"));
  CHECK_FALSE(json::parse(html_chart_data(result, summary)).contains("store"));
  CHECK(html_report(result, summary).find("id=\"store_") == std::string::npos);
  CHECK(read_file(folder.file("out/requests.csv"))->find("fetch") == std::string::npos);
  CHECK(read_file(folder.file("out/trace.json"))->find("\"store\"") == std::string::npos);
}

TEST_CASE("summary.json says what the store's summary says, under stable keys",
          "[analysis][store]") {
  const Result result = result_with_store();
  const Summary summary = summarise(result, {});
  const auto read = nlohmann::ordered_json::parse(json_report(result, summary));
  const auto& store = read["store"];
  CHECK(keys_in_order(store) == std::vector<std::string>{"block_tokens", "all", "tenants", "worth",
                                                         "abandoned_loads", "tiers", "links"});
  CHECK(keys_in_order(store["all"]) ==
        std::vector<std::string>{"name", "requests", "prompt_tokens", "found_tokens",
                                 "found_lossy_tokens", "fetched_tokens", "fetched_lossy_tokens",
                                 "computed_tokens", "ratio", "avoided_seconds_per_request",
                                 "wait_seconds_per_request", "ttft_saved_seconds_per_request"});
  CHECK(keys_in_order(store["all"]["ratio"]) ==
        std::vector<std::string>{"hbm", "dram", "remote", "computed"});
  double ratios = 0;
  for (const auto& ratio : store["all"]["ratio"]) ratios += ratio.get<double>();
  CHECK(ratios == Approx(1));
  CHECK(store["tenants"].size() == 3);
  CHECK(store["tiers"][1]["lossy"] == true);
  CHECK(store["tiers"][1]["price_dollars"].is_null());
  CHECK(store["tiers"][0]["lifetimes"].size() == 5);
  CHECK(keys_in_order(store["tiers"][0]["lifetimes"][0]) ==
        std::vector<std::string>{"reason", "blocks", "mean_seconds", "p50_seconds", "p90_seconds"});
  CHECK(store["tiers"][0]["tenants"][2]["charged_gib_hours"].get<double>() == Approx(1));
  CHECK(store["links"][2]["bytes_per_second"].is_null());
  for (const Definition& definition : store_definitions())
    CHECK(read["definitions"][std::string(definition.term)] == definition.sentence);
}

TEST_CASE("the charts of a store draw what there is", "[analysis][store][html]") {
  const Result result = result_with_store();
  const auto data = json::parse(html_chart_data(result, summarise(result, {})))["store"];
  for (const auto& row : data["tokens"]["rows"]) {
    const std::vector<double> parts = row["parts"];
    REQUIRE(parts.size() == data["tokens"]["parts"].size());
    double sum = 0;
    for (double part : parts) sum += part;
    CHECK(sum == Approx(1));
  }
  for (std::size_t t = 0; t < 2; ++t) {
    const auto& tier = data["tiers"][t];
    CHECK(tier["occupancy"]["rows"].size() == 3);  // no others: the three hold everything
    double blocks = 0, uses = 0;
    for (const auto& row : tier["lifetimes"]["rows"])
      for (double part : row["parts"]) blocks += part;
    for (double part : tier["lifetimes"]["gaps"]) uses += part;
    CHECK(blocks == 960);
    CHECK(uses == 4000);
    // What the tenants hold in a bin is what the tier holds.
    const std::size_t last = result.tiers[t].used_bytes.size() - 1;
    double held = 0;
    for (const auto& row : tier["occupancy"]["rows"]) held += row["parts"][last].get<double>();
    CHECK(held == Approx(static_cast<double>(result.tiers[t].used_bytes[last]) / (1 << 30)));
  }
  CHECK(data["link_bytes"].size() == 3);
  CHECK(data["link_rates"]["rows"].size() == 2);
  for (const auto& row : data["charged"]["rows"]) {
    double sum = 0;
    for (double part : row["parts"]) sum += part;
    CHECK(sum == Approx(6));
  }
}

TEST_CASE("tenants beyond the largest are drawn together", "[analysis][store][html]") {
  Result result = result_with_store({.requests = 100});
  result.tables.tenants.resize(20);
  for (TierResult& tier : result.tiers) {
    tier.stored_byte_seconds.assign(20, 1e15);
    tier.charged_byte_seconds.assign(20, 1e15);
    const std::vector<float> each(tier.used_bytes.size(), 5e9F);
    tier.used_bytes_by_tenant.assign(20, each);
    tier.used_bytes.assign(tier.used_bytes.size(), 20 * 5e9F);
  }
  const auto data = json::parse(html_chart_data(result, summarise(result, {})))["store"];
  const auto& rows = data["tiers"][0]["occupancy"]["rows"];
  REQUIRE(rows.size() == 7);
  CHECK(rows[6]["name"] == "all others");
  CHECK(rows[6]["parts"][0].get<double>() == Approx(14 * 5e9 / (1 << 30)));
}

TEST_CASE("requests.csv says where each prompt's tokens came from", "[analysis][store]") {
  const test::TemporaryFolder folder;
  Result result = result_with_store({.requests = 60});
  result.tables.tenants[0].name = "acme";  // no comma, so that columns can be counted
  REQUIRE(write_outputs(result, summarise(result, {}), folder.file("out")));
  const std::vector<std::string> lines = split(*read_file(folder.file("out/requests.csv")), '\n');
  const std::vector<std::string> header = split(lines[0], ',');
  const auto column = [&](const std::string& name) {
    const auto found = std::ranges::find(header, name);
    REQUIRE(found != header.end());
    return static_cast<std::size_t>(found - header.begin());
  };
  for (std::size_t i = 0; i < result.requests.size(); ++i) {
    const std::vector<std::string> cells = split(lines[i + 1], ',');
    REQUIRE(cells.size() == header.size());
    const auto number = [&](const std::string& name) {
      return *parse_integer(cells[column(name)]);
    };
    CHECK(number("found_tokens") + number("fetched_tokens_dram") + number("fetched_tokens_remote") +
              number("computed_tokens") ==
          number("prompt_tokens"));
    CHECK(number("fetched_lossy_tokens") == result.fetches[i].lossy_tokens);
  }
  const json trace = json::parse(*read_file(folder.file("out/trace.json")));
  std::size_t occupancy = 0, rates = 0;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] != "C") continue;
    occupancy += event["name"] == "dram GiB" ? 1 : 0;
    rates += event["name"] == "node0.dram -> node0 GB/s" ? 1 : 0;
    CHECK(event["name"] != "switch -> node0 GB/s");  // nothing was on it
  }
  CHECK(occupancy == result.tiers[0].used_bytes.size());
  CHECK(rates == 1);  // it never changes
  const Expected<Result> back = read_result(folder.file("out/result.pb"));
  REQUIRE(back);
  CHECK(json_report(*back, summarise(*back, {})) == *read_file(folder.file("out/summary.json")));
}

TEST_CASE("the terminal's report of a store keeps to its width and length", "[analysis][store]") {
  Result large = result_with_store({.requests = 6000, .per_second = 9, .engines = 4});
  for (int i = 0; i < 12; ++i) large.honesty.push_back("unverified: " + std::string(150, 'x'));
  for (int i = 0; i < 2; ++i) large.tiers.push_back(large.tiers[0]);
  for (TierResult& tier : large.tiers) tier.name = std::string(80, 't');
  for (LinkResult& link : large.links) link.name = std::string(80, 'l');
  for (Tenant& tenant : large.tables.tenants) tenant.name = "Ü" + std::string(90, 't');
  for (const Result& result : {large, result_with_store()}) {
    const std::string report = text_report(result, summarise(result, {}));
    const std::vector<std::string> lines = split(report, '\n');
    CHECK(lines.size() <= 61 + 14);
    for (const std::string& line : lines) CHECK(display_width(line) <= kTerminalColumns);
    CHECK(report.find("\nStore ") != std::string::npos);
    CHECK(report.find("came through a lossy codec") != std::string::npos);
    CHECK(report.find("estimates by the cost model") != std::string::npos);
  }
}

}  // namespace scsim::analysis
