// Recorded decisions of vLLM's own V1 scheduler, step by step, against ours. The scenarios and how
// more of them are made: tests/data/vllm_v1/README.md.
#include "sim/steps.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>

#include "traces/files.h"

using namespace scsim;
using namespace scsim::sim;

namespace {

const std::filesystem::path kData = std::filesystem::path(SCSIM_SOURCE_DIR) / "tests/data/vllm_v1";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("the vllm preset decides every recorded scenario as vLLM did, line for line",
          "[sim][steps]") {
  const auto preset = find_engine_preset("vllm");
  REQUIRE(preset);
  int scenarios = 0;
  for (const auto& file : std::filesystem::directory_iterator(kData / "scenarios")) {
    const std::string name = file.path().stem().string();
    const auto scenario = read_file(file.path().string());
    const auto recorded = read_file((kData / "logs" / (name + ".jsonl")).string());
    REQUIRE(scenario);
    REQUIRE(recorded);
    const auto ours = run_steps(*scenario, name, *preset);
    INFO(name);
    REQUIRE(ours);
    const std::vector<std::string> theirs = lines_of(*recorded);
    REQUIRE(ours->size() == theirs.size());
    for (std::size_t line = 0; line < theirs.size(); ++line) {
      INFO("line " << line + 1);
      REQUIRE((*ours)[line] == theirs[line]);
    }
    ++scenarios;
  }
  CHECK(scenarios >= 20);
}

TEST_CASE("a scenario with a misspelt key names the key and the nearest known one",
          "[sim][steps]") {
  const auto log = run_steps(
      R"({"block_size":16,"num_blocks":10,"max_num_batched_tokens":64,"max_num_seq":4,"requests":[]})",
      "s.json", *find_engine_preset("vllm"));
  REQUIRE(!log);
  CHECK(log.error().message.find("s.json: unknown key \"max_num_seq\"") == 0);
  CHECK(log.error().message.find("max_num_seqs") != std::string::npos);
}

TEST_CASE("a request that can never fit ends the log with its reason instead of idling forever",
          "[sim][steps]") {
  const auto log = run_steps(
      R"({"block_size":16,"num_blocks":4,"max_num_batched_tokens":64,"max_num_seqs":4,
          "requests":[{"id":"a","arrival_step":1,"prompt":[["p",0,100]],"output_tokens":3}]})",
      "s.json", *find_engine_preset("vllm"));
  REQUIRE(!log);
  CHECK(log.error().message.find("nothing was scheduled for 1,000 steps") != std::string::npos);
}
