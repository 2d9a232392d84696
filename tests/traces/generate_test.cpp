// Laws of the generator: the same bytes again, and one knob moves one thing.
#include "traces/generate.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "tests/traces/generated.h"
#include "traces/files.h"

namespace scsim::test {
namespace {

// Small, and with every feature in it.
const std::string kDocs = R"(
duration: 10 min
arrivals: {rate: 0.2, process: gamma, cv: 1.5, daily_curve: {weights: [1, 3, 2], period: 5 min}}
slos: [{name: gold, ttft: 2 s, tpot: 50 ms}]
enterprise_docs:
  documents: {count: 8, length: {mean: 900, min: 50, max: 3000}, new_versions_per_hour: 6}
  sessions: {context_limit: 0, turns: {mean: 3}, think: {mean: 20 s}, cancelled: 0.2}
tenants:
  - {name: acme, share: 3, price_class: premium, slo: gold, priority: -1}
  - {name: bolt, enterprise_docs: {sessions: {loop: open}}}
)";
const std::string kAgents = R"(
duration: 10 min
arrivals: {rate: 0.1}
agents: {fork: 0.2, fork_depth: 2, steps: {mean: 6, max: 12}, context_limit: 60000}
)";
const std::string kPlain = R"(
requests: 500
duration: 0 s
arrivals: {process: weibull, cv: 2}
plain: {prompt: {distribution: gamma, mean: 300}, output: {distribution: exponential, mean: 40},
        prefix_tokens: 128, prefixes: 5, zipf: 1}
)";

std::string bytes_of_recipe(const std::string& recipe, std::optional<std::uint64_t> seed) {
  TemporaryFolder folder;
  REQUIRE(write_file(folder.file("recipe.yaml"), recipe).has_value());
  const RecipeInput input{.path = folder.file("recipe.yaml"), .seed = seed};
  REQUIRE(generate_trace(input, folder.file("out.pb"), "test").has_value());
  return bytes_of(folder.file("out.pb"));
}

TEST_CASE("the same recipe and seed give the same bytes", "[traces][generate]") {
  for (const std::string& recipe : {kDocs, kAgents, kPlain}) {
    const std::string bytes = bytes_of_recipe(recipe, std::nullopt);
    CHECK(bytes == bytes_of_recipe(recipe, std::nullopt));
    CHECK(bytes == bytes_of_recipe(recipe + "seed: 1\n", std::nullopt));
    CHECK(bytes == bytes_of_recipe(recipe + "seed: 7\n", 1));  // the command line decides
    CHECK(bytes != bytes_of_recipe(recipe, 2));
  }
}

TEST_CASE("requests are ordered, and none can begin before its parents and its think time",
          "[traces][generate]") {
  for (const std::string& recipe : {kDocs, kAgents, kPlain}) {
    const LoadedTrace trace = generated(recipe);
    std::map<std::uint64_t, int> turns;  // by session: so far
    for (const Request& request : trace.requests) {
      if (request.id.value() > 0)
        CHECK(request.earliest >= trace.requests[request.id.value() - 1].earliest);
      CHECK(request.turn == turns[request.session.value()]++);
      CHECK(request.parents.empty() == request.arrival.has_value());
      TimePoint bound = request.arrival.value_or(TimePoint());
      for (const RequestId parent : request.parents) {
        CHECK(trace.requests[parent.value()].session == request.session);
        bound = std::max(bound, trace.requests[parent.value()].earliest + request.think);
      }
      CHECK(request.earliest == bound);
      CHECK(request.output_tokens <= request.max_tokens);
      CHECK(request.output_tokens == trace.contents[request.output.value()]);
    }
  }
}

