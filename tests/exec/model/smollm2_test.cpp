// The model that scexec runs by default, against what transformers makes of the same file.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tests/exec/model/tiny_model.h"

namespace scsim::exec {
namespace {

using test::Measured;
using test::value;

// Where ./scexec puts what it fetches; nothing: it has said so.
std::optional<std::string> fetched_model() {
  const char *cache = std::getenv("SCSIM_CACHE"), *xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string folder = cache ? std::string(cache)
                             : xdg ? std::string(xdg) + "/scsim"
                                   : std::string(home ? home : ".") + "/.cache/scsim";
  const std::string path = folder + "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (std::filesystem::exists(path)) return path;
  std::cout << "SKIPPED: no " << path << std::endl;
  return std::nullopt;
}

}  // namespace

TEST_CASE("SmolLM2 answers a chat as transformers does, token by token", "[exec][model]") {
  const std::optional<std::string> path = fetched_model();
  if (!path) return;
  std::ifstream file(SCSIM_SOURCE_DIR "/tests/data/smollm2/chat.json");
  const nlohmann::json chat = nlohmann::json::parse(file);
  const auto prompt = chat.at("prompt").get<std::vector<std::int32_t>>();
  const auto expected = chat.at("answer").get<std::vector<std::int32_t>>();

  const auto checkpoint = Checkpoint::open(*path);
  REQUIRE(checkpoint.has_value());
  const auto model = Model::load(*checkpoint, {});
  REQUIRE(model.has_value());
  CHECK((*model)->weight_bytes() == 4 * checkpoint->config().parameters());
  Measured measured;
  MethodRuntime full;
  KvCache cache = (*model)->make_cache();
  at::Tensor logits = value((*model)->prefill(prompt, cache, full, measured.measure));
  std::vector<std::int32_t> answer;
  while (answer.size() < expected.size()) {
    answer.push_back(static_cast<std::int32_t>(logits.argmax().item<std::int64_t>()));
    logits = value((*model)->decode(answer.back(), cache, full, measured.measure));
  }
  CHECK(answer == expected);
}

}  // namespace scsim::exec
