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
