// Where the seconds of a turn go: stages are nested and exclusive, so their times add up to the
// time between start() and stop().
//
//   std::unique_ptr<Timeline> timeline = wall_timeline();     // or exec/api/device_timeline.h
//   StageClock clock(*timeline);
//   clock.start();                                   // everything is `other` unless in a stage
//   {
//     StageScope scope(clock, Stage::kGeneration);
//     { StageScope inner(clock, Stage::kCompression); ... }   // not counted as generation
//   }
//   StageTimes times = clock.stop();                 // times.seconds[...] add up to times.total
//
// On a GPU a stage's work is queued, not done, when its scope ends. A Timeline made for a device
// marks the stream with events and reads them when the clock stops; the host never waits in
// between.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "traces/stage.h"

namespace scsim::exec {

// Marks moments and tells, afterwards, how long it was between two of them. Tests hand in one that
// counts; the CPU's reads the steady clock; a device's records events.
class Timeline {
 public:
  virtual ~Timeline() = default;
  virtual std::size_t mark() = 0;                                // a moment: now, in order
  virtual double seconds(std::size_t from, std::size_t to) = 0;  // waits until both are known
  virtual void clear() = 0;                                      // forgets all marks
};
std::unique_ptr<Timeline> wall_timeline();

struct StageTimes {
  double total = 0;
  PerStage<double> seconds{};  // total is their sum
  PerStage<std::int64_t> entries{};
};

class StageClock {
 public:
  // REQUIRES: `timeline` outlives the clock.
  explicit StageClock(Timeline& timeline) : timeline_(timeline) {}

  void start();       // REQUIRES: not running
  StageTimes stop();  // REQUIRES: every scope has ended. It may be started again
  bool running() const { return running_; }

 private:
  friend class StageScope;
  struct Mark {
    std::size_t moment;
    Stage stage;  // which begins here
  };
  void enter(Stage stage);
  void leave();

  Timeline& timeline_;
  bool running_ = false;
  std::vector<Mark> marks_;
  std::vector<Stage> nested_;
  PerStage<std::int64_t> entries_{};
};

class StageScope {
 public:
  StageScope(StageClock& clock, Stage stage) : clock_(clock) { clock_.enter(stage); }
  ~StageScope() { clock_.leave(); }
  StageScope(const StageScope&) = delete;
  StageScope& operator=(const StageScope&) = delete;

 private:
  StageClock& clock_;
};

}  // namespace scsim::exec
