// scsim study as a user runs it: killed, extended, by threads and by ranks, always the same rows.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>

#include "tests/main/session.h"
#include "traces/rng.h"

namespace scsim::test {
namespace {

// 48 runs of some milliseconds.
const std::string kStudy = R"(trace: recipe.yaml
set: ["pools[0].gpus=2"]
vary:
- {key: load, values: [1, 2, 4, 8]}
- {key: router.policy, values: [round_robin, least_loaded, prefix_aware]}
replicates: 4
pareto: [ttft_p99_s, goodput_per_s]
)";

// With the folder's study as s.yaml.
struct StudySession : Session {
  StudySession() {
    write_text(
        path("recipe.yaml"),
        "requests: 3000\nduration: 0 s\narrivals: {rate: 20}\nplain: {prompt: {mean: 900}}\n");
    write_text(path("s.yaml"), kStudy);
  }
  // The rows, after a run that must succeed.
  std::string rows(const std::string& arguments, const std::string& before = "") const {
    const Ran ran = bash(before + "scsim study s.yaml --quiet --csv rows.csv " + arguments);
    INFO(ran.err);
    REQUIRE(ran.exit_code == 0);
    return content_of(path("rows.csv"));
  }
};

TEST_CASE("a study killed twenty times equals one never killed (INV-RESUME)", "[main][study]") {
  const StudySession session;
  const auto replicates = [](int i) {
    return " --set vary[0].values=[8] --set replicates=" + std::to_string(10 + 4 * i);
  };
  // Kills come within the time that so many runs take here and now; every start has some more to
  // do.
  const auto start = std::chrono::steady_clock::now();
  session.rows("--threads 1 --db k.sqlite" + replicates(0));
  const std::chrono::duration<double> first = std::chrono::steady_clock::now() - start;
  Rng rng(20, "kills");
  int killed = 0, i = 0;
  while (killed < 20 && i < 60) {
    const std::string delay = std::to_string(first.count() * rng.uniform(0.05, 0.4));
    const Ran ran = session.bash(
        "'" SCSIM_PROGRAM "' study s.yaml --quiet --threads 1 --db k.sqlite" + replicates(++i) +
        " & pid=$!; sleep " + delay + "; kill -9 $pid; wait $pid; exit $?");
    killed += ran.exit_code == 137 ? 1 : 0;
  }
  CHECK(killed == 20);
  const std::string resumed = session.rows("--threads 2 --db k.sqlite" + replicates(i));
  CHECK(resumed == session.rows("--db never.sqlite" + replicates(i)));
}

TEST_CASE("threads do not change a study (INV-SAME)", "[main][study]") {
  const StudySession session;
  const std::string one = session.rows("--db one.sqlite --threads 1");
  CHECK(session.rows("--db two.sqlite --threads 2") == one);
  CHECK(std::count(one.begin(), one.end(), '\n') == 49);
}

TEST_CASE("a study over four MPI ranks equals one over one", "[main][study][mpi]") {
  const StudySession session;
  const std::string mpirun =
      "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1\n"
      "ranks() { mpirun --oversubscribe --bind-to none -n \"$@\"; }\n";
  const Ran built = session.bash("command -v mpirun && ldd '" SCSIM_PROGRAM "' | grep libmpi");
  if (built.exit_code != 0) {
    std::puts("SKIPPED: there is no Open MPI, or scsim was built without it");
    return;
  }
  const std::string one = session.rows("--db one.sqlite --threads 1");
  const auto with = [&](const std::string& ranks) {
    const Ran ran = session.bash(
        mpirun + "ranks " + ranks +
        " '" SCSIM_PROGRAM "' study s.yaml --quiet --csv ranks.csv --db r" + ranks + ".sqlite");
    INFO(ran.err);
    REQUIRE(ran.exit_code == 0);
    return content_of(session.path("ranks.csv"));
  };
  CHECK(with("4") == one);
  CHECK(with("1") == one);
  // What rank 0 finds wrong ends the others too.
  const Ran wrong = session.bash(mpirun + "ranks 2 '" SCSIM_PROGRAM "' study none.yaml");
  CHECK(wrong.exit_code == 1);
}

TEST_CASE("an extended study computes only what is new", "[main][study]") {
  const StudySession session;
  session.rows("--db d.sqlite");
  const Ran more = session.scsim(
      "study s.yaml --db d.sqlite --set vary[0].values=[16,1,2,4,8] --set replicates=5 --csv "
      "a.csv");
  REQUIRE(more.exit_code == 0);
  CHECK_THAT(more.err, Catch::Contains("48 runs are there, 27 to run"));  // 5 * 3 * 5 = 75
  const Ran again = session.scsim(
      "study s.yaml --db d.sqlite --set vary[0].values=[16,1,2,4,8] --set replicates=5");
  CHECK_THAT(again.err, Catch::Contains("75 runs are there, 0 to run"));
  CHECK_THAT(again.out, Catch::Contains("15 points (5 x 3), 5 replicates each") &&
                            Catch::Contains("Pareto front"));
  const Ran whole = session.scsim(
      "study s.yaml --db :memory: --set vary[0].values=[16,1,2,4,8] --set replicates=5 --csv "
      "b.csv");
  CHECK(content_of(session.path("a.csv")) == content_of(session.path("b.csv")));
  CHECK(whole.out.substr(0, whole.out.rfind("wrote")) == again.out);
}

TEST_CASE("a study that is mistyped or does not fit its file ends in one line", "[main][study]") {
  const StudySession session;
  check_refused(session.scsim("study missing.yaml"), 1, "missing.yaml");
  check_refused(session.scsim("study s.yaml --set replicas=2"), 1, "did you mean \"replicates\"?");
  check_refused(session.scsim("study s.yaml --set vary[0].key=laod"), 1, "unknown key");
  write_text(session.path("text.sqlite"), "no database, but a text of more than sixteen bytes\n");
  check_refused(session.scsim("study s.yaml --db text.sqlite"), 1, "text.sqlite");
  session.rows("--db d.sqlite");
  check_refused(session.scsim("study s.yaml --db d.sqlite --set set=[]"), 1, "is of another study");
}

TEST_CASE("a study's report carries its charts", "[main][study]") {
  const StudySession session;
  session.rows("--db d.sqlite --html r.html");
  const std::string html = content_of(session.path("r.html"));
  CHECK_THAT(html, Catch::Contains("Content-Security-Policy") && Catch::Contains("study_pareto") &&
                       Catch::Contains("least_loaded"));
}

}  // namespace
}  // namespace scsim::test
