#include "exec/session/calibration_plan.h"

#include <catch2/catch.hpp>
#include <set>

namespace scsim::exec {
namespace {

CalibrationDesign some_design(std::uint64_t seed) {
  CalibrationDesign design;
  design.seed = seed;
  design.methods.resize(3);
  design.tasks.resize(2);
  design.modes = {SessionMode::kMultiTurn, SessionMode::kMultiRequest};
  design.lengths = {512, 1024};
  design.sessions = 4;
  design.repeats = 2;
  return design;
}

TEST_CASE("a plan has every sample of the crossed design once", "[exec][session]") {
  std::set<SampleKey> keys;
  std::int64_t order = 0;
  for (const PlannedBlock& block : plan_blocks(some_design(1))) {
    CHECK(block.samples.size() == 3);
    for (const PlannedSample& sample : block.samples) {
      CHECK(sample.order == order++);
      CHECK(keys.insert(sample.key).second);
      SampleKey common = sample.key;
      common.method = block.key.method;
      CHECK(common == block.key);
    }
  }
  CHECK(keys.size() == 3 * 2 * 2 * 2 * 4 * 2);
}

TEST_CASE("a plan's order is random, and the seed's alone", "[exec][session]") {
  const auto keys = [](std::uint64_t seed) {
    std::vector<SampleKey> all;
    for (const PlannedBlock& block : plan_blocks(some_design(seed))) {
      for (const PlannedSample& sample : block.samples) all.push_back(sample.key);
    }
    return all;
  };
  CHECK((keys(1) == keys(1)));
  CHECK((keys(1) != keys(2)));
  std::set<std::int32_t> first_methods;  // of blocks: every method comes first somewhere
  for (const PlannedBlock& block : plan_blocks(some_design(1))) {
    first_methods.insert(block.samples.front().key.method);
  }
  CHECK(first_methods.size() == 3);
}

}  // namespace
}  // namespace scsim::exec
