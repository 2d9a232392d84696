// A training, step by step, that can be killed at any moment and goes on from its last checkpoint
// as if nothing had happened.
//
//   Expected<Training> training = Training::begin(recipe, folder);   // or goes on with it
//   while (!training->finished()) {
//     if (auto done = training->step(); !done) return done.error();
//   }
//
// Every step has rows of each task of the recipe (training_rows.h) and learns their answers alone.
// A task's contexts are short first and grow by a quarter whenever the answers of ten steps at
// their length were right as often as the recipe's `passes` says; of the steps of a task one in
// four has a shorter length, so that those are not forgotten.
//
// The same recipe and number of threads give the same bytes. Sessions have numbers from 2^32 on,
// which no calibration comes to: what it asks was not learnt, the recipe's seed and its own being
// one or not.
//
// In the folder: tokenizer.json from the beginning on, training_log.csv and checkpoint.pb
// (replaced at each), config.json and model.safetensors at the end, when checkpoint.pb goes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "exec/train/proto/training.pb.h"
#include "traces/expected.h"

namespace scsim::exec {

class Training {
 public:
  // The error: the folder holds a finished model, or the checkpoint of another recipe, or cannot be
  // written to. Makes the folder where it is missing.
  static Expected<Training> begin(const proto::TrainingRecipe& recipe, const std::string& folder);
  Training(Training&&) noexcept;
  Training& operator=(Training&&) noexcept;
  ~Training();

  // The error: a task that has no sessions of a length, or a disk that is full.
  Expected<void> step();

  std::int64_t steps_done() const;
  std::int64_t steps() const;
  bool finished() const { return steps_done() == steps(); }
  std::int64_t parameters() const;
  // A sentence a task, of the row of the log that the last step() wrote; empty where it wrote none.
  const std::vector<std::string>& news() const;

 private:
  struct State;
  explicit Training(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace scsim::exec
