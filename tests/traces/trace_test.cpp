#include "traces/trace.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <functional>
#include <string>

#include "tests/support/some_trace.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/trace_files.h"
#include "traces/files.h"

namespace scsim {

using test::TemporaryFolder;

TEST_CASE("a trace reads back as it was written", "[traces][trace]") {
  TemporaryFolder folder;
  for (const std::size_t num_requests : {1, 2, 255, 256, 257, 5000}) {
    const std::string expected = test::write_some_trace(folder.file("x.pb"), num_requests);
    const Expected<std::string> read = test::read_all_text(folder.file("x.pb"));
    REQUIRE(read.has_value());
    CHECK(read->find(expected) != std::string::npos);
    for (const std::string part :
         {"1.2.3\na test\nsome\n42\nno assumptions\n", "0acmegold\n", "1late\n",
          "slo 0 fast 1000000 -1 5\n", "\nm\n", "qa\nsummary\n", "0:1000\n", "0 system Be kind."}) {
      CHECK(read->find(part) != std::string::npos);
    }
  }
}

TEST_CASE("the same trace gives the same bytes", "[traces][trace]") {
  TemporaryFolder folder;
  test::write_some_trace(folder.file("x.pb"), 1000);
  test::write_some_trace(folder.file("y.pb"), 1000);
  CHECK(*read_file(folder.file("x.pb")) == *read_file(folder.file("y.pb")));
}

TEST_CASE("a trace in which nothing was declared has a default of each", "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  Expected<TraceWriter> writer = TraceWriter::create(path, TraceHeader{});
  REQUIRE(writer->finish().has_value());
  Expected<TraceReader> reader = TraceReader::open(path);
  Request request;
  REQUIRE_FALSE(*reader->next(request));
  const TraceTables& tables = reader->tables();
  REQUIRE((tables.tenants.size() == 1 && tables.slos.size() == 1));
  CHECK(tables.tenants[0].name == "default");
  CHECK(tables.slos[0].name == "default");
  CHECK(tables.models == std::vector<std::string>{"default"});
  CHECK(tables.tasks == std::vector<std::string>{"default"});
  CHECK_FALSE(reader->header().tool_version.empty());
}

TEST_CASE("names and texts that are not UTF-8 can still be read", "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  Expected<TraceWriter> writer = TraceWriter::create(path, {"", "", "\xFF", 0, ""});
  writer->add_tenant("\xFE");
  writer->add_text(writer->add_content(Tokens(1)), "\xFD", "caf\xE9");
  REQUIRE(writer->finish().has_value());
  const Expected<std::string> read = test::read_all_text(path);
  REQUIRE(read.has_value());
  CHECK(read->find("caf\xEF\xBF\xBD") != std::string::npos);
}

TEST_CASE("the writer ends the run of whoever breaks its rules", "[traces][trace]") {
  TemporaryFolder folder;
  // Runs a change to a right request in a child process; gives what it wrote before it aborted.
  const auto complaint = [&](const std::function<void(TraceWriter&, Request&)>& change) {
    const std::string out = folder.file("stderr");
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      std::signal(SIGABRT, SIG_DFL);
      dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      Expected<TraceWriter> writer = TraceWriter::create(folder.file("x.pb"), TraceHeader{});
      Request request = test::open_request(TimePoint(5), {{ContentId(0), Tokens(0), Tokens(10)}});
      writer->add_content(Tokens(10));
      writer->add(request);
      change(*writer, request);
      writer->add(request);
      _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? *read_file(out) : std::string("no complaint");
  };
  CHECK(complaint([](TraceWriter&, Request&) {}) == "no complaint");
  const std::vector<std::function<void(TraceWriter&, Request&)>> changes = {
      [](TraceWriter&, Request& request) { request.tenant = TenantId(1); },
      [](TraceWriter&, Request& request) { request.slo = SloId(1); },
      [](TraceWriter&, Request& request) { request.session = SessionId(); },
      [](TraceWriter&, Request& request) { request.parents = {RequestId(1)}; },
      [](TraceWriter&, Request& request) { request.arrival = TimePoint(4); },
      [](TraceWriter&, Request& request) { request.prompt.clear(); },
      [](TraceWriter&, Request& request) { request.prompt[0].first = Tokens(1); },
      [](TraceWriter&, Request& request) { request.prompt[0].count = Tokens(0); },
      [](TraceWriter&, Request& request) { request.prompt[0].content = ContentId(1); },
      [](TraceWriter&, Request& request) { request.output = ContentId(1); },
      [](TraceWriter&, Request& request) { request.max_tokens = Tokens(-1); },
      [](TraceWriter&, Request& request) { request.cancel_after = Duration(0); },
      [](TraceWriter& writer, Request&) { writer.add_text(ContentId(1), "", ""); }};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    CAPTURE(i);
    CHECK(complaint(changes[i]).find("check failed: ") != std::string::npos);
  }
}

TEST_CASE("spans are checked against a million contents and no more", "[traces][trace]") {
  TemporaryFolder folder;
  const std::string path = folder.file("x.pb");
  Expected<TraceWriter> writer = TraceWriter::create(path, TraceHeader{});
  const std::uint64_t contents = (1 << 20) + 10;
  for (std::uint64_t i = 0; i < contents; ++i) {
    writer->add_content(Tokens(static_cast<std::int64_t>(1 + i % 7)));
  }
  Request request;
  for (const std::uint64_t id : {std::uint64_t{10}, contents - 1}) {
    request.prompt.push_back(
        {ContentId(id), Tokens(0), Tokens(static_cast<std::int64_t>(1 + id % 7))});
  }
  request.prompt.push_back({ContentId(3), Tokens(5), Tokens(4)});  // forgotten, hence believed
  request.arrival = TimePoint(0);
  writer->add(request);
  REQUIRE(writer->finish().has_value());
  const test::LoadedTrace trace = test::load_trace(path);
  CHECK(trace.contents.size() == contents);
  REQUIRE(trace.requests.size() == 1);
  CHECK((trace.requests[0].prompt == request.prompt));
}

}  // namespace scsim
