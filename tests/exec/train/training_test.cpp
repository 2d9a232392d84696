#include "exec/train/training.h"

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "exec/train/recipe.h"
#include "tests/support/start_program.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/rng.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

const std::string kRecipe = R"(steps: 90
log_every: 10
checkpoint_every: 3
network: {hidden: 16, layers: [mamba2, attention], intermediate: 32, recurrence: {state: 8}}
tasks:
  - {name: kv, tokens: 300, length: 96, first_length: 24, passes: 0}
  - {name: mf, length: 96, first_length: 64, tokens_per_turn: 32, from_step: 20, tokens: 100}
)";

proto::TrainingRecipe recipe(const std::string& text) {
  auto read = parse_training_recipe(text, "test");
  INFO((read ? "" : read.error().message));
  REQUIRE(read.has_value());
  return *read;
}

void finish(Training& training) {
  while (!training.finished()) REQUIRE(training.step().has_value());
}

std::string content(const std::string& path) {
  const Expected<std::string> text = read_file(path);
  INFO(path);
  REQUIRE(text.has_value());
  return *text;
}

// A random network finds all 70 characters as likely: a loss of ln 70 = 4.25. That answers of kv
// are digits is learnt at once, ln 10 = 2.30; which digits takes longer (the reference models'
// logs).
TEST_CASE("the loss falls from that of any character to that of any digit", "[exec][train]") {
  const test::TemporaryFolder folder;
  auto training = Training::begin(recipe(R"(steps: 100
learning_rate: 0.005
warmup_steps: 0
log_every: 1
network: {hidden: 32, layers: [attention], intermediate: 32}
tasks: [{name: kv, tokens: 512, length: 48}]
)"),
                                  folder.path());
  REQUIRE(training.has_value());
  finish(*training);
  const std::vector<std::string> rows = split(content(folder.file("training_log.csv")), '\n');
  REQUIRE(rows.size() == 102);
  const auto loss = [&](std::size_t row) { return *parse_double(split(rows[row], ',')[5]); };
  CHECK(loss(1) == Approx(4.25).margin(0.5));
  double last = 0;
  for (std::size_t row = 81; row <= 100; ++row) last += loss(row) / 20;
  CHECK(last == Approx(2.30).margin(0.1));
}

TEST_CASE("contexts grow by a quarter when ten steps passed, up to the training length",
          "[exec][train]") {
  const test::TemporaryFolder folder;
  auto training = Training::begin(recipe(R"(steps: 90
log_every: 1
network: {hidden: 8, layers: [attention], intermediate: 8, attention: {heads: 1, kv_heads: 1}}
tasks: [{name: kv, tokens: 100, length: 40, first_length: 24, passes: 0}]
)"),
                                  folder.path());
  REQUIRE(training.has_value());
  finish(*training);
  std::vector<std::string> lengths;
  std::vector<int> steps_at;
  const std::vector<std::string> rows = split(content(folder.file("training_log.csv")), '\n');
  for (std::size_t i = 1; i + 1 < rows.size(); ++i) {
    const std::string length = split(rows[i], ',')[2];
    if (lengths.empty() || lengths.back() != length) {
      lengths.push_back(length);
      steps_at.push_back(0);
    }
    ++steps_at.back();
  }
  CHECK((lengths == std::vector<std::string>{"24", "31", "39", "40"}));
  CHECK(steps_at[0] == 9);   // the tenth row has the next length: no step was shorter
  CHECK(steps_at[1] >= 10);  // and here one in four is
}

TEST_CASE("a folder's model or another recipe's checkpoint is not written over", "[exec][train]") {
  const test::TemporaryFolder folder;
  auto training = Training::begin(recipe(kRecipe), folder.path());
  REQUIRE(training.has_value());
  for (int i = 0; i < 4; ++i) REQUIRE(training->step().has_value());
  std::string other = kRecipe;
  other.replace(other.find("hidden: 16"), 10, "hidden: 32");
  const auto refused = Training::begin(recipe(other), folder.path());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("is of another recipe") != std::string::npos);

  auto again = Training::begin(recipe(kRecipe), folder.path());
  REQUIRE(again.has_value());
  CHECK(again->steps_done() == 3);
  finish(*again);
  const auto finished = Training::begin(recipe(kRecipe), folder.path());
  REQUIRE_FALSE(finished.has_value());
  CHECK(finished.error().message.find("model.safetensors is there already") != std::string::npos);

  const test::TemporaryFolder broken;
  REQUIRE(write_file(broken.file("checkpoint.pb"), "\xff\xff").has_value());
  const auto damaged = Training::begin(recipe(kRecipe), broken.path());
  REQUIRE_FALSE(damaged.has_value());
  CHECK(damaged.error().message.find("checkpoint.pb: is not a checkpoint") != std::string::npos);
}

pid_t start(const std::string& recipe_path, const std::string& out) {
  return test::start_silently(SCSIM_SCEXEC, {"train", recipe_path, "--out", out, "--threads", "1"});
}

TEST_CASE("a training killed at random moments ends in the bytes of one that was never killed",
          "[exec][train]") {
  const test::TemporaryFolder folder;
  REQUIRE(write_file(folder.file("recipe.yaml"), kRecipe).has_value());
  int status = 0;
  waitpid(start(folder.file("recipe.yaml"), folder.file("whole")), &status, 0);
  REQUIRE(status == 0);
  const auto there = [&](const char* name) {
    return std::filesystem::exists(folder.file("killed") + name);
  };
  const auto checkpoint = [&] {  // when it was written; it may go while we look
    std::error_code gone;
    return std::filesystem::last_write_time(folder.file("killed/checkpoint.pb"), gone);
  };
  Rng rng(7, "test.kill");
  int starts = 0, kills = 0;
  while (!there("/model.safetensors") || there("/checkpoint.pb")) {
    const auto before = checkpoint();
    const pid_t child = start(folder.file("recipe.yaml"), folder.file("killed"));
    // The first starts die at any moment behind their first checkpoint; the later ones may finish.
    while (waitpid(child, &status, WNOHANG) == 0) {
      if (kills < 5 && checkpoint() != before) {
        std::this_thread::sleep_for(std::chrono::microseconds(rng.below(20'000)));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        ++kills;
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(++starts < 20);
  }
  CHECK(kills > 0);
  for (const char* name : {"/model.safetensors", "/training_log.csv", "/config.json"}) {
    CHECK((content(folder.file("killed") + name) == content(folder.file("whole") + name)));
  }
}

}  // namespace
}  // namespace scsim::exec
