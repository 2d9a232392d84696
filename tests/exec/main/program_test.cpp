// scexec as a user meets it, on a model of two layers.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/support/shell.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "traces/calibration.h"
#include "traces/files.h"
#include "traces/result.h"
#include "traces/trace.h"

namespace scsim {
namespace {

const std::string kProgram = SCSIM_SCEXEC;

TEST_CASE("a word that scexec does not know is one message with the nearest one", "[exec][main]") {
  const test::TemporaryFolder folder;
  const struct {
    const char *words, *message;
  } cases[] = {{"runn", "unknown command \"runn\"; did you mean \"run\"?"},
               {"run --modle x", "did you mean \"--model\"?"},
               {"run --task kvv", "unknown task \"kvv\"; did you mean \"kv\"?"},
               {"run --method ful", "unknown method \"ful\"; did you mean \"full\"?"},
               {"run --task kv --trace x.pb", "give one"},
               {"run --length 300", "are of --task, which is not given"},
               {"calibrate -o a.pb --modes multi_trun", "did you mean \"multi_turn\"?"},
               {"calibrate -o a.pb --modes multi_turn,multi_turn", "is listed twice"},
               {"calibrate -o a.pb --lengths 512,abc", "--lengths: "},
               {"calibrate", "--out"},
               {"calibrate -o a.pb --server-model x", "are of --server, which is not given"},
               {"calibrate -o a.pb --server http://127.0.0.1:1 --methods full", "runs its own"},
               {"calibrate -o a.pb --server http://127.0.0.1:1 --threads 2", "runs its own"},
               {"calibrate -o a.pb --server http://127.0.0.1:1 --clock cpu", "runs its own"},
               {"calibrate -o a.pb --clock cpus", "did you mean \"cpu\"?"},
               {"calibrate -o a.pb --clock cpu --device cuda", "the CPU is not what computes"},
               {"calibrate -o a.pb --server http://127.0.0.1:1 --api-key-env SCSIM_NOBODY",
                "no variable SCSIM_NOBODY"},
               {"search-patterns -o p.json --criterion recal", "did you mean \"recall\"?"},
               {"calibrate -o a.pb --style symbol", "symbols"},
               {"calibrate -o a.pb --style symbols --tasks qa_eng", "tasks that have them: kv"},
               {"run --style symbols", "is of --task, which is not given"},
               {"kernels --operators linaer", "did you mean \"linear\"?"},
               {"steps --chunks 4,x", "--chunks: "},
               {"replay t.pb --clock cpuu", "did you mean \"cpu\"?"},
               {"replay -o a.pb", "TRACE"}};
  for (const auto& given : cases) {
    const test::Ran ran = test::run(kProgram + " " + given.words, folder.path());
    INFO(given.words << "\n" << ran.err);
    CHECK(ran.exit_code == 2);
    CHECK(ran.out.empty());
    CHECK(ran.err.find("scexec: ") == 0);
    CHECK(ran.err.find(given.message) != std::string::npos);
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("scexec searches patterns that it then runs by", "[exec][main]") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.file(""));
  const std::string model = " --model " + folder.path();
  for (const std::string criterion : {"recall", "output"}) {
    const test::Ran searched = test::run(
        kProgram + " search-patterns -o p.json --length 400 --criterion " + criterion + model,
        folder.path());
    INFO(searched.err);
    CHECK(searched.exit_code == 0);
    CHECK(searched.out.find("8 heads on ") == 0);
    CHECK_FALSE(std::filesystem::exists(folder.file("p.json.partial")));
    const test::Ran ran =
        test::run(kProgram + " run --task kv --length 400 --turns 2 --max-new-tokens 4" +
                      " --method minference:patterns=p.json" + model,
                  folder.path());
    INFO(ran.err);
    CHECK(ran.exit_code == 0);
  }
  const test::Ran missing =
      test::run(kProgram + " run --method minference:patterns=q.json" + model, folder.path());
  CHECK(missing.exit_code == 2);
  CHECK(missing.err.find("q.json") != std::string::npos);
}

TEST_CASE("scexec runs, calibrates and shows a model from a folder", "[exec][main]") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.file(""));
  const std::string model = " --model " + folder.path();
  const test::Ran ran = test::run(
      kProgram + " run --task kv --length 400 --turns 2 --max-new-tokens 4" + model, folder.path());
  INFO(ran.err);
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.find("Retr.KV, seed 1, session 0") != std::string::npos);
  CHECK(ran.out.find("NLL/token") != std::string::npos);
  const test::Ran calibrated = test::run(kProgram +
                                             " calibrate -o cal.pb --tasks kv --lengths 300 "
                                             "--turns 2 --sessions 2 --max-new-tokens 3" +
                                             model,
                                         folder.path());
  INFO(calibrated.err);
  CHECK(calibrated.exit_code == 0);
  CHECK(calibrated.out.find("cal.pb: 4 samples, 4 of them measured now") == 0);
  const test::Ran shown = test::run(kProgram + " show cal.pb", folder.path());
  INFO(shown.err);
  CHECK(shown.exit_code == 0);
  CHECK(shown.out.find("kv") != std::string::npos);
  const test::Ran again = test::run(kProgram +
                                        " calibrate -o cal.pb --tasks kv --lengths 300 --turns 2 "
                                        "--sessions 2 --max-new-tokens 3" +
                                        model,
                                    folder.path());
  CHECK(again.exit_code == 1);  // a finished calibration is never written over
}

