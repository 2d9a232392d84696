#include "exec/tasks/trace_sessions.h"

#include <catch2/catch.hpp>

#include "tests/support/temporary_folder.h"
#include "traces/rng.h"
#include "traces/text_contents.h"

namespace scsim::exec {
namespace {

std::string words(Rng& rng, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) {
    for (std::uint64_t j = 0; j < 1 + rng.below(8); ++j) {
      text += rng.chance(0.05) ? std::string("ü")
                               : std::string(1, static_cast<char>('a' + rng.below(26)));
    }
    text += ' ';
  }
  return text;
}

}  // namespace

TEST_CASE("conversations come out of a trace as they went in", "[exec][tasks]") {
  // Two sessions that grow turn by turn behind one system prompt; a third that begins like the
  // first and goes another way, so that its prompt has parts of contents.
  Rng rng(5, "test");
  const scsim::test::TemporaryFolder folder;
  const std::string path = folder.file("chat.pb");
  const std::string system = words(rng, 60), first = words(rng, 80);
  std::vector<std::vector<LoggedMessage>> prompts;
  std::vector<std::string> answers;
  std::vector<std::uint64_t> sessions;
  for (const std::uint64_t session : {0, 1, 2}) {
    std::vector<LoggedMessage> messages = {{"system", system}};
    const std::string question = session == 2   ? first.substr(0, 200) + words(rng, 20)
                                 : session == 0 ? first
                                                : words(rng, 40);
    messages.push_back({"user", question});
    for (int turn = 0; turn < 3; ++turn) {
      prompts.push_back(messages);
      answers.push_back(words(rng, 15));
      sessions.push_back(session);
      messages.push_back({"assistant", answers.back()});
      messages.push_back({"user", words(rng, 10)});
    }
  }
  {
    Expected<TraceWriter> writer = TraceWriter::create(path, {});
    REQUIRE(writer);
    TextContents contents(4, true);
    std::optional<RequestId> before;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      LoggedRequest row;
      row.messages = prompts[i];
      row.prompt_counted = false;
      row.prompt_tokens = Tokens(1);
      row.answer = LoggedMessage{"assistant", answers[i]};
      row.output_tokens = contents.estimate(answers[i]);
      Request request;
      request.session = SessionId(sessions[i]);
      request.turn = static_cast<int>(i % 3);
      request.arrival = request.earliest = TimePoint(static_cast<std::int64_t>(i));
      if (i % 3 > 0) request.parents = {*before};
      request.output_tokens = request.max_tokens = row.output_tokens;
      contents.fill(row, *writer, request);
      before = writer->add(request);
    }
    REQUIRE(writer->finish());
  }

  const Expected<std::vector<TraceSession>> read = read_trace_sessions(path);
  REQUIRE(read);
  REQUIRE(read->size() == 3);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const TracePrompt& prompt = (*read)[i / 3].requests[i % 3];
    CHECK(prompt.turn == static_cast<int>(i % 3));
    CHECK(prompt.answer == answers[i]);
    if (i % 3 == 0) CHECK(prompt.parents.empty());
    if (i % 3 > 0) CHECK(prompt.parents == std::vector<std::size_t>{i % 3 - 1});
    REQUIRE(prompt.messages.size() == prompts[i].size());
    for (std::size_t m = 0; m < prompts[i].size(); ++m) {
      CHECK(prompt.messages[m].role == prompts[i][m].role);
      CHECK(prompt.messages[m].text == prompts[i][m].text);
    }
  }
  CHECK(read_trace_sessions(path, 2)->size() == 2);
}

TEST_CASE("a trace without text says how to get one with it", "[exec][tasks]") {
  const scsim::test::TemporaryFolder folder;
  const std::string path = folder.file("plain.pb");
  Expected<TraceWriter> writer = TraceWriter::create(path, {});
  REQUIRE(writer);
  Request request;
  request.arrival = TimePoint(0);
  request.prompt = {{writer->add_content(Tokens(5)), Tokens(0), Tokens(5)}};
  request.output_tokens = request.max_tokens = Tokens(1);
  writer->add(request);
  REQUIRE(writer->finish());
  const Expected<std::vector<TraceSession>> read = read_trace_sessions(path);
  REQUIRE_FALSE(read);
  CHECK(read.error().message.find("keep_text") != std::string::npos);
}

}  // namespace scsim::exec
