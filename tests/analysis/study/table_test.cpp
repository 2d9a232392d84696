// Means over replicates, the Pareto front, and what the outputs say.
#include "analysis/study/table.h"

#include <algorithm>
#include <cmath>

#include "tests/analysis/study/small_study.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

using namespace analysis;

TEST_CASE("the interval over replicates is Student's", "[analysis][study]") {
  // 1, 2, 3, 4: mean 2.5, deviation sqrt(5/3); t(0.975, 3) = 3.182.
  const Replicated four = replicated({1, 2, 3, 4});
  CHECK(four.mean == 2.5);
  CHECK(*four.half_width == Approx(3.182 * std::sqrt(5.0 / 3) / 2));
  CHECK(!replicated({1}).half_width);
  CHECK(std::isnan(replicated({1, std::nan("")}).mean));
}

TEST_CASE("the Pareto front is what no other row beats", "[analysis][study]") {
  const std::size_t a = *find_metric("gpus"), b = *find_metric("goodput_per_s");
  Rng rng(1, "pareto");
  for (int round = 0; round < 200; ++round) {
    std::vector<StudyRow> rows(rng.below(12));
    for (StudyRow& row : rows) {
      row.metrics.resize(metric_table().size());
      row.metrics[a].mean = static_cast<double>(rng.below(5));
      row.metrics[b].mean = rng.below(8) == 0 ? std::nan("") : static_cast<double>(rng.below(5));
    }
    const auto front = pareto_front(rows, a, b);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      bool beaten = std::isnan(rows[i].metrics[b].mean);
      for (const StudyRow& other : rows) {
        const double gpus = other.metrics[a].mean, goodput = other.metrics[b].mean;
        const double mine = rows[i].metrics[a].mean, good = rows[i].metrics[b].mean;
        beaten = beaten || (gpus <= mine && goodput >= good && (gpus < mine || goodput > good));
      }
      CHECK(beaten == (std::ranges::find(front, i) == front.end()));
    }
  }
}

TEST_CASE("differences are taken replicate by replicate", "[analysis][study]") {
  const SmallStudies small;
  const auto study = small.study(
      "replicates: 3\nvary: [{key: \"pools[0].gpus\", values: [1, 2]}]\nshow: [ttft_mean_s]\n"
      "pareto: [gpus, ttft_mean_s]\n");
  const auto results = run_all(study, 2);
  const StudyTable table = make_table(study, results);
  const std::size_t m = *find_metric("ttft_mean_s");
  std::vector<double> differences;
  for (std::size_t r = 0; r < 3; ++r)
    differences.push_back(results[3 + r].metrics[m] - results[r].metrics[m]);
  CHECK(table.rows[1].difference[m].mean == Approx(replicated(differences).mean));
  CHECK(*table.rows[1].difference[m].half_width == Approx(*replicated(differences).half_width));
  CHECK(table.rows[0].difference[m].mean == 0);

  const std::string text = study_text(table);
  for (const char* part : {"2 points, 3 replicates each", "uncalibrated", "ttft_mean_s",
                           "Pareto front", "Less the first"})
    CHECK_THAT(text, Catch::Contains(part));
  const std::string csv = study_csv(table);
  CHECK(std::ranges::count(csv, '\n') == 7);
  CHECK_THAT(csv, Catch::StartsWith("pools[0].gpus,replicate,slo_share,"));
  const std::string html = study_html(table);
  for (const char* part : {"study_pareto", "uncalibrated", "ttft_mean_s", "id=\"data\""})
    CHECK_THAT(html, Catch::Contains(part));
}

TEST_CASE("every metric has a sentence, and a name that ends in its unit", "[analysis][study]") {
  for (const Metric& metric : metric_table()) {
    CHECK(!metric.sentence.empty());
    CHECK((metric.unit == MetricUnit::kSeconds) ==
          (metric.name.ends_with("_s") && !metric.name.ends_with("per_s")));
    CHECK((metric.unit == MetricUnit::kPerSecond) == metric.name.ends_with("_per_s"));
    CHECK((metric.unit == MetricUnit::kDollars) == metric.name.starts_with("usd_"));
    CHECK((metric.unit == MetricUnit::kJoules) == metric.name.starts_with("joules"));
    CHECK((metric.unit == MetricUnit::kGrams) == metric.name.starts_with("grams_"));
  }
}

}  // namespace
}  // namespace scsim::test
