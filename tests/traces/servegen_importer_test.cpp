#include <catch2/catch.hpp>
#include <map>

#include "tests/support/real_data.h"
#include "tests/traces/imported.h"

namespace scsim::test {
namespace {

// Two clients of one model: the first asks 2 times a second, not at all, and 4 times; the second
// rarely and in bursts.
const std::map<std::string, std::string> kSample = {
    {"data/reason/big/chunk-1-trace.csv",
     "0,2,1,Gamma,1,0.5\n600,0,0,,0,0\n1200,4,0.5,Weibull,2.1,0.28\n"},
    {"data/reason/big/chunk-1-dataset.json",
     R"({"0": {"input_tokens": "{10: 0.5, 30: 0.5}", "output_tokens": "{7: 1.0}"},
         "1200": {"input_tokens": "{100: 1.0}", "output_tokens": "{300: 1e+0, 400: 0.0}"}})"},
    {"data/reason/big/chunk-2-trace.csv",
     "0,1,3,Gamma,0.1,10\n600,1,3,Gamma,0.1,10\n1200,1,3,Gamma,0.1,10\n"},
    {"data/reason/big/chunk-2-dataset.json",
     R"({"0": {"text_tokens": "{50: 1.0}", "image_count": "{2: 1.0}", "image_tokens": "{1000: 1.0}", "output_tokens": "{1: 1.0}"}})"},
    {"data/notes.txt", "not read"}};

const Options kAll = {{"duration", "30 min"}};

TEST_CASE("clients become tenants that keep their rates and lengths", "[traces][servegen]") {
  const Imported trace = import_tree("servegen", kSample, kAll);
  REQUIRE(trace.error == "");
  REQUIRE(trace.tables.tenants.size() == 2);
  CHECK(trace.tables.tenants[0].name == "big/chunk-1");
  CHECK(trace.tables.models == std::vector<std::string>{"big"});

  std::map<std::pair<std::uint64_t, std::int64_t>, int> counts;  // by tenant and bin
  double prompts = 0;
  for (const Request& request : trace.requests) {
    const std::int64_t bin = request.arrival->ns() / 600'000'000'000;
    ++counts[{request.tenant.value(), bin}];
    if (request.tenant.value() == 1) {
      CHECK(request.prompt_tokens() == Tokens(2050));
      CHECK(request.output_tokens == Tokens(1));
    } else if (bin == 0) {
      CHECK(request.output_tokens == Tokens(7));
      prompts += static_cast<double>(request.prompt_tokens().value());
    } else {
      CHECK(request.prompt_tokens() == Tokens(100));
      CHECK(request.output_tokens == Tokens(300));
    }
  }
  // Poisson of mean 1,200 (deviation 35); Weibull of shape 2.1 has a cv of 0.5 (deviation 24 of
  // 2,400). The mean prompt is 20, with a deviation of 10 / sqrt(1,200).
  CHECK(counts[{0, 0}] == Approx(1'200).margin(140));
  CHECK(counts[{0, 1}] == 0);
  CHECK(counts[{0, 2}] == Approx(2'400).margin(100));
  CHECK(prompts / counts[{0, 0}] == Approx(20).margin(1.2));
  // Gamma of shape 0.1: the variance of the count is 10 times the mean of 1,800.
  CHECK(counts[{1, 0}] + counts[{1, 1}] + counts[{1, 2}] == Approx(1'800).margin(540));
}

TEST_CASE("bursts are as wide as the shape says", "[traces][servegen]") {
  // Gaps of Gamma with shape 0.25 have a cv of 2.
  std::string bins;
  for (int i = 0; i < 40; ++i) bins += std::to_string(600 * i) + ",5,2,Gamma,0.25,0.8\n";
  const Imported trace =
      import_tree("servegen",
                  {{"m/chunk-0-trace.csv", bins},
                   {"m/chunk-0-dataset.json",
                    R"({"0": {"input_tokens": "{1: 1}", "output_tokens": "{1: 1}"}})"}},
                  {{"duration", "6 h"}, {"rate_scale", "0.5"}});
  REQUIRE(trace.requests.size() > 1'000);
  CHECK(static_cast<double>(trace.requests.size()) == Approx(54'000).epsilon(0.05));
  double sum = 0, squares = 0;
  for (std::size_t i = 1; i < trace.requests.size(); ++i) {
    const double gap =
        (*trace.requests[i].arrival - *trace.requests[i - 1].arrival).seconds().value();
    sum += gap;
    squares += gap * gap;
  }
  const double n = static_cast<double>(trace.requests.size() - 1), mean = sum / n;
  CHECK(mean == Approx(0.4).epsilon(0.05));
  CHECK((squares / n - mean * mean) / (mean * mean) == Approx(4).epsilon(0.15));
}

TEST_CASE("a client's requests do not depend on the other clients", "[traces][servegen]") {
  const Imported all = import_tree("servegen", kSample, kAll);
  Options one = kAll;
  one["clients"] = "1";  // the busiest: 1,200 + 2,400 requests against 1,800
  const Imported busiest = import_tree("servegen", kSample, one);
  REQUIRE(busiest.tables.tenants.size() == 1);
  std::vector<TimePoint> expected, found;
  for (const Request& request : all.requests) {
    if (request.tenant == TenantId(0)) expected.push_back(*request.arrival);
  }
  for (const Request& request : busiest.requests) found.push_back(*request.arrival);
  CHECK(found == expected);
  Options other_seed = one;
  other_seed["seed"] = "7";
  CHECK(import_tree("servegen", kSample, other_seed).requests.size() != found.size());
}

TEST_CASE("servegen bins that are wrong are counted, and the first stops a strict import",
          "[traces][servegen]") {
  std::map<std::string, std::string> sample = kSample;
  sample["data/reason/big/chunk-1-trace.csv"] +=
      "1800,1,1,Gama,1,1\n1900,-1,1,Gamma,1,1\n2000,1\n1100,1,1,Gamma,1,1\n2100,1,1,Gamma,0,1\n";
  const Imported trace = import_tree("servegen", sample, kAll);
  const std::string file = "tree/data/reason/big/chunk-1-trace.csv";
  CHECK(
      trace.report.first_rejected ==
      std::vector<std::string>{
          file + ":4: unknown distribution \"Gama\"; did you mean \"Gamma\"? known: Gamma, Weibull",
          file + ":5: expected a start and a rate of at least 0, found \"1900\" and \"-1\"",
          file + ":6: 2 fields; expected 6: start, rate, cv, distribution, shape, scale",
          file + ":7: begins before the bin above it has begun",
          file + ":8: shape: expected a number from 0.001 to 1,000, found \"0\""});
  CHECK(import_tree("servegen", sample, kAll, /*strict=*/true).error ==
        trace.report.first_rejected[0]);
}

TEST_CASE("what servegen files lack is said", "[traces][servegen]") {
  CHECK_THAT(import_tree("servegen", kSample, {{"duration", "31 min"}}).error,
             Catch::Contains("rates end at"));
  CHECK_THAT(import_tree("servegen", kSample, {{"pool", "bgi"}}).error,
             Catch::Contains("did you mean \"big\"?"));
  CHECK_THAT(import_text("servegen", "hello").error,
             Catch::StartsWith("log: expected a folder or an archive of one"));
  std::map<std::string, std::string> sample = kSample;
  sample["data/reason/big/chunk-2-dataset.json"] = R"({"0": {"input_tokens": "{5; 1.0}"}})";
  CHECK_THAT(import_tree("servegen", sample, kAll).error,
             Catch::EndsWith("chunk-2-dataset.json: window 0: input_tokens: expected {length: "
                             "probability, ...}, found \"{5; 1.0}\""));
  sample.erase("data/reason/big/chunk-2-dataset.json");
  CHECK_THAT(import_tree("servegen", sample, kAll).error,
             Catch::Contains("no data/reason/big/chunk-2-dataset.json beside it"));
}

TEST_CASE("the published servegen archive gives the load of its clients", "[traces][servegen]") {
  const auto path = real_data("traces/servegen/reason_deepseek-r1_and_mm-image.tar.zst");
  if (!path) return;
  const Imported trace = import_files(
      "servegen", {*path}, {{"pool", "deepseek-r1"}, {"start", "10 h"}, {"duration", "1 h"}});
  REQUIRE(trace.error == "");
  CHECK(trace.tables.tenants.size() == 73);
  CHECK(trace.requests.size() > 10'000);
}

}  // namespace
}  // namespace scsim::test