TEST_CASE("scexec trains a model that it then runs and calibrates in symbols", "[exec][main]") {
  const test::TemporaryFolder folder;
  REQUIRE(write_file(folder.file("recipe.yaml"),
                     "steps: 2\nnetwork: {hidden: 16, layers: [attention], intermediate: 16}\n"
                     "tasks: [{name: kv, tokens: 100, length: 48}]\n")
              .has_value());
  const auto ran = [&folder](const std::string& words) {
    const test::Ran result = test::run(kProgram + " " + words, folder.path());
    INFO(words << "\n" << result.err);
    CHECK(result.exit_code == 0);
    return result.out;
  };
  CHECK(ran("train recipe.yaml --out small").find("step 2  kv  contexts of up to 48") == 0);
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer.json", "training_log.csv"}) {
    CHECK(std::filesystem::exists(folder.file("small/") + name));
  }
  CHECK(ran("run --task vt --style symbols --length 100 --turns 2 --model small")
            .find("Retr.MultiHop") != std::string::npos);
  CHECK(ran("calibrate -o cal.pb --tasks kv,mf --style symbols --lengths 100 --turns 2 "
            "--sessions 1 --model small")
            .find("cal.pb: 4 samples") == 0);
  CHECK(ran("show cal.pb").find("prompts symbols") != std::string::npos);

  const test::Ran again = test::run(kProgram + " train recipe.yaml --out small", folder.path());
  CHECK(again.exit_code == 1);
  CHECK(again.err.find("small: model.safetensors is there already") != std::string::npos);
}

TEST_CASE("a server that is not there, or is none, is said in one line", "[exec][main]") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.file(""));
  const auto told = [&folder](const std::string& url) {
    const test::Ran ran =
        test::run(kProgram + " calibrate -o a.pb --tasks kv --lengths 300 --server " + url +
                      " --model " + folder.path(),
                  folder.path());
    CHECK(ran.exit_code == 1);
    CHECK(ran.out.empty());
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') <= 4);
    CHECK_FALSE(std::filesystem::exists(folder.file("a.pb.partial")));
    return ran.err;
  };
  CHECK(told("http://127.0.0.1:1").find("is a server listening there?") != std::string::npos);
  CHECK(told("https://127.0.0.1:1").find("expected http://HOST:PORT") != std::string::npos);
}