// What a knob may move: everything of a request, by name, but ids of contents.
std::map<std::string, std::vector<std::int64_t>> aspects_of(const LoadedTrace& trace) {
  std::map<std::string, std::vector<std::int64_t>> aspects;
  // Order in the file depends on think times: by session and turn.
  std::vector<Request> requests = trace.requests;
  std::ranges::sort(requests, {}, [](const Request& r) { return std::pair(r.session, r.turn); });
  for (const Request& request : requests) {
    const std::vector<Span>& prompt = request.prompt;
    const auto add = [&](const std::string& name, std::int64_t value) {
      aspects[name].push_back(value);
    };
    if (request.turn == 0) {
      add("starts", request.earliest.ns());
      add("tenants", static_cast<std::int64_t>(request.tenant.value()));
      for (std::size_t i = 0; i + 1 < prompt.size(); ++i) add("documents", prompt[i].count.value());
    }
    add("sessions", static_cast<std::int64_t>(request.session.value()));
    add("modes", static_cast<std::int64_t>(prompt.size()));
    add("questions", prompt.back().count.value());
    add("answers", request.output_tokens.value());
    add("thinks", request.think.ns());
    add("cancels", request.cancel_after.value_or(Duration()).ns());
    add("tasks", static_cast<std::int64_t>(request.task.value()));
    add("max_tokens", request.max_tokens.value());
  }
  return aspects;
}

TEST_CASE("one knob moves one thing and leaves the rest of the workload as it was",
          "[traces][generate]") {
  struct Knob {
    std::string setting;
    std::vector<std::string> moves;
  };
  const std::vector<Knob> knobs = {
      {"enterprise_docs.sessions.question.mean=160", {"questions"}},
      {"enterprise_docs.sessions.answer.distribution=gamma", {"answers"}},
      {"enterprise_docs.sessions.think.mean=30 s", {"thinks"}},
      {"enterprise_docs.sessions.cancelled=0.4", {"cancels"}},
      {"enterprise_docs.sessions.cancel_after.mean=5 s", {"cancels"}},
      {"enterprise_docs.documents.length.mean=1000", {"documents"}},
      {"enterprise_docs.documents.edit_from=0.5", {"documents"}},
      {"enterprise_docs.sessions.tasks=[{name: a}, {name: b}]", {"tasks"}},
      {"enterprise_docs.sessions.max_tokens=100000", {"answers", "max_tokens"}},
      {"enterprise_docs.sessions.multi_request=0.9", {"modes"}},
  };
  TemporaryFolder folder;
  REQUIRE(write_file(folder.file("recipe.yaml"), kDocs).has_value());
  const auto aspects = [&](const std::vector<std::string>& settings) {
    const RecipeInput input{.path = folder.file("recipe.yaml"), .settings = settings};
    REQUIRE(generate_trace(input, folder.file("out.pb"), "test").has_value());
    return aspects_of(load_trace(folder.file("out.pb")));
  };
  const auto before = aspects({});
  for (const Knob& knob : knobs) {
    const auto after = aspects({knob.setting});
    for (const auto& [name, values] : before) {
      // How many pieces documents have moves the count of spans with them.
      const bool may_move = std::ranges::find(knob.moves, name) != knob.moves.end();
      CAPTURE(knob.setting, name);
      CHECK((values == after.at(name)) == !may_move);
    }
  }
}

TEST_CASE("a tenant's workload does not depend on who else is there", "[traces][generate]") {
  const std::string common = R"(
duration: 20 min
enterprise_docs: {documents: {count: 5}}
tenants:
  - {name: acme, arrivals: {rate: 0.05}}
)";
  const LoadedTrace alone = generated(common);
  const LoadedTrace with_others =
      generated(common + "  - {name: bolt, arrivals: {rate: 0.2}}\n  - {name: coil}\n");
  std::vector<const Request*> acme;
  for (const Request& request : with_others.requests)
    if (with_others.tables.tenants[request.tenant.value()].name == "acme") acme.push_back(&request);
  REQUIRE(acme.size() == alone.requests.size());
  for (std::size_t i = 0; i < acme.size(); ++i) {
    CHECK(acme[i]->earliest == alone.requests[i].earliest);
    CHECK(acme[i]->prompt_tokens() == alone.requests[i].prompt_tokens());
    CHECK(acme[i]->output_tokens == alone.requests[i].output_tokens);
  }
}

