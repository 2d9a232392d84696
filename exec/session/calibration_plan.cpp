#include "exec/session/calibration_plan.h"

#include <utility>

#include "traces/rng.h"

namespace scsim::exec {
namespace {

// Fisher and Yates.
template <class T>
void shuffle(std::vector<T>& items, Rng& rng) {
  for (std::size_t n = items.size(); n > 1; --n) {
    std::swap(items[n - 1], items[rng.below(n)]);
  }
}

}  // namespace

std::vector<PlannedBlock> plan_blocks(const CalibrationDesign& design) {
  std::vector<PlannedBlock> blocks;
  SampleKey key;
  for (key.repeat = 0; key.repeat < design.repeats; ++key.repeat) {
    for (key.session = 0; key.session < design.sessions; ++key.session) {
      for (key.task = 0; key.task < std::ssize(design.tasks); ++key.task) {
        for (key.mode = 0; key.mode < std::ssize(design.modes); ++key.mode) {
          for (key.length = 0; key.length < std::ssize(design.lengths); ++key.length) {
            blocks.push_back({.key = key, .samples = {}});
          }
        }
      }
    }
  }
  Rng rng(design.seed, "exec.calibration.order");
  shuffle(blocks, rng);
  std::int64_t order = 0;
  for (PlannedBlock& block : blocks) {
    for (std::int32_t method = 0; method < std::ssize(design.methods); ++method) {
      PlannedSample sample{.key = block.key, .order = 0};
      sample.key.method = method;
      block.samples.push_back(sample);
    }
    shuffle(block.samples, rng);
    for (PlannedSample& sample : block.samples) sample.order = order++;
  }
  return blocks;
}

}  // namespace scsim::exec