TEST_CASE("doctor says of each thing that it is there, or what to do", "[exec][main]") {
  const test::TemporaryFolder folder;
  const test::Ran ran = test::run("SCSIM_CACHE=nowhere " + kProgram + " doctor", folder.path());
  CHECK(ran.exit_code == 0);
  for (const char* head : {"program ", "cpu ", "threads ", "memory ", "libtorch ", "operators ",
                           "energy ", "gpu ", "cuda ", "model ", "material "}) {
    INFO(head << "\n" << ran.out);
    CHECK(
        (ran.out.starts_with(head) || ran.out.find(std::string("\n") + head) != std::string::npos));
  }
  CHECK(ran.out.find("libscsim_operators.so;") != std::string::npos);
  CHECK(ran.out.find("libtorch_cpu.so;") != std::string::npos);
  CHECK(ran.out.find("./scexec") != std::string::npos);  // fetches the model that is not there
}

TEST_CASE("scexec runs, calibrates and shows a recurrent network and a hybrid", "[exec][main]") {
  for (const auto family : {test::TinyFamily::kMamba2, test::TinyFamily::kJamba}) {
    const test::TemporaryFolder folder;
    test::write_tiny_model(folder.file(""), {.family = family});
    const std::string model = " --model " + folder.path() + " --save-state-every 64";
    const test::Ran ran =
        test::run(kProgram + " run --task kv --length 400 --turns 2 --max-new-tokens 4" + model,
                  folder.path());
    INFO(ran.err);
    CHECK(ran.exit_code == 0);
    CHECK(ran.out.find("NLL/token") != std::string::npos);
    const test::Ran calibrated =
        test::run(kProgram +
                      " calibrate -o cal.pb --tasks kv --lengths 300 --turns 2 --sessions 1 "
                      "--max-new-tokens 3" +
                      model,
                  folder.path());
    INFO(calibrated.err);
    CHECK(calibrated.exit_code == 0);
    const test::Ran shown = test::run(kProgram + " show cal.pb", folder.path());
    INFO(shown.err);
    CHECK(shown.exit_code == 0);
  }
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.file(""), {.family = test::TinyFamily::kMamba2});
  const test::Ran kernels =
      test::run(kProgram + " kernels --model " + folder.path(), folder.path());
  CHECK(kernels.exit_code == 1);
  CHECK(kernels.err.find("no layer attends") != std::string::npos);
  test::write_tiny_model(folder.file(""));
  const test::Ran refused =
      test::run(kProgram + " run --save-state-every 64 --model " + folder.path(), folder.path());
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.find("--save-state-every is of recurrent layers") != std::string::npos);
}

TEST_CASE("scexec replays a trace into a result, and measures steps into a calibration",
          "[exec][main]") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.file(""));
  const TraceHeader header = {
      .tool_version = "t", .made_by = "test", .name = "test", .seed = 0, .notes = ""};
  Expected<TraceWriter> writer = TraceWriter::create(folder.file("t.pb"), header);
  REQUIRE(writer);
  const ContentId document = writer->add_content(Tokens(70));
  for (std::int64_t i = 0; i < 4; ++i) {
    Request request;
    request.prompt = {{document, Tokens(0), Tokens(60 + i)}};
    request.output_tokens = Tokens(5);
    request.output = writer->add_content(Tokens(5));
    request.arrival = request.earliest = TimePoint(i * 3'600'000'000'000);  // hours, not waited for
    writer->add(request);
  }
  REQUIRE(writer->finish());
  const std::string engine =
      " --set block_tokens=8 --set num_blocks=60 --clock cpu --threads 1 "
      "--model " +
      folder.path();
  const test::Ran replayed =
      test::run(kProgram + " replay t.pb -o real.pb" + engine, folder.path());
  INFO(replayed.err);
  CHECK(replayed.exit_code == 0);
  CHECK(replayed.out.find("4 requests, 4 finished") == 0);
  const Expected<Result> result = read_result(folder.file("real.pb"));
  REQUIRE(result);
  CHECK(result->requests.back().found_tokens == 56);
  CHECK(result->made_by.find("--set block_tokens=8") != std::string::npos);

  const std::string steps = kProgram +
                            " steps -o s.pb --chunks 1,20 --behind 0,64 --batches 1,3 "
                            "--contexts 40 --repeat 2" +
                            engine;
  const test::Ran measured = test::run(steps, folder.path());
  INFO(measured.err);
  CHECK(measured.exit_code == 0);
  const Expected<Calibration> calibration = read_calibration(folder.file("s.pb"));
  REQUIRE(calibration);
  CHECK(calibration->operators.size() > 8);
  CHECK(calibration->design.clock == "process CPU time of 1 thread");
  CHECK(calibration->design.methods.front().name == "full");
  CHECK(test::run(steps, folder.path()).exit_code == 1);  // never written over
}

