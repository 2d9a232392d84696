// scsim as a user types it: what it prints, where, and how it exits.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/main/session.h"

using namespace scsim::test;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

TEST_CASE("a mistyped word is answered with the nearest one and exit code 2", "[main]") {
  const Session session;
  const auto [typed, answer] = GENERATE(table<std::string, std::string>({
      {"trcae stat", "unknown command \"trcae\"; did you mean \"trace\"?"},
      {"trace genrate", "unknown trace command \"genrate\"; did you mean \"generate\"?"},
      {"--trcae small.pb", "unknown option \"--trcae\"; did you mean \"--trace\"?"},
      {"--trace small.pb --ot x", "unknown option \"--ot\"; did you mean \"--out\"?"},
      {"trace stat small.pb --jsn", "unknown option \"--jsn\"; did you mean \"--json\"?"},
      {"help enignes", "unknown topic \"enignes\"; did you mean \"engines\"?"},
      {"trace import --from mooncaek x -o y",
       "unknown format \"mooncaek\"; did you mean \"mooncake\"?"},
      {"trace import --from mooncake x -o y --set blok_tokens=512",
       "did you mean \"block_tokens\"?"},
      {"steps x.json --preset vlm", "unknown preset \"vlm\"; did you mean \"vllm\"?"},
      {"completion bsh", "unknown shell \"bsh\"; did you mean \"bash\"?"},
      {"--trace small.pb --set pools[0].tensor_paralel=2", "did you mean \"tensor_parallel\"?"},
  }));
  INFO(typed);
  check_refused(session.scsim(typed), 2, answer);
}

TEST_CASE("arguments that are missing or too many are named", "[main]") {
  const Session session;
  const auto [typed, answer] = GENERATE(table<std::string, std::string>({
      {"", "give --trace FILE or a command: trace, "},
      {"trace", "scsim trace needs a command: import, generate, stat, cut, dump"},
      {"--json", "--trace FILE is missing"},
      {"--trace", "--trace needs a value (FILE)"},
      {"--trace --json", "--trace needs a value (FILE), and --json follows it"},
      {"--trace small.pb --json=yes", "--json takes no value"},
      {"--trace small.pb --out a --out b", "--out is given more than once"},
      {"--trace small.pb --seed x", "--seed: expected a whole number"},
      {"--trace small.pb again", "unexpected argument \"again\""},
      {"trace stat", "TRACE is missing"},
      {"trace cut small.pb -o x.pb --from soon", "--from: "},
      {"trace cut small.pb -o x.pb --repeat 0", "--repeat: expected 1 or more"},
      {"small.pb", "to simulate that trace: scsim --trace small.pb"},
  }));
  INFO(typed);
  check_refused(session.scsim(typed), 2, answer);
}

TEST_CASE("an input that is wrong is named with exit code 1, and leaves no file", "[main]") {
  const Session session;
  write_text(session.path("bad.yaml"), "pools:\n- gpus: 8\n  tensor_paralel: 2\n");
  write_text(session.path("bad_recipe.yaml"), "requests: 40\nplian: {}\n");
  write_text(session.path("bad_options.yaml"), "# of the log\nblok_tokens: 16\n");
  const std::string trace = content_of(session.path("small.pb"));
  write_text(session.path("cut.pb"), trace.substr(0, trace.size() / 2));
  std::string flipped = trace;
  flipped[flipped.size() / 2] ^= 4;
  write_text(session.path("flipped.pb"), flipped);
  const auto [typed, answer] = GENERATE(table<std::string, std::string>({
      {"--trace missing.pb", "missing.pb"},
      {"--trace cut.pb --out made", "cut.pb"},
      {"--trace flipped.pb --out made", "flipped.pb"},
      {"--trace recipe.yaml --out made", "recipe.yaml"},
      {"--trace . --out made", "."},
      {"--trace small.pb --cluster bad.yaml --out made",
       "bad.yaml:3: pools[0].tensor_paralel: unknown key; did you mean \"tensor_parallel\"?"},
      {"--trace small.pb --cluster missing.yaml", "missing.yaml"},
      {"--trace small.pb --out small.pb/x", "small.pb/x"},
      {"--trace small.pb --out recipe.yaml", "recipe.yaml"},
      {"trace stat cut.pb", "cut.pb"},
      {"trace generate bad_recipe.yaml -o made",
       "bad_recipe.yaml:2: plian: unknown key; did you mean \"plain\"?"},
      {"trace generate recipe.yaml -o nowhere/x.pb", "nowhere/x.pb"},
      {"trace import --from mooncake missing.jsonl -o made", "missing.jsonl"},
      {"trace import --from mooncake x -o made --options bad_options.yaml",
       "bad_options.yaml:2: unknown option of mooncake \"blok_tokens\"; did you mean "
       "\"block_tokens\"?"},
      {"trace cut cut.pb -o made", "cut.pb"},
      {"compare missing small.pb", "missing"},
      {"fit missing.pb -o made", "missing.pb"},
      {"fit small.pb -o made", "small.pb: "},
      {"steps missing.json", "missing.json"},
  }));
  INFO(typed);
  check_refused(session.scsim(typed), 1, answer);
  CHECK_FALSE(std::filesystem::exists(session.path("made")));
  CHECK_FALSE(std::filesystem::exists(session.path("made.partial")));
  CHECK_FALSE(std::filesystem::exists(session.path("nowhere")));
}

