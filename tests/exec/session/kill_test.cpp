// scexec calibrate, killed at random moments and started again until it is done, writes what a run
// that nobody killed writes, but for the times.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/exec/session/untimed.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

// Starts `scexec calibrate` on the folder's model.
pid_t start(const test::TemporaryFolder& folder, const std::string& out) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child > 0) return child;
  const int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  execl(SCSIM_SCEXEC, "scexec", "calibrate", "--model", folder.path().c_str(), "--tasks", "kv,vt",
        "--lengths", "300,500", "--turns", "2", "--sessions", "3", "--max-new-tokens", "24", "-o",
        out.c_str(), nullptr);
  _exit(127);
}

int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST_CASE("a calibration killed at random moments ends as one that was never killed",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  REQUIRE(wait_for(start(folder, folder.file("whole.pb"))) == 0);
  const std::string out = folder.file("killed.pb");
  Rng rng(7, "test.kill");
  int kills = 0;
  while (!std::filesystem::exists(out)) {
    const pid_t child = start(folder, out);
    // The first starts are cut short, the later ones get the time to finish.
    const auto patience = std::chrono::milliseconds(kills < 6 ? 250 + rng.below(900) : 60'000);
    const auto until = std::chrono::steady_clock::now() + patience;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > until) {
        kill(child, SIGKILL);
        wait_for(child);
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    REQUIRE(++kills < 20);
  }
  const Expected<Calibration> whole = read_calibration(folder.file("whole.pb"));
  const Expected<Calibration> killed = read_calibration(out);
  REQUIRE(whole.has_value());
  REQUIRE(killed.has_value());
  CHECK(kills > 1);
  REQUIRE(killed->sessions.size() == whole->sessions.size());
  for (std::size_t i = 0; i < whole->sessions.size(); ++i) {
    CHECK(untimed(killed->sessions[i]) == untimed(whole->sessions[i]));
  }
}

}  // namespace
}  // namespace scsim::exec
