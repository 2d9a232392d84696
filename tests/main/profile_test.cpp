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

// One task with two methods: the one that keeps less is less often right.
TEST_CASE("an imported evaluation makes answers of requests", "[main][accuracy]") {
  const Session session;
  session.bash(
      "cat > t.csv <<E\nmodel,method,parameters,task,mode,turn,length,score,n\n"
      "llama-3.1-8b,full,,default,multi_turn,1,100,0.9,100\n"
      "llama-3.1-8b,full,,default,multi_turn,1,100000,0.9,100\n"
      "llama-3.1-8b,snapkv,budget=64,default,multi_turn,1,100,0.3,100\n"
      "llama-3.1-8b,snapkv,budget=64,default,multi_turn,1,100000,0.3,100\nE");
  const Ran imported = session.scsim("accuracy import t.csv --source 'a test' -o acc.pb");
  CHECK(imported.exit_code == 0);
  CHECK_THAT(imported.out, Contains("wrote acc.pb: 4 rows of llama-3.1-8b, 2 methods"));
  const Ran full = session.scsim("--trace small.pb --profile acc.pb");
  CHECK(full.exit_code == 0);
  CHECK_THAT(full.out, Contains("correct answers within the SLO per GPU-hour") &&
                           Contains("! uncalibrated") && !Contains("accuracy unknown"));
  CHECK_THAT(session.scsim("--trace small.pb").out, Contains("accuracy unknown"));
  const std::string correct =
      " | sed -n '/\"answers\"/,/\"correct\"/s/ *\"correct\": \\([0-9.]*\\).*/\\1/p'";
  const double by_full =
      std::stod(session.bash("scsim --trace small.pb --profile acc.pb --json" + correct).out);
  const double by_snapkv = std::stod(
      session
          .bash("scsim --trace small.pb --profile acc.pb --method snapkv:budget=64 --json" +
                correct)
          .out);
  CHECK(by_snapkv == Approx(by_full / 3));
  CHECK_THAT(session.scsim("--trace small.pb --profile acc.pb --method quest").out,
             Contains("Accuracy unknown and left out"));
  check_refused(session.scsim("--trace small.pb --method snapkw"), 1, "did you mean \"snapkv\"?");
  session.bash("sed -i s/multi_turn/multi_trun/ t.csv");
  check_refused(session.scsim("accuracy import t.csv --source x -o acc.pb"), 1,
                "t.csv:2: unknown mode \"multi_trun\"; did you mean \"multi_turn\"?");
}

TEST_CASE("full attention by name writes what no method does", "[main][methods]") {
  const Session session;
  CHECK(
      session
          .bash("scsim --trace small.pb --out a -q && scsim --trace small.pb --method full --out b "
                "-q && cmp a/requests.csv b/requests.csv && cmp <(scsim --trace small.pb | tail "
                "-n +2) <(scsim --trace small.pb --method full | tail -n +2)")
          .exit_code == 0);
}

TEST_CASE("a study takes its costs from a profile, and varies it", "[main][profile][study]") {
  const Session session;
  for (const auto& [name, noise] : {std::pair("p", 0.02), std::pair("q", 0.2)}) {
    const Calibration calibration = step_calibration(120, noise);
    const std::string cal = std::string(name) + "_cal.pb";
    write_calibration(session.path(cal), calibration.design, {}, calibration.operators);
    CHECK(session.scsim("fit " + cal + " -o " + name + ".pb").exit_code == 0);
  }
  write_text(session.path("s.yaml"),
             "trace: small.pb\nprofile: p.pb\nset: [\"pools[0].engine.num_blocks=4096\"]\n"
             "vary: [{key: profile, values: [p.pb, q.pb]}]\nshow: [e2e_mean_s]\n");
  const Ran ran = session.scsim("study s.yaml --db d.sqlite --csv s.csv");
  INFO(ran.err);
  CHECK(ran.exit_code == 0);
  CHECK_THAT(ran.out, Contains("2 of 2 runs: calibrated") && Contains("2 points"));
  // The first point is the run at those costs.
  const Ran one = session.bash(
      "scsim --trace small.pb --profile p.pb --set 'pools[0].engine.num_blocks=4096' --json | "
      "tr -d ' \\n' | grep -o '\"e2e\":{\"count\":[0-9]*,\"mean\":{\"value\":[0-9.]*' | head -1 | "
      "sed 's/.*value\"://' | tr -d '\\n'");
  CHECK(one.out.size() > 3);
  CHECK_THAT(content_of(session.path("s.csv")), Contains("," + one.out + ","));
  // A profile of other bytes is another study.
  CHECK(session.bash("cp q.pb p.pb").exit_code == 0);
  check_refused(session.scsim("study s.yaml --db d.sqlite"), 1, "p.pb has other bytes");
  check_refused(session.scsim("study s.yaml --set profile=none.pb --db e.sqlite"), 1, "none.pb");
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
