// A folder with a recipe and studies of it that take milliseconds.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "analysis/study/crew.h"
#include "analysis/study/design.h"
#include "tests/support/temporary_folder.h"

namespace scsim::test {

class SmallStudies {
 public:
  SmallStudies() {
    overwrite(folder_.file("recipe.yaml"),
              "requests: 60\nduration: 0 s\narrivals: {rate: 4}\nplain: {prompt: {mean: 300}}\n");
  }
  std::string file(const std::string& name) const { return folder_.file(name); }

  // `text` below "trace: recipe.yaml".
  Expected<analysis::Study> read(const std::string& text) const {
    overwrite(file("s.yaml"), "trace: recipe.yaml\n" + text);
    return analysis::read_study(file("s.yaml"), {});
  }
  analysis::Study study(const std::string& text) const {
    auto study = read(text);
    if (!study) FAIL(study.error().message);
    return *std::move(study);
  }
  std::string error(const std::string& text) const {
    const auto study = read(text);
    REQUIRE(!study);
    return study.error().message;
  }

 private:
  TemporaryFolder folder_;
};

// Every point, by so many threads.
inline std::vector<analysis::JobResult> run_all(const analysis::Study& study, int threads) {
  analysis::Ranks alone;
  analysis::Workloads workloads(1 << 24);
  analysis::Crew crew(alone, threads, workloads);
  const auto points = study.points();
  std::vector<analysis::JobResult> results(points.size());
  const auto ran = crew.run(
      points.size(),
      [&](std::size_t i) {
        return analysis::Job{.inputs = *study.inputs(points[i]), .warm_up = study.warm_up};
      },
      [&](std::size_t i, const analysis::JobResult& result) -> Expected<void> {
        results[i] = result;
        return {};
      });
  REQUIRE(ran);
  return results;
}

// All but the wall seconds, bit for bit.
inline bool same(const analysis::JobResult& a, const analysis::JobResult& b) {
  const auto bits = [](const std::vector<double>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()),
                       values.size() * sizeof(double));
  };
  return bits(a.metrics) == bits(b.metrics) && a.verdict == b.verdict &&
         a.bottleneck == b.bottleneck && a.honesty == b.honesty && a.error == b.error;
}

}  // namespace scsim::test