TEST_CASE("killed under load, a replay's disk tier serves the next one no wrong token",
          "[exec][main]") {
  const test::TemporaryFolder folder;
  test::write_tiny_model(folder.file(""));
  const TraceHeader header = {
      .tool_version = "t", .made_by = "test", .name = "test", .seed = 0, .notes = ""};
  Expected<TraceWriter> writer = TraceWriter::create(folder.file("t.pb"), header);
  REQUIRE(writer);
  std::vector<ContentId> documents;
  for (int i = 0; i < 12; ++i) documents.push_back(writer->add_content(Tokens(160)));
  for (std::int64_t i = 0; i < 300; ++i) {
    const ContentId question = writer->add_content(Tokens(9));
    Request request;
    request.prompt = {{documents[static_cast<std::size_t>(i * 5 % 12)], Tokens(0), Tokens(160)},
                      {question, Tokens(0), Tokens(9)}};
    request.output_tokens = Tokens(8);
    request.output = writer->add_content(Tokens(8));
    request.arrival = request.earliest = TimePoint(i * 1'000'000);
    writer->add(request);
  }
  REQUIRE(writer->finish());
  const std::string replay = kProgram +
                             " replay t.pb --clock cpu --threads 1 --set block_tokens=8 "
                             "--set num_blocks=120 --set max_sequences=4 --model " +
                             folder.path();
  const std::string tiers = " --host-cache 400KiB --disk-cache 64MiB --disk-folder blocks";
  REQUIRE(test::run(replay + " --set prefix_caching=false --answers none.jsonl", folder.path())
              .exit_code == 0);
  const Expected<std::string> expected = read_file(folder.file("none.jsonl"));
  REQUIRE(expected);
  const auto files = [&] {
    std::ptrdiff_t number = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.file("blocks")))
      number += entry.path().extension() == ".block" ? 1 : 0;
    return number;
  };
  std::ofstream(folder.file("kill.sh")) << replay << tiers << R"sh( & pid=$!
while kill -0 $pid && [ "$(ls blocks 2>/dev/null | wc -l)" -lt $1 ]; do sleep 0.01; done
kill -KILL $pid; wait $pid; test $? = 137
)sh";
  for (const std::string blocks : {"60", "110", "160"}) {
    const test::Ran killed = test::run("bash kill.sh " + blocks, folder.path());
    INFO(killed.err);
    CHECK(killed.exit_code == 0);
    CHECK(files() >= std::stoi(blocks) - 2);  // all but the lock and the one being written
  }
  const test::Ran finished =
      test::run(replay + tiers + " -o real.pb --answers disk.jsonl", folder.path());
  INFO(finished.err);
  REQUIRE(finished.exit_code == 0);
  const Expected<std::string> answers = read_file(folder.file("disk.jsonl"));
  REQUIRE(answers);
  CHECK((*answers == *expected));
  const Expected<Result> result = read_result(folder.file("real.pb"));
  REQUIRE(result);
  REQUIRE((result->tiers.size() == 2 && result->fetches.size() == 300));
  // The first time that a document is asked about, only those that were killed can have left it.
  std::int64_t left = 0;
  for (std::size_t i = 0; i < 12; ++i) left += result->fetches[i].tokens[1];
  CHECK(left >= 160);
}

}  // namespace
}  // namespace scsim
