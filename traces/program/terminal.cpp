// A signal handler may do very little, so it knows the paths beforehand, unlinks them and leaves;
// no part of the libraries has to ask whether it should stop.
#include "traces/program/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "traces/check.h"
#include "traces/text.h"

namespace scsim::program {
namespace {

constexpr std::size_t kMaxPaths = 8, kMaxPath = 4096;
std::array<std::array<char, kMaxPath>, kMaxPaths> doomed_paths;
std::atomic<std::size_t> num_doomed = 0;
std::atomic<bool> bar_on_screen = false;

void leave(int signal) {
  for (std::size_t i = 0; i < num_doomed; ++i) unlink(doomed_paths[i].data());
  constexpr char kNewline = '\n';
  if (bar_on_screen && write(STDERR_FILENO, &kNewline, 1) < 0) _exit(128 + signal);
  _exit(128 + signal);
}

int terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

Progress::Progress(std::string doing, std::string things, bool wanted)
    : doing_(std::move(doing)),
      things_(std::move(things)),
      shown_(wanted && isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { done(); }

void Progress::update(double fraction, std::uint64_t count) {
  if (!shown_) return;
  const Clock::time_point now = Clock::now();
  if (now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  const std::string line =
      progress_line(doing_, things_, fraction, count, seconds, terminal_columns());
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
  bar_on_screen = true;
}

void Progress::done() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
  bar_on_screen = false;
}

std::string progress_line(const std::string& doing, const std::string& things, double fraction,
                          std::uint64_t count, double seconds, int columns) {
  constexpr int kBar = 16;
  fraction = std::clamp(fraction, 0.0, 1.0);
  const int full = static_cast<int>(fraction * kBar);
  std::string line = doing + " [" + std::string(full, '#') + std::string(kBar - full, '.') + "] " +
                     format_integer(static_cast<std::int64_t>(fraction * 100)) + " %";
  if (count > 0) {
    line += "  " + format_integer(static_cast<std::int64_t>(count)) + " " + things;
    if (seconds > 0) line += "  " + format_rate(static_cast<double>(count) / seconds);
  }
  // Before two percent are done the rest is a guess.
  if (fraction >= 0.02) {
    const double left = std::ceil(seconds * (1 - fraction) / fraction);
    line += "  ETA " + (left < 60 ? format_fixed(left, 0) + " s" : format_seconds(left));
  }
  if (columns > 1 && static_cast<int>(line.size()) >= columns)
    line.resize(static_cast<std::size_t>(columns - 1));
  return line;
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = leave;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal, &action, &before);
    if (before.sa_handler == SIG_IGN) sigaction(signal, &before, nullptr);  // as nohup wants
  }
}

NoInterrupts::NoInterrupts() {
  sigset_t held;
  sigemptyset(&held);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&held, signal);
  sigprocmask(SIG_BLOCK, &held, &before_);
}

NoInterrupts::~NoInterrupts() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

void remove_if_interrupted(const std::string& path) {
  SCSIM_CHECK_LT(num_doomed.load(), kMaxPaths);
  if (path.size() >= kMaxPath) return;  // nothing can be written under such a name
  std::memcpy(doomed_paths[num_doomed].data(), path.c_str(), path.size() + 1);
  ++num_doomed;  // after its text: the handler may run between the two
}

}  // namespace scsim::program
