// Files cut short and files with changed bytes: an error, or a checkpoint all of which can be read.
#include <catch2/catch.hpp>
#include <filesystem>

#include "exec/weights/checkpoint.h"
#include "exec/weights/gguf_file.h"
#include "exec/weights/safetensors_file.h"
#include "tests/exec/weights/tiny_models.h"
#include "tests/support/temporary_folder.h"
#include "traces/files.h"
#include "traces/rng.h"

namespace scsim::exec {
namespace {

// Empty where the checkpoint was opened and read whole.
std::string read_all(const std::string& path) {
  const Expected<Checkpoint> checkpoint = Checkpoint::open(path);
  if (!checkpoint) return checkpoint.error().message;
  std::vector<float> out;
  for (const TensorInfo& tensor : checkpoint->tensors()) {
    out.resize(static_cast<std::size_t>(tensor.elements()));
    checkpoint->read(tensor.name, out);
  }
  return "";
}

// Every cut of the first bytes, where all that is parsed lies, and some of the rest.
void check_cuts(const std::string& bytes, std::size_t parsed, const std::string& file,
                const std::string& opened) {
  for (std::size_t cut = 0; cut < bytes.size(); cut += cut < parsed ? 1 : 211) {
    test::overwrite(file, bytes.substr(0, cut));
    const std::string error = read_all(opened);
    INFO("cut at " << cut << ": " << error);
    REQUIRE(error.starts_with(file + ": "));
    REQUIRE((cut == 0 || error.find("at offset " + std::to_string(cut)) != std::string::npos));
  }
}

// Bytes of the first ones get other values, a few at a time. Gives how many files were still read.
int check_damage(const std::string& bytes, std::size_t parsed, const std::string& file,
                 const std::string& opened, int files) {
  int harmless = 0;
  for (int number = 0; number < files; ++number) {
    Rng rng(1, "tests.exec.weights.damage", static_cast<std::uint64_t>(number));
    std::string changed = bytes;
    for (int i = 0; i <= number % 3; ++i) {
      changed[rng.below(parsed)] = static_cast<char>(rng.below(256));
    }
    test::overwrite(file, changed);
    INFO("file " << number);
    const std::string error = read_all(opened);
    harmless += error.empty();
  }
  return harmless;
}

}  // namespace

TEST_CASE("a GGUF file cut anywhere is an error that names the file's end", "[exec][weights]") {
  const test::TemporaryFolder folder;
  const std::string bytes = *read_file(test::kTinyModels + "qwen2/model.gguf");
  const Expected<GgufFile> file = GgufFile::open(test::kTinyModels + "qwen2/model.gguf");
  std::size_t data = 0;
  for (const StoredTensor& tensor : file->tensors()) data += tensor.bytes.size();
  std::string unpadded = bytes;  // zeros behind the last tensor may be missing
  const std::size_t padding = 32 - file->tensors().back().bytes.size() % 32;
  unpadded.resize(bytes.size() - padding % 32);
  check_cuts(unpadded, bytes.size() - data, folder.file("x.gguf"), folder.file("x.gguf"));
}

TEST_CASE("a safetensors file cut anywhere is an error that names the file's end",
          "[exec][weights]") {
  const test::TemporaryFolder folder;
  const std::string from = test::kTinyModels + "qwen2/";
  std::filesystem::copy(from + "config.json", folder.file("config.json"));
  const std::string bytes = *read_file(from + "model.safetensors");
  check_cuts(bytes, 4096, folder.file("model.safetensors"), folder.path());
}

TEST_CASE("files with changed bytes are errors or can be read whole", "[exec][weights]") {
  const test::TemporaryFolder folder;
  const std::string gguf = *read_file(test::kTinyModels + "qwen2/model.gguf");
  const std::string safetensors = *read_file(test::kTinyModels + "qwen2/model.safetensors");
  const std::string config = *read_file(test::kTinyModels + "qwen2/config.json");
  const std::string file = folder.file("x.gguf");
  const int of_gguf = check_damage(gguf, 2500, file, file, 3000);
  CHECK((of_gguf > 0 && of_gguf < 3000));
  test::overwrite(folder.file("config.json"), config);
  test::overwrite(folder.file("model.safetensors"), safetensors);
  const int of_config =
      check_damage(config, config.size(), folder.file("config.json"), folder.path(), 1500);
  CHECK((of_config > 0 && of_config < 1500));
  test::overwrite(folder.file("config.json"), config);
  const int of_table =
      check_damage(safetensors, 2300, folder.file("model.safetensors"), folder.path(), 1500);
  CHECK((of_table > 0 && of_table < 1500));
}

}  // namespace scsim::exec
