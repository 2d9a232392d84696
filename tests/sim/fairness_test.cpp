// Order wfq keeps tenants apart, order edf keeps deadlines, and the frontend's limits keep the rest
// out.
#include <catch2/catch.hpp>

#include "sim/waiting_queue.h"
#include "tests/sim/random_cluster.h"
#include "tests/sim/random_trace.h"

namespace scsim::test {
namespace {

using sim::Cluster;
using sim::EngineKnobs;
using sim::WaitingQueue;
using Order = EngineKnobs::Order;

constexpr LinearCost kStep = {.step = 1e-3, .prefill_token = 1e-5, .decode_sequence = 1e-5};

WaitingQueue::Key of(std::uint32_t flow, double weight = 1) {
  return {.priority = 0, .arrival = 0, .tie = 0, .flow = flow, .weight = weight};
}

TEST_CASE("the flow that was served least for its weight goes first, its requests in turn",
          "[sim][fairness]") {
  WaitingQueue queue(Order::kFair);
  for (const int job : {0, 1, 2}) queue.push_last(job, of(0));
  for (const int job : {3, 4}) queue.push_last(job, of(1, 2));
  CHECK(queue.first() == 0);
  CHECK(queue.next(0) == 1);
  CHECK(queue.next(2) == 3);  // behind the last of a flow comes the next flow
  queue.remove(0);
  queue.serve(of(0), 10);
  CHECK(queue.first() == 3);
  queue.remove(3);
  queue.serve(of(1, 2), 10);  // half as much, for twice the weight
  CHECK(queue.first() == 4);
  queue.serve(of(1, 2), 14);
  CHECK(queue.first() == 1);
  CHECK(queue.size() == 3);
}

TEST_CASE("a flow that comes back has not saved up", "[sim][fairness]") {
  WaitingQueue queue(Order::kFair);
  queue.push_last(0, of(0));
  queue.push_last(1, of(0));
  queue.serve(of(0), 100);
  queue.push_last(2, of(1));
  CHECK(queue.served(1) == 100);  // as the least of those that wait
  queue.serve(of(1), 1);
  CHECK(queue.first() == 0);
}

// Theorem 4.4 of the VTC paper: while two tenants of equal weight both wait, what they have got
// differs by at most 2 max(prompt, 2 * tokens that run at once). Requests of one are long, of the
// other short, and all are there from the beginning.
TEST_CASE("two tenants that always wait get the same service, however unlike their requests",
          "[sim][fairness][law]") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed, "test.fair");
    EngineKnobs knobs;
    knobs.max_sequences = between(rng, 1, 8);
    const std::int64_t prompts[] = {between(rng, 10, 400), between(rng, 10, 400)};
    const std::int64_t answers[] = {between(rng, 5, 100), between(rng, 5, 100)};
    SmallTrace trace;
    for (int i = 0; i < 400; ++i)
      trace.ask(at_ms(0), prompts[i % 2], answers[i % 2]).tenant =
          TenantId(static_cast<std::uint64_t>(i % 2));
    const auto unfairness = [&](Order order) {
      knobs.order = order;
      const Result result = run(trace, small_cluster(kStep, knobs, 10'000));
      TimePoint both = result.end;  // until one of them has nothing waiting
      for (const std::uint32_t tenant : {0u, 1u}) {
        TimePoint last;
        for (const RequestResult& r : result.requests)
          if (r.tenant == tenant) last = std::max(last, r.scheduled);
        both = std::min(both, last);
      }
      double service[2] = {}, worst = 0;
      std::vector<std::pair<TimePoint, std::pair<std::uint32_t, double>>> events;
      for (const RequestResult& r : result.requests) {
        events.push_back({r.scheduled, {r.tenant, static_cast<double>(r.prompt_tokens)}});
        events.push_back({r.end, {r.tenant, 2.0 * static_cast<double>(r.output_tokens)}});
      }
      std::ranges::stable_sort(events, {}, [](const auto& event) { return event.first; });
      for (const auto& [when, what] : events) {
        if (when > both) break;
        service[what.first] += what.second;
        worst = std::max(worst, std::abs(service[0] - service[1]));
      }
      return worst;
    };
    const auto longest = static_cast<double>(std::max(prompts[0], prompts[1]));
    const auto running =
        static_cast<double>(knobs.max_sequences * std::max(answers[0], answers[1]));
    // Answers are counted at their ends here, so the running ones come on top.
    const double bound = 2 * std::max(longest, 2 * running) + 2 * running;
    CAPTURE(seed, knobs.max_sequences, prompts[0], prompts[1], answers[0], answers[1]);
    CHECK(unfairness(Order::kFair) <= bound);
  }
}

TEST_CASE("a tenant of twice the weight gets twice the service", "[sim][fairness]") {
  EngineKnobs knobs;
  knobs.max_sequences = 4;
  knobs.order = Order::kFair;
  Cluster cluster = small_cluster(kStep, knobs, 10'000);
  sim::TenantSettings heavy;
  heavy.name = "b";
  heavy.weight = 2;
  cluster.store.tenants.push_back(heavy);
  SmallTrace trace;
  for (int i = 0; i < 600; ++i)
    trace.ask(at_ms(0), 50, 20).tenant = TenantId(static_cast<std::uint64_t>(i % 2));
  const Result result = run(trace, cluster);
  REQUIRE(result.tenant_weights == std::vector<double>{1, 2});
  int ended[2] = {};
  for (const RequestResult& r : result.requests)
    if (r.scheduled < TimePoint(result.end.ns() / 2)) ++ended[r.tenant];
  CHECK(static_cast<double>(ended[1]) / ended[0] == Approx(2).epsilon(0.05));
}

// The noisy neighbour. A quiet tenant asks now and then, far less than its share; the other has
// hundreds of requests waiting. Admission does not interrupt, so the quiet one waits for a place,
// and gets the next one: never longer than the longest that a request runs, and a step.
TEST_CASE("a tenant within its share waits for one place at most, whatever its neighbour does",
          "[sim][fairness][law]") {
  for (std::uint64_t seed = 0; seed < 15; ++seed) {
    Rng rng(seed, "test.neighbour");
    EngineKnobs knobs;
    knobs.max_sequences = between(rng, 1, 6);
    SmallTrace trace;
    std::vector<std::pair<std::int64_t, int>> asked;
    for (int i = 0; i < 500; ++i) asked.emplace_back(between(rng, 0, 200), 1);
    for (int i = 0; i < 20; ++i) asked.emplace_back(400 + i * 700, 0);
    std::ranges::sort(asked);
    for (const auto& [when, tenant] : asked)
      trace.ask(at_ms(when), between(rng, 20, 200), tenant == 0 ? 5 : between(rng, 20, 80)).tenant =
          TenantId(static_cast<std::uint64_t>(tenant));
    const auto longest_wait = [&](Order order) {
      knobs.order = order;
      const Result result = run(trace, small_cluster(kStep, knobs, 10'000));
      Duration longest, bound;
      for (const RequestResult& r : result.requests) {
        if (r.tenant == 0) longest = std::max(longest, r.scheduled - r.arrival);
        bound = std::max(bound, r.end - r.scheduled);
      }
      return std::pair(longest, bound + for_ms(5));
    };
    const auto [wait, bound] = longest_wait(Order::kFair);
    CAPTURE(seed, wait.ns(), bound.ns());
    CHECK(wait <= bound);
    const auto [behind, unused] = longest_wait(Order::kFirstCome);
    CHECK(behind.ns() > 5 * bound.ns());
  }
}

TEST_CASE("order edf admits whose target ends first, those without a target last",
          "[sim][fairness]") {
  EngineKnobs knobs;
  knobs.max_sequences = 1;
  knobs.order = Order::kDeadline;
  Cluster cluster = small_cluster(kStep, knobs, 10'000);
  const auto target = [](const char* name, std::int64_t ms) {
    SloClass slo;
    slo.name = name;
    slo.ttft = for_ms(ms);
    return slo;
  };
  cluster.slos = {target("slo 1", 5000), target("slo 2", 100)};
  SmallTrace trace;
  trace.ask(at_ms(0), 50, 50);  // runs
  trace.ask(at_ms(1), 50, 50).slo = SloId(0);
  trace.ask(at_ms(2), 50, 50).slo = SloId(1);
  trace.ask(at_ms(3), 50, 50).slo = SloId(2);
  trace.ask(at_ms(4), 50, 50).slo = SloId(1);
  const Result result = run(trace, cluster);
  std::vector<std::uint64_t> order;
  std::vector<const RequestResult*> by_start;
  for (const RequestResult& r : result.requests) by_start.push_back(&r);
  std::ranges::sort(by_start, {}, [](const RequestResult* r) { return r->scheduled; });
  for (const RequestResult* r : by_start) order.push_back(r->request);
  CHECK(order == std::vector<std::uint64_t>{0, 3, 2, 4, 1});
}

TEST_CASE("the frontend sheds what comes when there are as many as it lets in",
          "[sim][admission]") {
  Cluster cluster = small_cluster(kStep, {}, 10'000);
  SmallTrace trace;
  for (int i = 0; i < 10; ++i) trace.ask(at_ms(0), 50, 50).slo = SloId(i < 5 ? 0 : 1);
  trace.ask(at_ms(5000), 50, 50);  // when all have ended
  const auto shed = [&] {
    std::vector<std::uint64_t> all;
    for (const RequestResult& r : run(trace, cluster).requests)
      if (r.outcome == Outcome::kShed) all.push_back(r.request);
    return all;
  };
  CHECK(shed().empty());
  cluster.admission.most = 8;
  CHECK(shed() == std::vector<std::uint64_t>{8, 9});
  cluster.admission.classes = {{"slo 1", 6}};  // sheds when there are 6 of both
  CHECK(shed() == std::vector<std::uint64_t>{6, 7, 8, 9});
  cluster.admission = {};
  sim::TenantSettings tenant;
  tenant.name = "a";
  tenant.max_requests = 3;
  cluster.store.tenants.push_back(tenant);
  CHECK(shed() == std::vector<std::uint64_t>{3, 4, 5, 6, 7, 8, 9});
}

}  // namespace
}  // namespace scsim::test
