#include "analysis/window.h"

#include <catch2/catch.hpp>

#include "tests/analysis/sample_result.h"

namespace scsim::analysis {
namespace {

Result arrivals(std::initializer_list<double> times, double end) {
  Result result;
  for (double time : times)
    result.requests.push_back(finished_request(time, time, time + 1, time + 2, 2));
  result.end = at(end);
  return result;
}

}  // namespace

TEST_CASE("the first tenth of the arrivals' time and the drain are left out", "[analysis]") {
  const Result result = arrivals({10, 50, 110}, 150);
  const Window window = measured_window(result, 0.1);
  CHECK(window.begin == at(20));
  CHECK(window.end == at(110));
  CHECK_FALSE(window.whole_run);
  CHECK_FALSE(window.measures(result.requests[0]));
  CHECK(window.measures(result.requests[1]));
  CHECK(window.measures(result.requests[2]));
  CHECK(window_sentence(window).find("warm-up") != std::string::npos);
}

TEST_CASE("the last hundredth to arrive does not stretch the window", "[analysis]") {
  Result result;
  for (int i = 0; i < 200; ++i) {
    const double time = i < 198 ? i : 1000 + i;  // two stragglers
    result.requests.push_back(finished_request(time, time, time + 1, time + 2, 2));
  }
  result.end = at(1300);
  const Window window = measured_window(result, 0);
  CHECK(window.end == at(197));
  CHECK(window.last_arrival == at(1199));
  CHECK_FALSE(window.measures(result.requests[198]));
}

TEST_CASE("without a warm-up every request is measured", "[analysis]") {
  const Result result = arrivals({10, 50, 110}, 150);
  const Window window = measured_window(result, 0);
  for (const RequestResult& r : result.requests) CHECK(window.measures(r));
}

TEST_CASE("an offline batch is measured whole", "[analysis]") {
  const Result result = arrivals({0, 0, 1}, 100);
  const Window window = measured_window(result, 0.1);
  CHECK(window.whole_run);
  CHECK(window.begin == at(0));
  CHECK(window.end == at(100));
  for (const RequestResult& r : result.requests) CHECK(window.measures(r));
}

TEST_CASE("a run without requests has a window too", "[analysis]") {
  CHECK(measured_window(arrivals({}, 10), 0.1).seconds() == Approx(10));
  CHECK(measured_window(Result(), 0.1).seconds() == 0);
}

TEST_CASE("a mean over the window weighs cut bins by their part", "[analysis]") {
  Window window;
  window.begin = at(1.5);
  window.end = at(3.25);
  // Bins of a second holding 1, 2, 3, 4: half of the second, the third, a quarter of the fourth.
  const std::vector<float> series = {1, 2, 3, 4};
  const std::optional<double> mean = mean_over(series, Duration(1000000000), window);
  REQUIRE(mean);
  CHECK(*mean == Approx((0.5 * 2 + 1 * 3 + 0.25 * 4) / 1.75));
  const BinRange bins = whole_bins(Duration(1000000000), series.size(), window);
  CHECK(bins.first == 2);
  CHECK(bins.count == 1);
  CHECK_FALSE(mean_over({}, Duration(1000000000), window));
  CHECK_FALSE(mean_over(series, Duration(0), window));
}

}  // namespace scsim::analysis