TEST_CASE("tenants start sessions by their shares", "[traces][generate]") {
  const LoadedTrace trace = generated(R"(
requests: 20000
duration: 0 s
arrivals: {rate: 10}
plain: {}
tenants: [{name: a, share: 1}, {name: b, share: 3}, {name: c, share: 0}, {name: d, arrivals: {rate: 5}}]
)");
  std::map<std::string, double> count;
  for (const Request& request : trace.requests)
    ++count[trace.tables.tenants[request.tenant.value()].name];
  // Rates 2.5, 7.5, 0 and 5; deviations of these counts are below 90: four of them.
  CHECK(count["a"] == Approx(20000 / 6.0).margin(360));
  CHECK(count["b"] == Approx(20000 / 2.0).margin(360));
  CHECK(count["d"] == Approx(20000 / 3.0).margin(360));
  CHECK(!count.contains("c"));
}

TEST_CASE("a trace ends after so many requests or so much time", "[traces][generate]") {
  CHECK(generated("requests: 17\nplain: {}").requests.size() == 17);
  const LoadedTrace trace =
      generated("duration: 10 s\narrivals: {rate: 2, process: constant}\nplain: {}");
  REQUIRE(trace.requests.size() == 19);  // at 0.5, 1.0, ..., 9.5 s
  CHECK(trace.requests.back().earliest == TimePoint(9'500'000'000));
}

TEST_CASE("tenants may follow sections of their own", "[traces][generate]") {
  const LoadedTrace trace = generated(R"(
duration: 5 min
name: two kinds
agents: {task: coding}
plain: {task: batch}
tenants: [{name: a, agents: {}}, {name: b, plain: {}}]
)");
  CHECK(trace.header.name == "two kinds");
  for (const Request& request : trace.requests)
    CHECK(trace.tables.tasks[request.task.value()] ==
          (trace.tables.tenants[request.tenant.value()].name == "a" ? "coding" : "batch"));
}

TEST_CASE("a recipe that cannot be followed is refused with the reason", "[traces][generate]") {
  CHECK(refusal("duration: 1 h") ==
        "recipe.yaml: tenant \"default\": expected a section that says what it does, one of: "
        "enterprise_docs, agents, plain");
  CHECK(refusal("plian: {}").find("did you mean \"plain\"?") != std::string::npos);
  CHECK(
      refusal("agents: {}\nplain: {}") ==
      "recipe.yaml: tenant \"default\": could follow agents or plain; give it the one it follows, "
      "such as `agents: {}`");
  CHECK(refusal("plain: {}\ntenants: [{name: a}, {name: a}]") ==
        "recipe.yaml: tenant \"a\": is there twice");
  CHECK(refusal("plain: {}\nslos: [{name: gold}]\ntenants: [{name: a, slo: glod}]")
            .find("tenant \"a\": slo: unknown service class \"glod\"; did you mean \"gold\"?") !=
        std::string::npos);
  CHECK(refusal("plain: {output: {min: 9, max: 3}}") ==
        "recipe.yaml: tenant \"default\": plain.output: min is larger than max");
  CHECK(refusal("plain: {}\nduration: 0 s") ==
        "recipe.yaml: duration: 0 has no end; expected `requests` or a duration");
  CHECK(refusal("plain: {}\ntenants: [{name: a, share: 0}]") ==
        "recipe.yaml: tenants: every share is 0; expected a larger one");
  CHECK(
      refusal("plain: {}\narrivals: {daily_curve: {weights: [0, 0]}}") ==
      "recipe.yaml: tenant \"default\": arrivals.daily_curve: weights: at least one must be larger "
      "than 0");
  CHECK(refusal("enterprise_docs: {sessions: {context_limit: 10}}").find("makes no request") !=
        std::string::npos);
}

TEST_CASE("a recipe that is refused leaves no file behind", "[traces][generate]") {
  TemporaryFolder folder;
  REQUIRE(write_file(folder.file("recipe.yaml"), "enterprise_docs: {sessions: {context_limit: 10}}")
              .has_value());
  CHECK(!generate_trace({.path = folder.file("recipe.yaml")}, folder.file("out.pb"), "test"));
  CHECK(!read_file(folder.file("out.pb")).has_value());
  CHECK(!read_file(folder.file("out.pb.partial")).has_value());
}

}  // namespace
}  // namespace scsim::test
