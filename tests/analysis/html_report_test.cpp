#include "analysis/html_report.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/analysis/browser.h"
#include "tests/analysis/sample_result.h"
#include "tests/analysis/sample_store.h"
#include "traces/report/html_assets.h"

namespace scsim::analysis {
namespace {

std::string page_without_library(const Result& result) {
  std::string page = html_report(result, summarise(result, {}));
  const std::size_t library = page.find(chart_js());
  REQUIRE(library != std::string::npos);
  return page.erase(library, chart_js().size());
}

// Every element that is opened is closed in its turn; void elements aside.
bool balanced(const std::string& page) {
  const std::vector<std::string> void_elements = {"meta", "!DOCTYPE"};
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find_first_of(" >\n", at);
    const std::string name = page.substr(at + 1, end - at - 1);
    if (std::ranges::find(void_elements, name) != void_elements.end()) continue;
    if (name.starts_with('/')) {
      if (open.empty() || open.back() != name.substr(1)) return false;
      open.pop_back();
    } else if (!open.empty() && (open.back() == "script" || open.back() == "style")) {
      continue;  // what stands in a script is no element
    } else {
      open.push_back(name);
    }
  }
  return open.empty();
}

Result with_store(Result result) {
  add_store(result);
  return result;
}

}  // namespace

TEST_CASE("a browser draws the page without complaint", "[analysis][html]") {
  if (!test::has_browser()) return;
  for (const Result& result : {sample_result({}), with_store(sample_result({})), Result()}) {
    const std::string seen = test::in_browser(html_report(result, summarise(result, {})));
    CHECK(seen.find("CONSOLE") == std::string::npos);
    // Chart.js gives each canvas that it draws a size of its own.
    const bool drawn = seen.find("aria-label=\"Time to first token\" width=") != std::string::npos;
    CHECK(drawn == !result.requests.empty());
    const bool store =
        seen.find("aria-label=\"dram: what tenants hold\" width=") != std::string::npos;
    CHECK(store == !result.tiers.empty());
  }
}

TEST_CASE("a page is well formed", "[analysis][html]") {
  CHECK(balanced(page_without_library(sample_result({}))));
  CHECK(balanced(page_without_library(sample_result({.requests = 1, .engines = 1}))));
  CHECK(balanced(page_without_library(with_store(sample_result({})))));
  CHECK(balanced(page_without_library(Result())));
}

TEST_CASE("a page fetches nothing", "[analysis][html]") {
  const std::string page = page_without_library(with_store(sample_result({})));
  for (const char* outside : {"http://", "https://", "src=", "href=", "url(", "@import", "fetch("})
    CHECK(page.find(outside) == std::string::npos);
  CHECK(page.find("default-src 'none'") != std::string::npos);
}

TEST_CASE("names in a page are text, not markup", "[analysis][html]") {
  const std::string page = page_without_library(sample_result({}));
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("&lt;script&gt;alert(&quot;1&quot;)") != std::string::npos);
  CHECK(page.find("toy &amp; small") != std::string::npos);
}

TEST_CASE("the charts' data is JSON and keeps names as they are", "[analysis][html]") {
  const Result result = sample_result({});
  const auto data = nlohmann::json::parse(html_chart_data(result, summarise(result, {})));
  std::vector<std::string> names;
  for (const auto& row : data["request_stages"]["rows"]) names.push_back(row["name"]);
  CHECK(std::ranges::count(names, "<script>alert(\"1\")</script>") == 1);
  for (const auto& row : data["ledger"]["rows"]) {
    double sum = 0;
    for (double part : row["parts"]) sum += part;
    CHECK(sum == Approx(1).epsilon(1e-9));
  }
  for (const auto& curve : data["distributions"]["ttft"]["curves"]) {
    const std::vector<double> seconds = curve["seconds"];
    CHECK(std::ranges::is_sorted(seconds));
  }
  double blocks = 0;
  for (const auto& row : data["lifetimes"]["rows"])
    for (double part : row["parts"]) blocks += part;
  CHECK(blocks == 2000 + 4000 + 9000);
  CHECK(data["timeline"]["running"]["mean"].size() == 200);
  CHECK_NOTHROW(nlohmann::json::parse(html_chart_data(Result(), summarise(Result(), {}))));
}

TEST_CASE("what the numbers rest on stands at the head of the page", "[analysis][html]") {
  const std::string page = page_without_library(sample_result({}));
  CHECK(page.find("uncalibrated: ") < page.find("class=\"cards\""));
}

}  // namespace scsim::analysis
