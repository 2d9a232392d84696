#include "analysis/text_report.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/wording.h"
#include "tests/analysis/sample_result.h"
#include "traces/report/text_table.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

bool fits_a_screen(const std::string& report) {
  const std::vector<std::string> lines = split(report, '\n');
  return lines.size() <= 61 && std::ranges::all_of(lines, [](const std::string& line) {
           return display_width(line) <= kTerminalColumns;
         });
}

}  // namespace

TEST_CASE("the report fits a screen, whatever it is about", "[analysis]") {
  Result small = sample_result({});
  CHECK(fits_a_screen(text_report(small, summarise(small, {}))));
  Result one = sample_result({.requests = 1, .engines = 1});
  CHECK(fits_a_screen(text_report(one, summarise(one, {}))));
  const Result none;
  CHECK(fits_a_screen(text_report(none, summarise(none, {}))));

  Result large = sample_result({.requests = 6000, .per_second = 9, .engines = 4});
  for (int i = 0; i < 12; ++i) large.honesty.push_back("unverified: " + std::string(150, 'x'));
  large.trace.name = std::string(300, 'n');
  large.slos.resize(40);
  large.tables.tenants.resize(500);
  large.gaps_by_tenant.resize(500);
  for (std::size_t i = 0; i < large.requests.size(); ++i) {
    large.requests[i].tenant = static_cast<std::uint32_t>(i % 500);
    large.requests[i].slo = static_cast<std::uint32_t>(i % 40);
    large.requests[i].preemptions = i % 3 == 0 ? 2 : 0;
    if (i % 20 == 0) large.requests[i].outcome = Outcome::kTimedOut;
  }
  for (SloClass& slo : large.slos) {
    slo.name = std::string(80, 's');
    slo.ttft = slo.tpot = slo.e2e = Duration(1234567890);
  }
  for (Tenant& tenant : large.tables.tenants) tenant.name = "Ü" + std::string(90, 't');
  CHECK(fits_a_screen(text_report(large, summarise(large, {}))));
}

TEST_CASE("the report answers its four questions and is honest first", "[analysis]") {
  const Result result = sample_result({});
  const std::string report = text_report(result, summarise(result, {}));
  for (const char* part : {"! uncalibrated: ", "! accuracy unknown: ", "SLO ", "Verdict ",
                           "Bottleneck ", "Cache ", "KV blocks ", "Roofline ", "TTFT", "ITL",
                           "TTFT runs from arrival at the router", "Money ", "turn 0", "Over time"})
    CHECK(report.find(part) != std::string::npos);
  CHECK(report.find("! uncalibrated") < report.find("SLO "));
}

TEST_CASE("wrapped lines keep to the terminal and lose no word", "[analysis]") {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "wörd ";
  const std::string lines = wrapped("Head  ", text);
  for (const std::string& line : split(lines, '\n')) CHECK(display_width(line) <= 100);
  std::size_t words = 0;
  for (std::size_t found = lines.find("wörd"); found != std::string::npos;
       found = lines.find("wörd", found + 1))
    ++words;
  CHECK(words == 60);
}

TEST_CASE("long names are cut by characters, not bytes", "[analysis]") {
  CHECK(shortened("äöü", 3) == "äöü");
  CHECK(shortened("äöüß", 3) == "äö…");
  CHECK(display_width(shortened(std::string(50, 'x'), 20)) == 20);
}

TEST_CASE("rates and counts are written with three digits", "[analysis]") {
  CHECK(bandwidth_text(4.8e12) == "4.80 TB/s");
  CHECK(flops_text(989e12) == "989 TFLOP/s");
  CHECK(count_text(9999) == "9,999");
  CHECK(count_text(12345678) == "12.3 M");
  CHECK(dollars_text(0.0123) == "$0.0123");
  CHECK(dollars_text(12345) == "$12,345");
  CHECK(estimate_text({2, Interval{0.1, 32, false}}) == "2.00 s ±5.0 %");
  CHECK(estimate_text({2, std::nullopt}) == "2.00 s");
}

}  // namespace scsim::analysis
