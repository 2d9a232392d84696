// What a person at a terminal sees while they wait, and what their Ctrl-C leaves behind.
//
//   remove_if_interrupted(out + ".partial");
//   Progress progress("simulating", "requests", !quiet);
//   progress.update(reader.progress(), requests);   // as often as you like
//   progress.done();
#pragma once

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace scsim::program {

// A bar with rate and time left on stderr, where stderr is a terminal; else nothing.
class Progress {
 public:
  Progress(std::string doing, std::string things, bool wanted);
  ~Progress();  // as done()
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `fraction` of the work is done, which is `count` things (0: nobody counts). Costs a clock
  // reading, and ten times a second a line.
  void update(double fraction, std::uint64_t count);
  void done();  // erases the bar

 private:
  using Clock = std::chrono::steady_clock;
  std::string doing_, things_;
  bool shown_;
  bool drawn_ = false;
  Clock::time_point started_ = Clock::now(), last_ = started_;
};

// The line that Progress draws, at most `columns` wide.
std::string progress_line(const std::string& doing, const std::string& things, double fraction,
                          std::uint64_t count, double seconds, int columns);

// From now on SIGINT, SIGTERM and SIGHUP remove what was promised to remove_if_interrupted() and
// end the program with 128 + the signal's number: 130 for Ctrl-C.
void catch_interrupts();

// While it lives, those signals wait: for writing several files that belong together.
class NoInterrupts {
 public:
  NoInterrupts();
  ~NoInterrupts();
  NoInterrupts(const NoInterrupts&) = delete;
  NoInterrupts& operator=(const NoInterrupts&) = delete;

 private:
  sigset_t before_;
};

// A file that an interrupted run must not leave. REQUIRES: called at most 8 times.
void remove_if_interrupted(const std::string& path);

}  // namespace scsim::program
