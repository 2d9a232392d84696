// Calibrations of a server: one in this process, whose model finds the values of keys.
#include "exec/session/calibrate_server.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <numeric>

#include "exec/session/run_server_session.h"
#include "tests/exec/remote/model_server.h"
#include "tests/exec/session/untimed.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace scsim::exec {
namespace {

using nlohmann::json;

TokenCounter byte_counter(const test::TemporaryFolder& folder) {
  test::write_tiny_model(folder.path());
  Expected<TokenCounter> counter = load_token_counter(folder.path());
  REQUIRE(counter.has_value());
  return *std::move(counter);
}

CalibrateOptions small_design() {
  CalibrateOptions options;
  options.sessions.tasks = {"kv", "vt"};
  options.sessions.turns = 2;
  options.sessions.sessions = 2;
  options.sessions.most_new_tokens = 60;
  options.lengths = {600, 900};
  options.modes = {SessionMode::kMultiTurn, SessionMode::kMultiRequest};
  options.commit = "test";
  options.made_by = "a test";
  return options;
}

Expected<CalibrationReport> measure(const test::ModelServer& server, const TokenCounter& counter,
                                    const CalibrateOptions& options, const std::string& path) {
  const auto engine =
      RemoteEngine::connect({.url = server.url(), .timeout_seconds = 20}, steady_seconds());
  REQUIRE(engine.has_value());
  return calibrate_server(*engine, counter, options, path, [](const CalibrateNews&) {});
}

Calibration measured(const test::ModelServer& server, const TokenCounter& counter,
                     const CalibrateOptions& options, const std::string& path) {
  const Expected<CalibrationReport> report = measure(server, counter, options, path);
  INFO((report ? "" : report.error().message));
  REQUIRE(report.has_value());
  Expected<Calibration> calibration = read_calibration(path);
  REQUIRE(calibration.has_value());
  return *std::move(calibration);
}

TEST_CASE("a server's calibration has every sample of its design, scored and timed",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  const TokenCounter counter = byte_counter(folder);
  const test::ModelServer server;
  const Calibration calibration = measured(server, counter, small_design(), folder.file("cal.pb"));
  CHECK(calibration.sessions.size() == 2 * 2 * 2 * 2);
  CHECK(calibration.design.server == server.url());
  CHECK(calibration.design.model.name == "parrot");
  CHECK(calibration.design.device.kind == "server");
  CHECK(calibration.design.device.library == "test");
  CHECK(calibration.design.methods.size() == 1);
  for (const SessionSample& sample : calibration.sessions) {
    CHECK(sample.turns.size() == 2);
    CHECK_FALSE(sample.context.has_value());
    for (const TurnSample& turn : sample.turns) {
      REQUIRE(turn.server.has_value());
      CHECK(turn.server->prompt_tokens == turn.new_tokens + turn.cached_tokens);
      CHECK(turn.cached_tokens == turn.server->prompt_tokens / 2);
      CHECK(turn.ttft_seconds > 0.0);
      CHECK(turn.decode_seconds ==
            std::accumulate(turn.server->itl_seconds.begin(), turn.server->itl_seconds.end(), 0.0));
      CHECK(*turn.ttft_seconds + turn.decode_seconds <= turn.cost.total_seconds);
      double stages = 0;  // INV-LEDGER
      for (const StageCost& stage : turn.cost.stages) stages += stage.seconds;
      CHECK(stages == turn.cost.total_seconds);
      CHECK_FALSE(turn.likelihood.has_value());
      CHECK_FALSE(turn.agreement.has_value());
      // Its model finds the value of a key, and goes on behind the quote that ends it.
      if (sample.key.task == 0) {
        INFO(turn.prediction << " for " << turn.golden.front());
        CHECK(turn.score_strict == 1.0);
        CHECK(turn.output_tokens == std::ssize(turn.golden.front()));
      }
    }
  }
}

TEST_CASE("a stream that breaks off loses the sample in flight, and the same command goes on",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  const TokenCounter counter = byte_counter(folder);
  test::ModelServer server;
  const CalibrateOptions options = small_design();
  const Calibration whole = measured(server, counter, options, folder.file("whole.pb"));
  // Two requests warm up; then every sample has two. The tenth sample's second one breaks.
  server.break_at(static_cast<int>(server.heard().size()) + 2 + 9 * 2 + 1);
  const auto broken = measure(server, counter, options, folder.file("cut.pb"));
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error().message.find("broke off") != std::string::npos);
  CHECK(broken.error().message.find("the sample in flight is lost") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.file("cut.pb")));
  const auto resumed = measure(server, counter, options, folder.file("cut.pb"));
  REQUIRE(resumed.has_value());
  CHECK(resumed->resumed == 9);
  CHECK(resumed->measured == 16 - 9);
  const Expected<Calibration> cut = read_calibration(folder.file("cut.pb"));
  REQUIRE(cut.has_value());
  REQUIRE(cut->sessions.size() == whole.sessions.size());
  for (std::size_t i = 0; i < whole.sessions.size(); ++i) {
    CHECK(untimed(cut->sessions[i]) == untimed(whole.sessions[i]));
  }
}

TEST_CASE("no sample's context is one that warmed the server up", "[exec][session]") {
  const test::TemporaryFolder folder;
  const TokenCounter counter = byte_counter(folder);
  const test::ModelServer server;
  CalibrateOptions options = small_design();
  options.modes = {SessionMode::kMultiRequest};
  (void)measured(server, counter, options, folder.file("cal.pb"));
  const std::vector<json> heard = server.heard();
  REQUIRE(heard.size() == 2 + 2 * 8);
  const auto prompt = [&heard](std::size_t i) { return heard[i]["prompt"].get<std::string>(); };
  for (std::size_t i = 2; i < heard.size(); ++i) {
    for (std::size_t warm = 0; warm < 2; ++warm) {
      CHECK(prompt(i).substr(0, 16) != prompt(warm).substr(0, 16));
    }
    // The two requests of a session share its context.
    if (i % 2 == 1) CHECK(prompt(i).substr(0, 400) == prompt(i - 1).substr(0, 400));
  }
}

