#include "exec/session/loaded_model.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "exec/session/read_gguf_vocabulary.h"
#include "exec/weights/checkpoint.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

namespace fs = std::filesystem;

CalibrationModel describe(const Checkpoint& checkpoint, const Model& model) {
  const ModelConfig& config = checkpoint.config();
  return {.name = config.name,
          .family = config.family,
          .parameters = config.parameters(),
          .weights_format = checkpoint.format(),
          .weights_hash = "",
          .tokenizer = config.name,
          .compute_type = c10::toString(model.options().type),
          .kv_type = c10::toString(model.options().type),
          .layers = config.layers,
          .hidden = config.hidden,
          .query_heads = config.attention.query_heads,
          .kv_heads = config.attention.kv_heads,
          .head_dim = config.attention.head_dim,
          .vocabulary = config.vocabulary,
          .random_weights = false,
          .recurrent_layers = config.recurrent_layers(),
          .state_bytes = config.recurrent_layers() * config.mamba.state_bytes(),
          .saved_every = config.recurrent_layers() > 0 ? model.options().saved_every : 0};
}

// Feeds the file's bytes to the digest.
Expected<void> digest_file(const std::string& path, EVP_MD_CTX* digest) {
  const Expected<OpenedFile> file = open_for_reading(path);
  if (!file) return file.error();
  std::vector<char> buffer(1 << 20);
  while (true) {
    const std::size_t bytes = std::fread(buffer.data(), 1, buffer.size(), file->handle.get());
    if (bytes > 0) EVP_DigestUpdate(digest, buffer.data(), bytes);
    if (bytes < buffer.size()) break;
  }
  if (std::ferror(file->handle.get()) != 0) return Error{path + ": could not be read to its end"};
  return {};
}

}  // namespace

Expected<Tokenizer> load_tokenizer(const std::string& path) {
  if (!fs::is_directory(path)) {
    Expected<GgufVocabulary> vocabulary = read_gguf_vocabulary(path);
    if (!vocabulary) return vocabulary.error();
    return make_gguf_tokenizer(*std::move(vocabulary));
  }
  const fs::path folder(path);
  if (fs::exists(folder / "tokenizer.json")) return load_tokenizer_json(folder / "tokenizer.json");
  if (fs::exists(folder / "tokenizer.model")) return load_sentencepiece(folder / "tokenizer.model");
  return Error{path + ": neither tokenizer.json nor tokenizer.model is there"};
}

Expected<LoadedModel> load_model(const std::string& path, const ModelOptions& options) {
  Expected<Checkpoint> checkpoint = Checkpoint::open(path);
  if (!checkpoint) return checkpoint.error();
  Expected<Tokenizer> tokenizer = load_tokenizer(path);
  if (!tokenizer) return tokenizer.error();
  if (tokenizer->vocabulary_size() > checkpoint->config().vocabulary) {
    return Error{path + ": the tokenizer knows " + std::to_string(tokenizer->vocabulary_size()) +
                 " tokens, the model " + std::to_string(checkpoint->config().vocabulary)};
  }
  Expected<std::unique_ptr<Model>> model = Model::load(*checkpoint, options);
  if (!model) return model.error();
  LoadedModel loaded{.model = *std::move(model),
                     .tokenizer = *std::move(tokenizer),
                     .chat = std::nullopt,
                     .no_chat = "",
                     .description = {},
                     .path = path};
  loaded.description = describe(*checkpoint, *loaded.model);
  if (loaded.tokenizer.chat_template().empty()) {
    loaded.no_chat = path + ": the model came without a chat template";
  } else if (Expected<ChatTemplate> chat =
                 ChatTemplate::recognise(loaded.tokenizer.chat_template(), path);
             chat) {
    loaded.chat = *std::move(chat);
  } else {
    loaded.no_chat = chat.error().message;
  }
  return loaded;
}

Expected<std::string> hash_weights(const std::string& path) {
  std::vector<std::string> files;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    }
    std::ranges::sort(files);
  } else {
    files.push_back(path);
  }
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(),
                                                                       &EVP_MD_CTX_free);
  EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr);
  for (const std::string& file : files) {
    if (const auto done = digest_file(file, digest.get()); !done) return done.error();
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int count = 0;
  EVP_DigestFinal_ex(digest.get(), bytes.data(), &count);
  std::string text = "sha256:";
  for (unsigned int i = 0; i < count; ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

std::string cache_folder() {
  if (const char* given = std::getenv("SCSIM_CACHE")) return given;
  if (const char* given = std::getenv("XDG_CACHE_HOME")) return std::string(given) + "/scsim";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.cache/scsim";
}

Expected<std::string> default_model_path() {
  const std::string path = cache_folder() + "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (fs::exists(path)) return path;
  return Error{"the default model is not there (" + path +
               "): `./scexec run` of the source tree fetches it, or name one with --model"};
}

}  // namespace scsim::exec
