// From a calibration to a simulation at measured costs, as a user types it.
#include "tests/main/session.h"
#include "tests/support/some_calibration.h"
#include "tests/support/some_steps.h"

using namespace scsim;
using namespace scsim::test;
using Catch::Contains;
using Catch::StartsWith;

TEST_CASE("engine steps are fitted, and a trace is simulated at their costs", "[main][profile]") {
  const Session session;
  const Calibration calibration = step_calibration(120, 0.02);
  write_calibration(session.path("cal.pb"), calibration.design, {}, calibration.operators);
  const Ran fitted = session.scsim("fit cal.pb -o p.pb");
  CHECK(fitted.exit_code == 0);
  CHECK_THAT(fitted.out,
             Contains("engine_step") && Contains("ms a step") && Contains("a token over 256"));

  const std::string blocks = " --set 'pools[0].engine.num_blocks=4096'";
  const Ran ran = session.scsim("--trace small.pb --profile p.pb" + blocks + " --out out");
  CHECK(ran.exit_code == 0);
  CHECK_THAT(ran.out, StartsWith("plain: 40 requests to 1 engine on 1 GPU, tiny") &&
                          Contains("! calibrated: step costs are those of tiny on some processor"));
  CHECK_THAT(ran.out, !Contains("uncalibrated"));
  CHECK(session
            .bash("scsim --trace small.pb --profile p.pb" + blocks +
                  " --out again -q && cmp out/result.pb again/result.pb")
            .exit_code == 0);
  check_refused(session.scsim("--trace small.pb --profile p.pb"), 1, "engine.num_blocks");
  check_refused(session.scsim("--trace small.pb --profile small.pb"), 1, "small.pb");
  check_refused(
      session.scsim("--trace small.pb --profile p.pb --set 'pools[0].model=llama-3.1-8b'" + blocks),
      1, "\"llama-3.1-8b\" is not the model that p.pb is of, \"tiny\"");
}

TEST_CASE("a run is validated against what stands for a real one", "[main][validate]") {
  const Session session;
  const std::string cluster = " --set 'pools[0].gpus=1'";
  CHECK(session.scsim("--trace small.pb" + cluster + " --out real -q").exit_code == 0);
  const Ran same =
      session.scsim("validate --trace small.pb --real real/result.pb --bars" + cluster);
  CHECK(same.exit_code == 0);
  CHECK_THAT(same.out, StartsWith("40 requests finished in the simulated and 1 real run") &&
                           Contains("Bars  all met"));
  const std::string other =
      "validate --trace small.pb --real real/result.pb --real real/result.pb "
      "--set 'pools[0].gpu=l40s' --csv v.csv" +
      cluster;
  const Ran slower = session.scsim(other);
  CHECK(slower.exit_code == 0);
  CHECK_THAT(slower.out, Contains("MISSED by TTFT p50") && Contains("the stage furthest off"));
  CHECK_THAT(session.bash("cat v.csv").out,
             StartsWith("part,name,what,value\nquantity,TTFT mean,"));
  const Ran failed = session.scsim(other + " --bars -q");
  CHECK(failed.exit_code == 1);
  CHECK_THAT(failed.err, Contains("a bar was missed"));
}
