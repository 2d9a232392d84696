#include "exec/weights/checkpoint.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "exec/weights/network_tensors.h"
#include "tests/exec/weights/tiny_models.h"
#include "tests/support/aborts.h"
#include "tests/support/shell.h"
#include "tests/support/temporary_folder.h"

namespace scsim::exec {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using test::kTinyModels;

Checkpoint open(const std::string& path) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(path);
  INFO((checkpoint ? "" : checkpoint.error().message));
  REQUIRE(checkpoint.has_value());
  return *std::move(checkpoint);
}

std::string error_of(const std::string& path) {
  const Expected<Checkpoint> checkpoint = Checkpoint::open(path);
  return checkpoint ? "no error" : checkpoint.error().message;
}

std::vector<float> values(const Checkpoint& checkpoint, const std::string& name) {
  const TensorInfo* info = checkpoint.find(name);
  REQUIRE(info != nullptr);
  std::vector<float> out(static_cast<std::size_t>(info->elements()));
  checkpoint.read(name, out);
  return out;
}

// The folder of a tiny model, copied, with one text of one file replaced.
std::string changed(const test::TemporaryFolder& folder, const std::string& model,
                    const std::string& file, const std::string& before, const std::string& after) {
  const std::string copy = folder.file(model);
  fs::remove_all(copy);
  fs::copy(kTinyModels + model, copy);
  std::string text = test::content_of(copy + "/" + file);
  const std::size_t at = text.find(before);
  REQUIRE(at != std::string::npos);
  test::write_text(copy + "/" + file, text.replace(at, before.size(), after));
  return copy;
}

}  // namespace

TEST_CASE("a folder gives every tensor of its network, and no other", "[exec][weights]") {
  for (const std::string& model : test::tiny_models()) {
    INFO(model);
    const Checkpoint checkpoint = open(kTinyModels + model);
    std::int64_t elements = 0;
    for (const TensorInfo& tensor : checkpoint.tensors()) {
      elements += tensor.elements();
      for (const float value : values(checkpoint, tensor.name)) REQUIRE(std::isfinite(value));
    }
    CHECK(checkpoint.tensors().size() == network_tensors(checkpoint.config()).size());
    CHECK(elements == checkpoint.config().parameters());
    const std::string behind =
        "model.layers." + std::to_string(checkpoint.config().layers) + ".input_layernorm.weight";
    CHECK(checkpoint.find(behind) == nullptr);
    CHECK(checkpoint.format().starts_with("safetensors, "));
  }
}

// The GGUF files hold the same numbers, in the row order, the names and the fused and stacked forms
// that llama.cpp's converter gives them.
TEST_CASE("a GGUF file gives the tensors of the folder it was made from, bit by bit",
          "[exec][weights]") {
  int compared = 0;
  for (const std::string& model : test::tiny_models()) {
    if (!fs::exists(kTinyModels + model + "/model.gguf")) continue;
    INFO(model);
    ++compared;
    const Checkpoint folder = open(kTinyModels + model);
    const Checkpoint gguf = open(kTinyModels + model + "/model.gguf");
    REQUIRE(folder.tensors().size() == gguf.tensors().size());
    for (const TensorInfo& tensor : folder.tensors()) {
      INFO(tensor.name);
      const std::vector<float> expected = values(folder, tensor.name);
      const std::vector<float> found = values(gguf, tensor.name);
      REQUIRE(gguf.find(tensor.name)->shape == tensor.shape);
      CHECK(std::memcmp(expected.data(), found.data(), expected.size() * sizeof(float)) == 0);
    }
  }
  CHECK(compared == 10);
}

TEST_CASE("a fused gate_up_proj is given as its halves", "[exec][weights]") {
  const Checkpoint checkpoint = open(kTinyModels + "glm4");
  const auto file = SafetensorsFile::open(kTinyModels + "glm4/model.safetensors");
  REQUIRE(file.has_value());
  std::vector<float> halves = values(checkpoint, "model.layers.1.mlp.gate_proj.weight");
  const std::vector<float> up = values(checkpoint, "model.layers.1.mlp.up_proj.weight");
  halves.insert(halves.end(), up.begin(), up.end());
  CHECK(halves == test::floats(*file->find("model.layers.1.mlp.gate_up_proj.weight")));
  CHECK(checkpoint.find("model.layers.1.mlp.gate_up_proj.weight") == nullptr);
}

TEST_CASE("what the configuration says against the weights is an error that names the tensor",
          "[exec][weights]") {
  const test::TemporaryFolder folder;
  const auto config = [&](const std::string& model, const char* before, const char* after) {
    return error_of(changed(folder, model, "config.json", before, after));
  };
  CHECK_THAT(config("llama", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
             Contains("expected a tensor model.layers.2.input_layernorm.weight, found none"));
  CHECK_THAT(config("llama", "\"intermediate_size\": 48", "\"intermediate_size\": 64"),
             Contains("mlp.down_proj.weight has shape [32, 48], expected [32, 64]"));
  CHECK_THAT(config("mixtral", "\"num_local_experts\": 4", "\"num_local_experts\": 5"),
             Contains("block_sparse_moe.experts.4.w1.weight or "));
  CHECK_THAT(config("qwen2", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false"),
             Contains("expected a tensor lm_head.weight"));
}

TEST_CASE("weights in several files must be where the index says", "[exec][weights]") {
  const test::TemporaryFolder folder;
  const std::string index = "model.safetensors.index.json";
  const std::string first = "model-00001-of-00002.safetensors";
  CHECK_THAT(
      error_of(changed(folder, "llama_linear", index, "model.norm.weight", "model.norm.other")),
      Contains("expected a tensor \"model.norm.other\", which"));
  CHECK_THAT(error_of(changed(folder, "llama_linear", index, first, "../" + first)),
             Contains("expected a file beside it"));
  CHECK_THAT(error_of(changed(folder, "llama_linear", index, first, "nowhere.safetensors")),
             Contains("nowhere.safetensors: cannot open"));
  CHECK_THAT(error_of(changed(folder, "llama_linear", index, "weight_map", "weights")),
             Contains("expected a JSON object with a weight_map"));
  const std::string empty = changed(folder, "llama_linear", index, "weight_map", "weights");
  fs::remove(empty + "/" + index);
  CHECK_THAT(error_of(empty), Contains("found neither"));
}

TEST_CASE("paths that name no checkpoint say what was expected", "[exec][weights]") {
  CHECK_THAT(error_of(kTinyModels + "nowhere"), Contains("nowhere: cannot open"));
  CHECK_THAT(error_of(kTinyModels + "llama/model.safetensors"),
             Contains("one of a folder's files"));
  CHECK_THAT(error_of(kTinyModels), Contains("config.json: cannot open"));
  CHECK(open(kTinyModels + "llama/").config().name == "llama");
}

TEST_CASE("reading what is not there is our own mistake", "[exec][weights]") {
  const Checkpoint checkpoint = open(kTinyModels + "llama");
  std::vector<float> out(32);
  CHECK_FALSE(test::aborts([&] { checkpoint.read("model.norm.weight", out); }));
  CHECK(test::aborts([&] { checkpoint.read("model.norm.weights", out); }));
  CHECK(test::aborts([&] { checkpoint.read("model.norm.weight", std::span(out).first(31)); }));
}

}  // namespace scsim::exec
