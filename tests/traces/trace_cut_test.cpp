#include "traces/trace_cut.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/trace_files.h"
#include "tests/traces/generated.h"
#include "traces/files.h"
#include "traces/generate.h"
#include "traces/trace_stat.h"

namespace scsim::test {
namespace {

TimePoint seconds(double s) { return TimePoint(static_cast<std::int64_t>(s * 1e9)); }

const std::string kRecipe = R"(
duration: 10 min
arrivals: {rate: 0.3}
enterprise_docs: {documents: {count: 5}, sessions: {turns: {mean: 3}, think: {mean: 30 s}}}
tenants: [{name: acme, price_class: gold}, {name: bolt}]
)";

// A trace of kRecipe (or another) and what is cut from it.
class Cutter {
 public:
  explicit Cutter(const std::string& recipe = kRecipe) {
    REQUIRE(write_file(folder_.file("recipe.yaml"), recipe).has_value());
    REQUIRE(generate_trace({.path = folder_.file("recipe.yaml")}, folder_.file("in.pb"), "test"));
    before = load_trace(folder_.file("in.pb"));
  }
  LoadedTrace cut(const CutOptions& options) {
    const Expected<CutReport> done =
        cut_trace(folder_.file("in.pb"), folder_.file("out.pb"), options, "cut for the test");
    if (!done) FAIL(done.error().message);
    report = *done;
    LoadedTrace after = load_trace(folder_.file("out.pb"));
    CHECK(after.requests.size() == report.requests);
    return after;
  }
  std::string refusal(const CutOptions& options) {
    const Expected<CutReport> done =
        cut_trace(folder_.file("in.pb"), folder_.file("out.pb"), options, "");
    return done ? "" : done.error().message;
  }
  TraceStat stat() { return *stat_trace(folder_.file("out.pb")); }

  LoadedTrace before;
  CutReport report;