TEST_CASE("every command and topic has help, and help of all of them is on stdout", "[main]") {
  const Session session;
  const Ran all = session.scsim("--help");
  CHECK(all.exit_code == 0);
  CHECK(all.err.empty());
  CHECK_THAT(all.out, Contains("--trace FILE") && Contains("trace import") && Contains("compare"));
  CHECK(session.scsim("help").out == all.out);
  CHECK(session.scsim("help trace cut").out == session.scsim("trace cut --help").out);
  CHECK_THAT(session.scsim("trace --help").out, Contains("trace generate"));
  CHECK_THAT(session.scsim("help help").out, Contains("formats"));

  const Ran topics = session.bash(
      "scsim help help | sed -n '/^topics:/,$p' | tail -n +2 | while read -r topic rest; do\n"
      "  text=$(scsim help $topic) || exit 1\n"
      "  echo \"$topic: $(wc -l <<< \"$text\")\"; done");
  CHECK(topics.exit_code == 0);
  CHECK(topics.err.empty());
  for (const char* topic :
       {"cluster: ", "engines: ", "formats: ", "gpus: ", "models: ", "recipe: ", "routers: "}) {
    CHECK_THAT(topics.out, Contains(topic));
  }
}

TEST_CASE("the program says its name and version", "[main]") {
  const Ran ran = Session().scsim("--version");
  CHECK(ran.exit_code == 0);
  CHECK_THAT(ran.out, StartsWith("scsim ") && EndsWith("\n"));
}

