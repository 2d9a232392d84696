#include "exec/engine/replay.h"

#include <map>
#include <numeric>

#include "tests/exec/engine/served.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

using test::Served;
const TraceHeader kHeader = {
    .tool_version = "t", .made_by = "test", .name = "test", .seed = 0, .notes = ""};
using Answers = std::map<std::uint64_t, std::vector<std::int32_t>>;

// Ten sessions of four turns on two shared documents, in a closed loop behind their first turns,
// which come at random; each turn's prompt holds all earlier questions and answers.
void write_sessions(const std::string& path) {
  Expected<TraceWriter> writer = TraceWriter::create(path, kHeader);
  REQUIRE(writer);
  Rng rng(5, "tests.exec.replay");
  const ContentId documents[] = {writer->add_content(Tokens(90)), writer->add_content(Tokens(50))};
  struct Session {
    std::vector<Span> prompt;
    RequestId last;
  };
  std::vector<Session> sessions(10);
  std::int64_t when = 0;
  for (int turn = 0; turn < 4; ++turn) {
    for (std::size_t s = 0; s < sessions.size(); ++s) {
      Session& session = sessions[s];
      if (turn == 0) {
        const Tokens length(s % 2 == 0 ? 90 : 50);
        session.prompt.push_back({documents[s % 2], Tokens(0), length});
      }
      const Tokens question(static_cast<std::int64_t>(4 + rng.below(12)));
      session.prompt.push_back({writer->add_content(question), Tokens(0), question});
      Request request;
      request.session = SessionId(s);
      request.turn = turn;
      request.prompt = session.prompt;
      request.output_tokens = Tokens(static_cast<std::int64_t>(3 + rng.below(10)));
      request.output = writer->add_content(request.output_tokens);
      if (turn == 0) {
        request.arrival = request.earliest = TimePoint(when += 2'000'000);
      } else {
        request.parents = {session.last};
        request.earliest = TimePoint(when);
        request.think = Duration(30'000'000);
      }
      session.last = writer->add(request);
      session.prompt.push_back({request.output, Tokens(0), request.output_tokens});
    }
  }
  REQUIRE(writer->finish());
}

EngineKnobs knobs_with(std::int64_t num_blocks) {
  EngineKnobs knobs{.block_tokens = 8, .num_blocks = num_blocks, .max_batched_tokens = 64};
  knobs.max_sequences = 8;
  return knobs;
}

Result run(const std::string& trace, const EngineKnobs& knobs, const std::string& clock,
           Answers* answers = nullptr) {
  Served served(knobs, clock);
  ReplayOptions options;
  options.answered = [&](RequestId request, std::span<const std::int32_t> answer) {
    if (answers != nullptr) (*answers)[request.value()].assign(answer.begin(), answer.end());
  };
  Expected<Result> result = replay(trace, *served.engine, *served.clock, options);
  INFO((result ? "" : result.error().message));
  REQUIRE(result);
  CHECK(served.engine->pool().used_blocks() == 0);
  return *std::move(result);
}

std::int64_t sum(const PerStage<std::int64_t>& stages) {
  return std::accumulate(stages.begin(), stages.end(), std::int64_t{0});
}

}  // namespace

TEST_CASE("a replay's result keeps the laws that a simulated one keeps, by either clock",
          "[exec][engine]") {
  const test::TemporaryFolder folder;
  write_sessions(folder.file("t.pb"));
  for (const std::string clock : {"cpu", "wall"}) {
    INFO(clock);
    const Result result = run(folder.file("t.pb"), knobs_with(400), clock);
    REQUIRE(result.requests.size() == 40);
    std::int64_t tokens = 0;
    for (const RequestResult& one : result.requests) {
      CHECK(one.outcome == Outcome::kFinished);
      CHECK((one.arrival <= one.scheduled && one.scheduled < one.first_token &&
             one.first_token <= one.end && one.end <= result.end));
      CHECK(sum(one.stage_ns) == (one.end - one.arrival).ns());  // INV-LEDGER
      CHECK(one.found_tokens < one.prompt_tokens);
      CHECK(one.found_tokens % 8 == 0);
      CHECK(one.preemptions == 0);
      tokens += one.output_tokens;
      // A turn finds all that the one before computed, its answer but for the last token, in whole
      // blocks.
      if (one.turn == 0) continue;
      const auto before = std::ranges::find_if(result.requests, [&](const RequestResult& other) {
        return other.session == one.session && other.turn + 1 == one.turn;
      });
      CHECK(one.found_tokens >= (before->prompt_tokens + before->output_tokens - 1) / 8 * 8);
      CHECK(one.arrival >= before->end + Duration(30'000'000));
    }
    const EngineResult& engine = result.engines.front();
    CHECK(sum(engine.stage_ns) + engine.idle_ns == result.end.ns());
    CHECK(engine.decode_tokens == tokens - 40);
    std::uint64_t gaps = 0;
    for (const std::uint64_t count : result.gaps.count) gaps += count;
    CHECK(gaps == static_cast<std::uint64_t>(engine.decode_tokens));
    CHECK(engine.timeline.running.size() ==
          static_cast<std::size_t>((result.end.ns() + result.timeline_bin.ns() - 1) /
                                   result.timeline_bin.ns()));
    double ran = 0, counted = 0;  // Little's law: requests running, over time
    for (const RequestResult& one : result.requests)
      ran += static_cast<double>((one.end - one.scheduled).ns());
    for (std::size_t i = 0; i < engine.timeline.running.size(); ++i) {
      const std::int64_t begin = static_cast<std::int64_t>(i) * result.timeline_bin.ns();
      counted += engine.timeline.running[i] *
                 static_cast<double>(std::min(result.timeline_bin.ns(), result.end.ns() - begin));
    }
    CHECK(counted == Approx(ran).epsilon(1e-4));
    REQUIRE(write_result(result, folder.file(clock + ".pb")));
    const Expected<Result> again = read_result(folder.file(clock + ".pb"));
    REQUIRE(again);
    CHECK(again->engines.front().steps == engine.steps);
    CHECK_THAT(again->honesty.front(), Catch::Contains(clock == "cpu" ? "CPU time" : "steady"));
  }
}

