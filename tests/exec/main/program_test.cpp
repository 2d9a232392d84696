// scexec as a user meets it, on a model of two layers.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/shell.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

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
               {"kernels --operators linaer", "did you mean \"linear\"?"}};
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

}  // namespace
}  // namespace scsim
