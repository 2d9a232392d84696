// What the sections of a recipe make: sessions over documents, agents, plain requests.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/traces/generated.h"

namespace scsim::test {
namespace {

using Sessions = std::map<std::uint64_t, std::vector<const Request*>>;  // requests in order of turn

Sessions sessions_of(const LoadedTrace& trace) {
  Sessions sessions;
  for (const Request& request : trace.requests)
    sessions[request.session.value()].push_back(&request);
  return sessions;
}

std::vector<Span> without_last(std::vector<Span> prompt) {
  prompt.pop_back();
  return prompt;
}

bool begins_with(const std::vector<Span>& prompt, const std::vector<Span>& beginning) {
  return beginning.size() <= prompt.size() &&
         std::equal(beginning.begin(), beginning.end(), prompt.begin());
}

Span output_of(const Request& request) {
  return {request.output, Tokens(0), request.output_tokens};
}

TEST_CASE("a turn sees the context and all that was said before", "[traces][generate]") {
  const LoadedTrace trace = generated(
      "duration: 10 min\nenterprise_docs: {sessions: {multi_request: 0, context_limit: 0}}");
  std::size_t later_turns = 0;
  for (const auto& [session, turns] : sessions_of(trace)) {
    for (std::size_t t = 1; t < turns.size(); ++t, ++later_turns) {
      std::vector<Span> expected = turns[t - 1]->prompt;
      expected.push_back(output_of(*turns[t - 1]));
      CHECK(without_last(turns[t]->prompt) == expected);
      CHECK(turns[t]->parents == std::vector{turns[t - 1]->id});
    }
  }
  CHECK(later_turns > 100);
}

TEST_CASE("a multi-request session asks each question of the bare context", "[traces][generate]") {
  const LoadedTrace trace = generated(
      "duration: 10 min\nenterprise_docs: {sessions: {multi_request: 1, context_limit: 0}}");
  std::set<std::uint64_t> questions;
  for (const auto& [session, turns] : sessions_of(trace)) {
    for (const Request* turn : turns) {
      CHECK(without_last(turn->prompt) == without_last(turns[0]->prompt));
      CHECK(questions.insert(turn->prompt.back().content.value()).second);
    }
  }
}

TEST_CASE("a tenant's sessions share its system prompt and its popular documents",
          "[traces][generate]") {
  const LoadedTrace trace = generated(R"(
duration: 0 s
requests: 2000
enterprise_docs:
  documents: {count: 50, zipf: 1, new_versions_per_hour: 0}
  sessions: {turns: {distribution: constant, mean: 1}, documents: {distribution: constant, mean: 1},
             context_limit: 0}
tenants: [{name: a}, {name: b}]
)");
  std::map<std::uint64_t, std::set<std::uint64_t>> system_prompts;  // by tenant
  std::map<std::uint64_t, double> uses;                             // by document
  std::map<std::uint64_t, std::uint64_t> owner;
  for (const Request& request : trace.requests) {
    REQUIRE(request.prompt.size() == 3);
    system_prompts[request.tenant.value()].insert(request.prompt[0].content.value());
    const std::uint64_t document = request.prompt[1].content.value();
    CHECK(owner.try_emplace(document, request.tenant.value()).first->second ==
          request.tenant.value());
    if (request.tenant == TenantId(0)) ++uses[document];
  }
  CHECK(system_prompts[0].size() == 1);
  CHECK(system_prompts[1].size() == 1);
  CHECK(system_prompts[0] != system_prompts[1]);
  // Zipf with exponent 1 over 50: the most popular has 1 / H_50 = 22.2 % of about 1,000 uses;
  // deviation of that count 13: four of them.
  double most = 0, all = 0;
  for (const auto& [document, count] : uses) {
    most = std::max(most, count);
    all += count;
  }
  CHECK(most == Approx(0.2223 * all).margin(53));
}

TEST_CASE("a new version begins as the old one and ends with new content", "[traces][generate]") {
  const LoadedTrace trace = generated(R"(
duration: 1 h
arrivals: {rate: 0.5}
enterprise_docs:
  documents: {count: 3, new_versions_per_hour: 20, length: {mean: 5000, min: 1000, max: 9000}, edit_from: 0.25}
  sessions: {turns: {distribution: constant, mean: 1}, documents: {distribution: constant, mean: 1},
             context_limit: 0}
)");
  // Versions by the document's first content, which all of them begin with (edit_from > 0).
  std::map<std::uint64_t, std::vector<std::vector<Span>>> versions;
  for (const Request& request : trace.requests) {
    const std::vector<Span> document(request.prompt.begin() + 1, request.prompt.end() - 1);
    std::int64_t tokens = 0;
    for (const Span& piece : document) {
      CHECK(piece.first == Tokens(0));
      tokens += piece.count.value();
    }
    CHECK(tokens >= 1000);
    CHECK(tokens <= 9000);
    auto& seen = versions[document[0].content.value()];
    if (seen.empty() || seen.back() != document) seen.push_back(document);
  }
  REQUIRE(versions.size() == 3);
  std::size_t count = 0;
  for (const auto& [content, list] : versions) {
    count += list.size();
    for (std::size_t i = 1; i < list.size(); ++i) {
      const std::vector<Span>& old = list[i - 1];
      const std::vector<Span>& now = list[i];
      // All but the last pieces are the old ones, the last of them perhaps cut.
      std::size_t same = 0;
      while (same < std::min(old.size(), now.size()) && old[same] == now[same]) ++same;
      if (same < old.size() && same < now.size() && old[same].content == now[same].content) {
        CHECK(now[same].count < old[same].count);
        ++same;
      }
      CHECK(same >= 1);
      for (std::size_t piece = same; piece < now.size(); ++piece)
        CHECK(std::ranges::none_of(
            old, [&](const Span& each) { return each.content == now[piece].content; }));
    }
  }
  // 60 versions in the hour; some lie between two uses. Deviation of a Poisson count: 8.
  CHECK(count > 30);
  CHECK(count < 95);
}

TEST_CASE("an open loop has a time for every request and no parents", "[traces][generate]") {
  const LoadedTrace trace = generated(R"(
duration: 10 min
enterprise_docs:
  sessions: {loop: open, open_loop_token_time: 10 ms, think: {distribution: constant, mean: 5 s}}
)");
  for (const auto& [session, turns] : sessions_of(trace)) {
    for (std::size_t t = 0; t < turns.size(); ++t) {
      REQUIRE(turns[t]->arrival.has_value());
      CHECK(turns[t]->parents.empty());
      if (t == 0) continue;
      const std::int64_t served = turns[t - 1]->output_tokens.value() * 10'000'000;
      CHECK((*turns[t]->arrival - *turns[t - 1]->arrival).ns() == served + 5'000'000'000);
    }
  }
}

TEST_CASE("no prompt leaves less than max_tokens of the context limit", "[traces][generate]") {
  const std::string limits = "context_limit: 20000, max_tokens: 2000";
  for (const std::string& recipe :
       {"duration: 10 min\nenterprise_docs: {sessions: {" + limits + "}}",
        "duration: 10 min\nagents: {" + limits + "}"}) {
    std::int64_t longest = 0;
    for (const Request& request : generated(recipe).requests)
      longest = std::max(longest, request.prompt_tokens().value());
    CHECK(longest <= 18000);
    CHECK(longest > 16000);
  }
}

TEST_CASE("tasks have lengths of their own", "[traces][generate]") {
  const LoadedTrace trace = generated(R"(
duration: 30 min
enterprise_docs:
  sessions:
    max_tokens: 500
    question: {distribution: constant, mean: 30}
    answer: {distribution: constant, mean: 60}
    tasks:
      - {name: lookup, share: 3}
      - {name: summary, answer: {mean: 700}, max_tokens: 800}
)");
  double summaries = 0;
  for (const Request& request : trace.requests) {
    const bool summary = trace.tables.tasks[request.task.value()] == "summary";
    summaries += summary;
    CHECK(request.prompt.back().count == Tokens(30));
    CHECK(request.output_tokens == Tokens(summary ? 700 : 60));
    CHECK(request.max_tokens == Tokens(summary ? 800 : 500));
  }
  const auto all = static_cast<double>(trace.requests.size());
  CHECK(summaries / all == Approx(0.25).margin(4 * std::sqrt(0.25 * 0.75 / all)));
}

TEST_CASE("some clients give up", "[traces][generate]") {
  const LoadedTrace trace = generated(R"(
duration: 30 min
enterprise_docs:
  sessions: {cancelled: 0.3, cancel_after: {distribution: constant, mean: 4 s}}
)");
  double cancelled = 0;
  for (const Request& request : trace.requests) {
    cancelled += request.cancel_after.has_value();
    if (request.cancel_after) CHECK(request.cancel_after->ns() == 4'000'000'000);
  }
  const auto all = static_cast<double>(trace.requests.size());
  CHECK(cancelled / all == Approx(0.3).margin(4 * std::sqrt(0.3 * 0.7 / all)));
}

TEST_CASE("an agent's context grows by what it said and what its tools returned",
          "[traces][generate]") {
  const LoadedTrace trace =
      generated("duration: 20 min\narrivals: {rate: 0.05}\nagents: {fork: 0, context_limit: 0}");
  for (const auto& [session, steps] : sessions_of(trace)) {
    for (std::size_t s = 1; s < steps.size(); ++s) {
      std::vector<Span> expected = steps[s - 1]->prompt;
      expected.push_back(output_of(*steps[s - 1]));
      CHECK(without_last(steps[s]->prompt) == expected);
    }
  }
}

TEST_CASE("sub-agents fork from a context, and who started them waits for all and hears all",
          "[traces][generate]") {
  const LoadedTrace trace = generated(R"(
duration: 20 min
arrivals: {rate: 0.05}
agents: {fork: 0.3, context_limit: 0, steps: {mean: 6, max: 12}, sub_agents: {distribution: constant, mean: 3},
         sub_agent_steps: {mean: 3}}
)");
  std::size_t joins = 0, forks = 0;
  std::map<std::uint64_t, std::size_t> children;
  for (const Request& request : trace.requests) {
    for (const RequestId id : request.parents) ++children[id.value()];
    if (request.parents.size() == 1) {
      // A step, or a sub-agent's first: it sees all its parent saw and said.
      const Request& parent = trace.requests[request.parents[0].value()];
      std::vector<Span> beginning = parent.prompt;
      beginning.push_back(output_of(parent));
      CHECK(begins_with(request.prompt, beginning));
    } else if (request.parents.size() > 1) {
      ++joins;
      REQUIRE(request.parents.size() == 3);
      const std::vector<Span> said(request.prompt.end() - 3, request.prompt.end());
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(said[i] == output_of(trace.requests[request.parents[i].value()]));
      CHECK(request.think == Duration());
    }
  }
  for (const auto& [id, count] : children) forks += count == 3;
  CHECK(joins > 10);
  CHECK(forks == joins);
}

TEST_CASE("plain requests have the lengths asked for and share nothing but the prefix",
          "[traces][generate]") {
  const LoadedTrace trace = generated(
      "requests: 300\nplain: {prompt: {mean: 100}, output: {mean: 7}, prefix_tokens: 50, prefixes: "
      "4}");
  std::set<std::uint64_t> prefixes, own;
  for (const Request& request : trace.requests) {
    REQUIRE(request.prompt.size() == 2);
    CHECK(request.prompt[0].count == Tokens(50));
    CHECK(request.prompt[1].count == Tokens(100));
    CHECK(request.output_tokens == Tokens(7));
    CHECK(request.max_tokens == Tokens(7));
    prefixes.insert(request.prompt[0].content.value());
    CHECK(own.insert(request.prompt[1].content.value()).second);
  }
  CHECK(prefixes.size() == 4);
}

}  // namespace
}  // namespace scsim::test