TEST_CASE("a replay answers the same with much, little and no cache", "[exec][engine]") {
  const test::TemporaryFolder folder;
  write_sessions(folder.file("t.pb"));
  Answers much, little, none;
  run(folder.file("t.pb"), knobs_with(400), "cpu", &much);
  const Result tight = run(folder.file("t.pb"), knobs_with(36), "cpu", &little);
  EngineKnobs knobs = knobs_with(400);
  knobs.prefix_caching = false;
  const Result without = run(folder.file("t.pb"), knobs, "cpu", &none);
  CHECK(much.size() == 40);
  CHECK((much == none));
  CHECK((little == none));
  CHECK(tight.engines.front().evicted_blocks > 0);
  for (const RequestResult& one : without.requests) CHECK(one.found_tokens == 0);
  std::uint64_t evicted = 0;
  for (const std::uint64_t count : tight.lifetimes.count[0]) evicted += count;
  CHECK(evicted == static_cast<std::uint64_t>(tight.engines.front().evicted_blocks));
}

TEST_CASE("requests that cannot run and clients that give up are recorded, and their children come",
          "[exec][engine]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("t.pb");
  Expected<TraceWriter> writer = TraceWriter::create(path, kHeader);
  REQUIRE(writer);
  const ContentId content = writer->add_content(Tokens(10'000));
  const auto add = [&](std::int64_t tokens, std::int64_t output, std::int64_t at) {
    Request request;
    request.prompt = {{content, Tokens(0), Tokens(tokens)}};
    request.output_tokens = Tokens(output);
    request.output = writer->add_content(request.output_tokens);
    request.arrival = request.earliest = TimePoint(at);
    return request;
  };
  const RequestId refused = writer->add(add(9'000, 3, 0));
  Request impatient = add(20, 300, 10);
  impatient.cancel_after = Duration(1);
  const RequestId cancelled = writer->add(impatient);
  Request child = add(12, 2, 0);
  child.arrival.reset();
  child.earliest = TimePoint(10);
  child.parents = {refused, cancelled};
  writer->add(child);
  REQUIRE(writer->finish());
  const Result result = run(path, knobs_with(100), "cpu");
  REQUIRE(result.requests.size() == 3);
  CHECK(result.requests[0].outcome == Outcome::kRefused);
  CHECK(result.requests[1].outcome == Outcome::kCancelled);
  CHECK(result.requests[2].outcome == Outcome::kFinished);
  CHECK(std::ranges::any_of(result.honesty, [](const std::string& line) {
    return line.starts_with("refused: 1 requests, the first: request 0:");
  }));
}

TEST_CASE("equal spans are equal tokens, and a content is what it was first", "[exec][engine]") {
  ContentTokens contents(100);
  const auto span = [](std::uint64_t content, std::int64_t first, std::int64_t count) {
    return Span{ContentId(content), Tokens(first), Tokens(count)};
  };
  const auto of = [&](std::vector<Span> spans) { return contents.of(spans); };
  const std::vector<std::int32_t> whole = of({span(1, 0, 50)});
  CHECK((of({span(1, 0, 20), span(1, 20, 30)}) == whole));
  CHECK((of({span(2, 0, 50)}) != whole));
  CHECK(!contents.set(ContentId(1), {1, 2, 3}));
  CHECK((of({span(1, 0, 50)}) == whole));
  CHECK(contents.set(ContentId(3), {1, 2, 3}));
  const std::vector<std::int32_t> answered = of({span(3, 1, 4)});
  CHECK((answered[0] == 2 && answered[1] == 3 && answered.size() == 4));
}

}  // namespace scsim::exec