TEST_CASE("bash completion knows commands, options and values", "[main]") {
  const Session session;
  const Ran ran = session.bash(R"(
scsim completion bash > completion && bash -n completion || exit 1
source ./completion
try() {
  COMP_WORDS=("$@" "") COMP_CWORD=$#
  if [[ ${COMP_WORDS[COMP_CWORD-1]} == *- ]]; then unset 'COMP_WORDS[COMP_CWORD]'; COMP_CWORD=$(($# - 1)); fi
  _scsim
  echo "$*: ${COMPREPLY[*]}"
}
compopt() { :; }
try scsim
try scsim trace
try scsim trace import --from
try scsim trace stat -
try scsim help
try scsim --trace
)");
  INFO(ran.err);
  CHECK(ran.exit_code == 0);
  CHECK_THAT(
      ran.out,
      Contains(
          "scsim: accuracy cache compare completion fit help plan steps study trace validate\n"));
  CHECK_THAT(ran.out, Contains("scsim trace: cut dump generate import stat\n"));
  CHECK_THAT(ran.out, Contains("import --from: ") && Contains(" mooncake"));
  CHECK_THAT(ran.out, Contains("stat -: --help --block-tokens --json --quiet\n"));
  CHECK_THAT(ran.out, Contains("scsim help: cluster cost_models "));
  CHECK_THAT(ran.out, Contains("small.pb"));
}

TEST_CASE("a trace goes through generate, cut, stat and dump", "[main]") {
  const Session session;
  CHECK(session.scsim("trace cut small.pb -o part.pb --requests 5 --repeat 2").out ==
        "part.pb: 10 requests\ncopies are " +
            session
                .bash("scsim trace cut small.pb -o part.pb --requests 5 --repeat 2 | sed -n "
                      "'s/copies are //p'")
                .out);
  CHECK_THAT(session.scsim("trace stat part.pb --json").out, Contains("\"requests\": 10,"));
  const Ran dumped = session.scsim("trace dump part.pb");
  CHECK(std::count(dumped.out.begin(), dumped.out.end(), '\n') == 10);
  CHECK(session.bash("scsim trace dump part.pb -o part.jsonl -q && cat part.jsonl").out ==
        dumped.out);
}

TEST_CASE("the same inputs give the same trace wherever they lie", "[main]") {
  const Session session;
  const Ran ran = session.bash(
      "mkdir elsewhere && cp recipe.yaml elsewhere && cd elsewhere && scsim trace generate "
      "recipe.yaml -o x.pb -q\n"
      "cmp x.pb ../small.pb && cd .. && scsim trace generate elsewhere/recipe.yaml -o y.pb -q && "
      "cmp y.pb small.pb");
  INFO(ran.out + ran.err);
  CHECK(ran.exit_code == 0);
}

TEST_CASE("a run prints its summary, writes its files, and is the same twice", "[main]") {
  const Session session;
  const Ran ran = session.scsim("--trace small.pb --out out");
  INFO(ran.err);
  CHECK(ran.exit_code == 0);
  CHECK(ran.err.empty());
  CHECK_THAT(ran.out, Contains("TTFT"));
  for (const char* file :
       {"result.pb", "requests.csv", "summary.json", "report.html", "trace.json"}) {
    CHECK_THAT(ran.out, Contains(file));
    CHECK(std::filesystem::exists(session.path("out/") + file));
  }
  const Ran again = session.bash(
      "mkdir again && mv out again && scsim --trace small.pb --out out > printed && diff -r out "
      "again/out");
  INFO(again.out);
  CHECK(again.exit_code == 0);
  CHECK(content_of(session.path("printed")) == ran.out);

  const Ran json = session.scsim("--trace small.pb --json");
  CHECK(json.out == content_of(session.path("out/summary.json")));
  CHECK(session.scsim("--trace small.pb --quiet").out.empty());
}

TEST_CASE("the cluster comes from its file, and --set changes it", "[main]") {
  const Session session;
  write_text(session.path("cluster.yaml"), "pools:\n- {model: llama-3.1-8b, gpu: h100, gpus: 1}\n");
  const Ran from_file = session.scsim("--trace small.pb --cluster cluster.yaml --json");
  const Ran set =
      session.scsim("--trace small.pb --cluster cluster.yaml --set pools[0].gpu=l40s --json");
  CHECK(from_file.exit_code == 0);
  CHECK(set.exit_code == 0);
  CHECK(from_file.out != set.out);
}

TEST_CASE("compare sets two results side by side", "[main]") {
  const Session session;
  const Ran ran = session.bash(
      "scsim --trace small.pb --out a -q && scsim --trace small.pb --set pools[0].gpu=l40s --out b "
      "-q && "
      "scsim compare a b && scsim compare a/result.pb b/result.pb > again");
  INFO(ran.err);
  CHECK(ran.exit_code == 0);
  CHECK_THAT(ran.out, Contains("TTFT"));
}

TEST_CASE("what cannot be written to stdout is an error", "[main]") {
  const Session session;
  const Ran ran = session.bash("scsim help cluster > /dev/full");
  CHECK(ran.exit_code == 1);
  CHECK(ran.err == "scsim: the output could not be written\n");
}

TEST_CASE("Ctrl-C ends a run with 130 and leaves nothing half-written", "[main]") {
  const Session session;
  const Ran ran = session.bash("timeout --preserve-status -s INT 0.3 " SCSIM_PROGRAM
                               " trace cut small.pb -o big.pb --repeat 2000000 -q; echo $?; ls");
  CHECK_THAT(ran.out, StartsWith("130\n") && !Contains("big.pb"));
}
