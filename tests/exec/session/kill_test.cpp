// scexec calibrate, killed at random moments and started again until it is done, writes what a run
// that nobody killed writes, but for the times.
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "tests/exec/remote/model_server.h"
#include "tests/exec/session/untimed.h"
#include "tests/support/start_program.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

// Starts `scexec calibrate` on what `target` names.
pid_t start(const std::vector<std::string>& target, const std::string& out) {
  std::vector<std::string> words = {"calibrate", "--tasks",          "kv,vt", "--lengths",
                                    "300,500",   "--turns",          "2",     "--sessions",
                                    "3",         "--max-new-tokens", "24",    "-o",
                                    out};
  words.insert(words.end(), target.begin(), target.end());
  return test::start_silently(SCSIM_SCEXEC, std::move(words));
}

int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

// Calibrates once whole, and once killed at random moments until it is done; holds one against the
// other.
void check_killed(const test::TemporaryFolder& folder, const std::vector<std::string>& target) {
  const auto started = std::chrono::steady_clock::now();
  REQUIRE(wait_for(start(target, folder.file("whole.pb"))) == 0);
  auto whole_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                                 std::chrono::steady_clock::now() - started)
                                                 .count());
  const std::string out = folder.file("killed.pb");
  Rng rng(7, "test.kill");
  int kills = 0;
  while (!std::filesystem::exists(out)) {
    const pid_t child = start(target, out);
    // The first starts are cut short, the later ones get the time to finish.
    const auto patience =
        std::chrono::milliseconds(kills < 6 ? whole_ms / 4 + rng.below(whole_ms / 2 + 1) : 60'000);
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
    // On a machine that was slower just before, the first start may be done before it is killed.
    if (kills == 1 && std::filesystem::exists(out)) {
      std::filesystem::remove(out);
      kills = 0;
      whole_ms /= 2;
    }
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

TEST_CASE("a calibration killed at random moments ends as one that was never killed",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  check_killed(folder, {"--model", folder.path()});
}

TEST_CASE("a server's calibration killed at random moments ends as one that was never killed",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.path());
  const test::ModelServer server;
  check_killed(folder, {"--model", folder.path(), "--server", server.url()});
}

}  // namespace
}  // namespace scsim::exec
