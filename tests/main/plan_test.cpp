// scsim plan as a user runs it.
#include <catch2/catch.hpp>

#include "tests/main/session.h"

namespace scsim::test {
namespace {

const std::string kPlan = R"(trace: small.pb
set: ["pools[0].price_per_gpu_hour=2"]
load: 20
require: [{metric: ttft_p99_s, at_most: 300 ms}]
search:
- {key: "pools[0].gpus", values: [1, 2, 3]}
- {key: router.policy, values: [round_robin, least_loaded]}
)";

TEST_CASE("a plan is printed with what binds it, and is the same twice", "[main][plan]") {
  const Session session;
  write_text(session.path("p.yaml"), kPlan);
  const Ran ran = session.scsim("plan p.yaml");
  INFO(ran.err);
  REQUIRE(ran.exit_code == 0);
  for (const char* part : {"p: pools[0].gpus=", "usd_per_hour $", "binding", "Runner-up",
                           "What one step buys", "6 candidates", "uncalibrated"})
    CHECK_THAT(ran.out, Catch::Contains(part));
  CHECK(session.scsim("plan p.yaml --threads 1").out == ran.out);

  const Ran none = session.scsim("plan p.yaml --set require[0].at_most=10us");
  CHECK(none.exit_code == 0);
  CHECK_THAT(none.out, Catch::StartsWith("p: no candidate meets all limits") &&
                           Catch::Contains("6 cannot meet a limit in closed form"));

  const Ran loads = session.scsim("plan p.yaml --max-load");
  CHECK(loads.exit_code == 0);
  CHECK_THAT(loads.out, Catch::Contains("load carried") && Catch::Contains("least_loaded"));
}

TEST_CASE("a plan that is mistyped ends in one line", "[main][plan]") {
  const Session session;
  write_text(session.path("p.yaml"), kPlan);
  check_refused(session.scsim("plan missing.yaml"), 1, "missing.yaml");
  check_refused(session.scsim("plan p.yaml --set requires=1"), 1, "did you mean \"require\"?");
  check_refused(session.scsim("plan p.yaml --set objective=usd_per_our"), 1,
                "did you mean \"usd_per_hour\"?");
}

}  // namespace
}  // namespace scsim::test