// What a model of ours would be prefilled with in each turn.
std::vector<std::vector<std::int32_t>> prompts_of(const TokenSession& session) {
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<std::int32_t> conversation = session.context;
  const auto append = [&conversation](const std::vector<std::int32_t>& tokens) {
    conversation.insert(conversation.end(), tokens.begin(), tokens.end());
  };
  for (const TokenTurn& turn : session.turns) {
    if (session.mode == SessionMode::kMultiRequest) conversation = session.context;
    append(turn.prompt);
    prompts.push_back(conversation);
    append(turn.golden);
    append(turn.closing);
  }
  return prompts;
}

TEST_CASE("a server is asked what a model of ours would be prefilled with", "[exec][session]") {
  const test::TemporaryFolder folder;
  const TokenCounter counter = byte_counter(folder);
  SessionDesign design;
  design.turns = 3;
  const auto source = SessionSource::make(design, [&counter](std::string_view text) {
    return std::ssize(counter.tokenizer.encode(text, SpecialTokens::kAsText));
  });
  REQUIRE(source.has_value());
  int compared = 0, cut = 0;
  for (const TaskEntry& task : task_table()) {
    const Expected<TaskSession> session = source->get(task.name, 4000, 0);
    if (!session) continue;  // its material is not on this machine
    for (const SessionMode mode : {SessionMode::kMultiTurn, SessionMode::kMultiRequest}) {
      for (const std::int64_t most : {std::int64_t{1} << 30, std::int64_t{3500}}) {
        const EncodeOptions options{
            .style = PromptStyle::kPlain, .mode = mode, .max_sequence = most};
        const auto encoded = encode_session(*session, counter.tokenizer, nullptr, options);
        if (!encoded) continue;  // too little for the answers
        const auto worded = word_session(*session, counter.tokenizer, options);
        REQUIRE(worded.has_value());
        INFO(task.name << " " << most);
        CHECK(worded->truncated_tokens == encoded->truncated_tokens);
        CHECK((worded->answer_survived == encoded->answer_survived));
        cut += worded->truncated_tokens > 0 ? 1 : 0;
        const test::ModelServer server;
        const auto engine = RemoteEngine::connect({.url = server.url()}, steady_seconds());
        REQUIRE(engine.has_value());
        REQUIRE(run_server_session(*engine, *worded, {}).has_value());
        const std::vector<std::vector<std::int32_t>> expected = prompts_of(encoded->tokens);
        const std::vector<json> heard = server.heard();
        REQUIRE(heard.size() == expected.size());
        for (std::size_t t = 0; t < expected.size(); ++t) {
          CHECK((heard[t]["prompt"].get<std::string>() ==
                 counter.tokenizer.decode(expected[t], true)));
          CHECK(worded->prompt_tokens[t] == std::ssize(expected[t]));
          ++compared;
        }
      }
    }
  }
  CHECK(compared > 50);
  CHECK(cut > 5);
}

TEST_CASE("in the released style a server is sent a conversation", "[exec][session]") {
  const test::TemporaryFolder folder;
  const TokenCounter counter = byte_counter(folder);
  const test::ModelServer server;
  CalibrateOptions options = small_design();
  options.sessions.tasks = {"vt"};
  options.sessions.style = PromptStyle::kReleased;
  options.sessions.sessions = 1;
  options.lengths = {600};
  options.modes = {SessionMode::kMultiTurn};
  const Calibration golden = measured(server, counter, options, folder.file("golden.pb"));
  options.sessions.golden_answers = false;
  const Calibration own = measured(server, counter, options, folder.file("own.pb"));
  const std::vector<json> heard = server.heard();  // each: two to warm up, two that count
  REQUIRE(heard.size() == 8);
  for (const std::size_t first : {std::size_t{2}, std::size_t{6}}) {
    const json& before = heard[first]["messages"];
    const json& after = heard[first + 1]["messages"];
    REQUIRE(before.size() == 1);
    REQUIRE(after.size() == 3);
    CHECK(after[0] == before[0]);
    CHECK(after[1]["role"] == "assistant");
    CHECK(after[2]["role"] == "user");
  }
  // Golden answers of vt are written as a list of Python is; own ones are as they were said.
  CHECK(heard[3]["messages"][1]["content"].get<std::string>().starts_with("['"));
  CHECK(heard[7]["messages"][1]["content"] == own.sessions[0].turns[0].prediction);
}

TEST_CASE("a file says whose tokenizer counted, and what was left out for a server",
          "[exec][session]") {
  const test::TemporaryFolder folder;
  TokenCounter counter = byte_counter(folder);
  const test::ModelServer server;
  CalibrateOptions options = small_design();
  options.sessions.tasks = {"kv"};
  options.lengths = {600};
  const auto notes = [&](const std::string& name) {
    std::string all;
    for (const std::string& note :
         measured(server, counter, options, folder.file(name)).design.honesty)
      all += note + "\n";
    return all;
  };
  CHECK(notes("chosen.pb").find("prefix cache: ") == 0);
  CHECK(notes("again.pb").find("lengths: ") == std::string::npos);
  counter.chosen = false;
  CHECK(notes("default.pb").find("lengths: counted by the tokenizer of ") != std::string::npos);
}

}  // namespace
}  // namespace scsim::exec