 private:
  TemporaryFolder folder_;
};

TEST_CASE("a cut of everything is the same trace", "[traces][cut]") {
  Cutter cutter;
  const LoadedTrace after = cutter.cut({});
  REQUIRE(after.requests.size() == cutter.before.requests.size());
  CHECK(after.contents == cutter.before.contents);
  for (std::size_t i = 0; i < after.requests.size(); ++i) {
    const Request& a = cutter.before.requests[i];
    const Request& b = after.requests[i];
    CHECK(a.prompt == b.prompt);
    CHECK(a.parents == b.parents);
    CHECK(a.arrival == b.arrival);
    CHECK(a.earliest == b.earliest);
    CHECK(a.think == b.think);
    CHECK(a.session == b.session);
    CHECK(a.output_tokens == b.output_tokens);
  }
  CHECK(after.header.made_by == "cut for the test");
  CHECK(after.header.notes == "cut from a trace made by: test");
}

TEST_CASE("a window of time begins at 0 and what lost its parents becomes open loop",
          "[traces][cut]") {
  Cutter cutter;
  const LoadedTrace after = cutter.cut({.from = seconds(200), .to = seconds(400)});
  std::vector<const Request*> expected;
  for (const Request& request : cutter.before.requests)
    if (request.earliest >= seconds(200) && request.earliest < seconds(400))
      expected.push_back(&request);
  REQUIRE(after.requests.size() == expected.size());
  std::uint64_t orphans = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Request& now = after.requests[i];
    CHECK(now.earliest.ns() == expected[i]->earliest.ns() - 200'000'000'000);
    CHECK(now.prompt_tokens() == expected[i]->prompt_tokens());
    CHECK(now.turn == expected[i]->turn);
    if (expected[i]->parents.empty()) continue;
    const bool orphan =
        cutter.before.requests[expected[i]->parents[0].value()].earliest < seconds(200);
    orphans += orphan;
    CHECK(now.arrival.has_value() == orphan);
    CHECK(now.parents.size() == (orphan ? 0u : 1u));
    if (orphan) CHECK(now.arrival == now.earliest);
    if (!orphan) CHECK(after.requests[now.parents[0].value()].session == now.session);
  }
  CHECK(orphans > 0);
  CHECK(cutter.report.made_open_loop == orphans);
  CHECK(cutter.report.lost_parents == orphans);
}

TEST_CASE("a cut keeps the contents its requests refer to and no others", "[traces][cut]") {
  Cutter cutter;
  const LoadedTrace after = cutter.cut({.requests = 20});
  REQUIRE(after.requests.size() == 20);
  std::set<std::uint64_t> used;
  for (std::size_t i = 0; i < 20; ++i) {
    const Request& a = cutter.before.requests[i];
    const Request& b = after.requests[i];
    REQUIRE(a.prompt.size() == b.prompt.size());
    for (std::size_t k = 0; k < a.prompt.size(); ++k) {
      CHECK(a.prompt[k].first == b.prompt[k].first);
      CHECK(a.prompt[k].count == b.prompt[k].count);
      CHECK(cutter.before.contents[a.prompt[k].content.value()] ==
            after.contents[b.prompt[k].content.value()]);
      used.insert(b.prompt[k].content.value());
    }
    used.insert(b.output.value());
  }
  CHECK(used.size() == after.contents.size());
}

TEST_CASE("tenants are chosen by name", "[traces][cut]") {
  Cutter cutter;
  const LoadedTrace acme = cutter.cut({.tenants = {"acme"}});
  const LoadedTrace bolt = cutter.cut({.tenants = {"bolt"}});
  CHECK(acme.requests.size() + bolt.requests.size() == cutter.before.requests.size());
  REQUIRE(acme.tables.tenants.size() == 1);
  CHECK(acme.tables.tenants[0].name == "acme");
  CHECK(acme.tables.tenants[0].price_class == "gold");
  CHECK(cutter.cut({.tenants = {"bolt", "acme"}}).requests.size() == cutter.before.requests.size());
  CHECK(cutter.refusal({.tenants = {"acne"}}).find("did you mean \"acme\"?") != std::string::npos);
}

TEST_CASE("sessions are sampled whole, and a smaller sample lies within a larger one",
          "[traces][cut]") {
  Cutter cutter(kRecipe + "seed: 3\n");
  std::map<std::uint64_t, std::size_t> whole;  // requests by session
  for (const Request& request : cutter.before.requests) ++whole[request.session.value()];
  const auto sampled = [&](double share) {
    std::map<std::uint64_t, std::size_t> count;
    for (const Request& request : cutter.cut({.sessions = share}).requests)
      ++count[request.session.value()];
    for (const auto& [session, requests] : count) CHECK(requests == whole[session]);
    // Standard error of the share: below 0.04 with some 180 sessions.
    CHECK(static_cast<double>(count.size()) / static_cast<double>(whole.size()) ==
          Approx(share).margin(0.15));
    return count;
  };
  const auto larger = sampled(0.6);
  for (const auto& [session, requests] : sampled(0.3)) CHECK(larger.contains(session));
}

TEST_CASE("speed divides arrivals and leaves think times", "[traces][cut]") {
  for (const double speed : {4.0, 1.7, 0.5}) {
    Cutter cutter;
    const LoadedTrace after = cutter.cut({.speed = speed});
    REQUIRE(after.requests.size() == cutter.before.requests.size());
    std::map<std::pair<SessionId, int>, const Request*> old;
    for (const Request& request : cutter.before.requests)
      old[{request.session, request.turn}] = &request;
    TimePoint latest;
    for (const Request& request : after.requests) {
      const Request& was = *old[{request.session, request.turn}];
      CHECK(request.prompt_tokens() == was.prompt_tokens());
      CHECK(request.think == was.think);
      CHECK(request.earliest >= latest);
      latest = request.earliest;
      if (request.arrival) {
        CHECK(static_cast<double>(request.arrival->ns()) ==
              Approx(static_cast<double>(was.arrival->ns()) / speed).margin(1000));
      } else {
        REQUIRE(request.parents.size() == 1);
        const Request& parent = after.requests[request.parents[0].value()];
        CHECK(parent.session == request.session);
        CHECK(parent.turn + 1 == request.turn);
        CHECK(static_cast<double>((request.earliest - (parent.earliest + request.think)).ns()) ==
              Approx(0).margin(1000));
      }
    }
  }
}

TEST_CASE("copies follow one another and share nothing", "[traces][cut]") {
  Cutter cutter;
  const LoadedTrace after = cutter.cut({.requests = 100, .repeat = 3});
  REQUIRE(after.requests.size() == 300);
  const Duration length = after.requests[99].earliest - after.requests[0].earliest;
  CHECK(cutter.report.period.ns() == Approx(static_cast<double>(length.ns()) * (1 + 1 / 99.0)));
  std::set<std::uint64_t> contents, sessions;
  for (std::size_t copy = 0; copy < 3; ++copy) {
    std::set<std::uint64_t> mine, my_sessions;
    for (std::size_t i = 0; i < 100; ++i) {
      const Request& first = after.requests[i];
      const Request& request = after.requests[100 * copy + i];
      CHECK(request.earliest ==
            first.earliest + cutter.report.period * static_cast<std::int64_t>(copy));
      CHECK(request.parents.size() == first.parents.size());
      for (std::size_t k = 0; k < first.parents.size(); ++k)
        CHECK(request.parents[k].value() == first.parents[k].value() + 100 * copy);
      CHECK(request.prompt_tokens() == first.prompt_tokens());
      for (const Span& span : request.prompt) mine.insert(span.content.value());
      my_sessions.insert(request.session.value());
    }
    for (const std::uint64_t content : mine) CHECK(contents.insert(content).second);
    for (const std::uint64_t session : my_sessions) CHECK(sessions.insert(session).second);
  }
  // What an ideal cache finds is three times what it finds in one.
  const std::int64_t found = cutter.stat().prefix_tokens.found;
  cutter.cut({.requests = 100});
  CHECK(found == 3 * cutter.stat().prefix_tokens.found);
}

TEST_CASE("agents keep their joins when some of their parents are cut away", "[traces][cut]") {
  Cutter cutter("duration: 30 min\narrivals: {rate: 0.05}\nagents: {fork: 0.3}");
  const LoadedTrace after = cutter.cut({.from = seconds(500), .speed = 2});
  std::size_t joins = 0;
  for (const Request& request : after.requests) {
    joins += request.parents.size() > 1;
    TimePoint bound;
    for (const RequestId parent : request.parents)
      bound = std::max(bound, after.requests[parent.value()].earliest + request.think);
    CHECK(request.earliest.ns() >= bound.ns() - 1000);
  }
  CHECK(joins > 10);
}

TEST_CASE("texts go with their contents", "[traces][cut]") {
  TemporaryFolder folder;
  Expected<TraceWriter> writer = TraceWriter::create(folder.file("in.pb"), TraceHeader{});
  REQUIRE(writer.has_value());
  for (std::uint64_t i = 0; i < 4; ++i) {
    const ContentId content = writer->add_content(Tokens(3));
    writer->add_text(content, "user", "question " + std::to_string(i));
    writer->add_tenant(std::string(1, static_cast<char>('a' + i)));
    Request request =
        open_request(TimePoint(static_cast<std::int64_t>(i)), {{content, Tokens(0), Tokens(3)}});
    request.tenant = TenantId(i);
    writer->add(request);
  }
  REQUIRE(writer->finish().has_value());
  REQUIRE(cut_trace(folder.file("in.pb"), folder.file("out.pb"),
                    {.tenants = {"b", "d"}, .repeat = 2}, ""));
  const LoadedTrace after = load_trace(folder.file("out.pb"));
  using Text = std::tuple<ContentId, std::string, std::string>;
  CHECK(after.texts == std::vector<Text>{{ContentId(0), "user", "question 1"},
                                         {ContentId(1), "user", "question 3"},
                                         {ContentId(2), "user", "question 1"},
                                         {ContentId(3), "user", "question 3"}});
}

TEST_CASE("a cut that makes no sense is refused", "[traces][cut]") {
  Cutter cutter;
  CHECK(cutter.refusal({.speed = 0}) == "speed: 0; expected a number from 1e-6 to 1e6");
  CHECK(cutter.refusal({.sessions = 1.5}) == "sessions: 1.5; expected a share above 0, at most 1");
  CHECK(cutter.refusal({.repeat = 0}) == "repeat: 0; expected 1 or more");
  CHECK(cutter.refusal({.from = seconds(5), .to = seconds(5)}) ==
        "to: 5.00 s is not after from: 5.00 s");
  CHECK(cutter.refusal({.from = seconds(1e6)}).find("none of its requests is chosen") !=
        std::string::npos);
}

}  // namespace
}  // namespace scsim::test
