// What `scsim cache` prints and writes of a study.
#include "analysis/cache_report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/analysis/browser.h"
#include "traces/text.h"

namespace scsim::analysis {
namespace {

CacheStudy sample_study() {
  CacheStudy study;
  study.trace = "a <b>.pb";
  study.block_tokens = 16;
  study.requests = 10;
  study.total = {100, 1'500};
  study.unique_blocks = 40;
  study.ideal = {60, 900};
  study.rows = {{"fifo", false, 10, {25, 400}},
                {"fifo", false, 20, {50, 700}},
                {"belady", true, 10, {40, 640}},
                {"belady", true, 20, {50, 750}}};
  study.lru = {{1, {5, 80}}, {10, {20, 320}}, {20, {50, 720}}, {40, {60, 900}}};
  return study;
}

TEST_CASE("the gap closed is the part of the way from lru to the optimum", "[analysis][cache]") {
  CacheStudy study = sample_study();
  CHECK(gap_closed(study, study.rows[0]) == (25.0 - 20) / (40 - 20));
  CHECK(gap_closed(study, study.rows[2]) == 1.0);
  CHECK_FALSE(gap_closed(study, study.rows[1]));  // lru finds as much as the optimum
  // The curve is of leaves first; blocks that forget the tree have no lru to compare with here.
  study.flat = true;
  CHECK_FALSE(gap_closed(study, study.rows[0]));
  study.rows.push_back({"lru", false, 10, {30, 480}});
  CHECK(gap_closed(study, study.rows[0]) == (25.0 - 30) / (40 - 30));
}

TEST_CASE("JSON has the rows as the study has them", "[analysis][cache]") {
  const CacheStudy study = sample_study();
  const auto json = nlohmann::json::parse(cache_json(study));
  CHECK(json["trace"] == study.trace);
  REQUIRE(json["results"].size() == 4);
  CHECK(json["results"][1]["hit_blocks"] == 50);
  CHECK(json["results"][1]["total_tokens"] == 1'500);
  CHECK(json["results"][1]["oracle"] == false);
  CHECK(json["results"][2]["oracle"] == true);
  CHECK(json["results"][2]["gap_closed"] == 1.0);
  CHECK_FALSE(json["results"][1].contains("gap_closed"));
}

TEST_CASE("every output defines its ratios", "[analysis][cache]") {
  const CacheStudy study = sample_study();
  const std::string html = cache_html(study);
  for (const std::string& definition : definitions(study)) {
    const std::size_t colon = definition.find(": ");
    CHECK_THAT(html, Catch::Contains("<dt>" + definition.substr(0, colon) + "</dt>"));
    CHECK_THAT(cache_text(study), Catch::Contains(definition.substr(0, colon + 2)));
    CHECK_THAT(cache_json(study), Catch::Contains(json_quote(definition)));
  }
  CHECK(definitions(study).size() == 5);
  CHECK(definitions(CacheStudy{}).size() == 3);  // no gap, no oracle
}

TEST_CASE("the page of a cache study fetches nothing, and names in it are text",
          "[analysis][cache]") {
  const std::string html = cache_html(sample_study());
  CHECK(html.find("a <b>") == std::string::npos);
  CHECK(html.find("a &lt;b&gt;.pb") != std::string::npos);
  CHECK(html.find("default-src 'none'") != std::string::npos);
}

TEST_CASE("a browser draws the page of a cache study without complaint", "[analysis][cache]") {
  if (!test::has_browser()) return;
  for (const CacheStudy& study : {sample_study(), CacheStudy{}}) {
    const std::string seen = test::in_browser(cache_html(study));
    CHECK(seen.find("CONSOLE") == std::string::npos);
    const bool drawn = seen.find("aria-label=\"Block hit ratio\" width=") != std::string::npos;
    CHECK(drawn == !study.lru.empty());
  }
}

}  // namespace
}  // namespace scsim::analysis
