#include "exec/session/calibrate.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/exec/session/untimed.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace scsim::exec {
namespace {

LoadedModel tiny_model(const test::TemporaryFolder& folder) {
  test::write_tiny_model(folder.path());
  Expected<LoadedModel> model = load_model(folder.path(), ModelOptions{});
  INFO((model ? "" : model.error().message));
  REQUIRE(model.has_value());
  return *std::move(model);
}

CalibrateOptions small_design() {
  CalibrateOptions options;
  options.sessions.tasks = {"kv", "vt"};
  options.sessions.turns = 2;
  options.sessions.sessions = 2;
  options.sessions.most_new_tokens = 3;
  options.methods = *methods::parse_methods("full");
  options.lengths = {400, 700};
  options.modes = {SessionMode::kMultiTurn, SessionMode::kMultiRequest};
  options.commit = "test";
  options.made_by = "a test";
  return options;
}

Calibration measured(LoadedModel& model, const CalibrateOptions& options, const std::string& path) {
  const Expected<CalibrationReport> report =
      calibrate(model, options, path, [](const CalibrateNews&) {});
  INFO((report ? "" : report.error().message));
  REQUIRE(report.has_value());
  Expected<Calibration> calibration = read_calibration(path);
  REQUIRE(calibration.has_value());
  return *std::move(calibration);
}

TEST_CASE("a calibration has every sample of its design, scored and costed", "[exec][session]") {
  const test::TemporaryFolder folder;
  LoadedModel model = tiny_model(folder);
  const Calibration calibration = measured(model, small_design(), folder.file("cal.pb"));
  CHECK(calibration.sessions.size() == 2 * 2 * 2 * 2);
  CHECK(calibration.design.model.weights_hash.starts_with("sha256:"));
  CHECK(calibration.design.device.threads > 0);
  for (const SessionSample& sample : calibration.sessions) {
    CHECK(sample.turns.size() == 2);
    CHECK(sample.context.has_value() == (sample.key.mode == 1));
    for (const TurnSample& turn : sample.turns) {
      CHECK(turn.score_strict.has_value());
      CHECK(turn.likelihood->tokens > 0);
      CHECK_FALSE(turn.agreement.has_value());  // full attention is not compared with itself
      CHECK(turn.ttft_seconds > 0.0);
      CHECK(turn.output_tokens <= 3);
      CHECK(turn.cost.kv_bytes > 0);
      CHECK(turn.cost.peak_memory_bytes > 0);
    }
  }
}

TEST_CASE("a calibration measured twice differs in its times only", "[exec][session]") {
  const test::TemporaryFolder folder;
  LoadedModel model = tiny_model(folder);
  const Calibration one = measured(model, small_design(), folder.file("one.pb"));
  const Calibration two = measured(model, small_design(), folder.file("two.pb"));
  REQUIRE(one.sessions.size() == two.sessions.size());
  for (std::size_t i = 0; i < one.sessions.size(); ++i) {
    CHECK(untimed(one.sessions[i]) == untimed(two.sessions[i]));
  }
}

TEST_CASE("what was measured before is not measured again", "[exec][session]") {
  const test::TemporaryFolder folder;
  LoadedModel model = tiny_model(folder);
  const CalibrateOptions options = small_design();
  const Calibration whole = measured(model, options, folder.file("whole.pb"));
  // A run that was killed behind its fifth sample.
  {
    Expected<CalibrationWriter> writer =
        CalibrationWriter::open(folder.file("cut.pb"), whole.design, options.made_by);
    REQUIRE(writer.has_value());
    for (std::size_t i = 0; i < 5; ++i) REQUIRE(writer->append(whole.sessions[i]).has_value());
  }
  const Expected<CalibrationReport> report =
      calibrate(model, options, folder.file("cut.pb"), [](const CalibrateNews&) {});
  REQUIRE(report.has_value());
  CHECK(report->resumed == 5);
  CHECK(report->measured == std::ssize(whole.sessions) - 5);
  const Expected<Calibration> resumed = read_calibration(folder.file("cut.pb"));
  REQUIRE(resumed.has_value());
  REQUIRE(resumed->sessions.size() == whole.sessions.size());
  for (std::size_t i = 0; i < whole.sessions.size(); ++i) {
    if (i < 5) CHECK(resumed->sessions[i] == whole.sessions[i]);
    CHECK(untimed(resumed->sessions[i]) == untimed(whole.sessions[i]));
  }
}

TEST_CASE("it says beforehand what is to be done, and its progress ends at one",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  LoadedModel model = tiny_model(folder);
  std::vector<CalibrateNews> news;
  const auto report = calibrate(model, small_design(), folder.file("cal.pb"),
                                [&news](const CalibrateNews& heard) { news.push_back(heard); });
  REQUIRE(report.has_value());
  CHECK(news.front().fraction == 0);
  CHECK(news.front().sentence.find("16 samples to take, in at most ") == 0);
  for (std::size_t i = 1; i < news.size(); ++i) CHECK(news[i].fraction > news[i - 1].fraction);
  CHECK(news.back().fraction == Approx(1));
  CHECK(news.back().samples == 16);
}

TEST_CASE("a session that does not fit the model is refused before anything is measured",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  LoadedModel model = tiny_model(folder);
  CalibrateOptions options = small_design();
  options.sessions.tasks = {"kv"};
  options.lengths = {3900};
  options.sessions.turns = 40;  // whose answers alone have more tokens than the model has positions
  const auto report = calibrate(model, options, folder.file("cal.pb"), [](const CalibrateNews&) {});
  REQUIRE_FALSE(report.has_value());
  CHECK(report.error().message.find("too few for the answers of 40 turns") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.file("cal.pb")));
}

}  // namespace
}  // namespace scsim::exec
