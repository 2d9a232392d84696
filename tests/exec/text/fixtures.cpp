#include "tests/exec/text/fixtures.h"

#include <zstd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_folder.h"
#include "traces/check.h"
#include "traces/files.h"

namespace scsim::exec::test {
namespace {

const std::string kFolder = std::string(SCSIM_SOURCE_DIR) + "/tests/data/tokenizers/";

class Draws {  // splitmix64
 public:
  explicit Draws(std::uint64_t seed) : state_(seed) {}
  std::size_t below(std::uint64_t n) {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::size_t>((z ^ (z >> 31)) % n);
  }

 private:
  std::uint64_t state_;
};

std::string utf8(std::uint32_t code) {
  std::string text;
  const auto last = [&](int shift) { text += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | code >> 6);
    last(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0 | code >> 12);
    last(6);
    last(0);
  } else {
    text += static_cast<char>(0xF0 | code >> 18);
    last(12);
    last(6);
    last(0);
  }
  return text;
}

// make_tokenizers.py's line().
std::string line(std::uint64_t number, const std::vector<std::string>& fragments) {
  static const std::vector<std::string> spaces = {" ",    "  ",       "\n",     "\r\n",
                                                  "\t",   "\u00a0",   "\u3000", "\u2028",
                                                  "\x0b", utf8(0x85), " \n",    "\n "};
  Draws draws(number * 1'000'003);
  std::string out;
  const std::size_t parts = 1 + draws.below(12);
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t kind = draws.below(100);
    if (kind < 66) {
      out += fragments[draws.below(fragments.size())];
    } else if (kind < 78) {
      const std::uint64_t limit = draws.below(2) == 1 ? 0x3100 : 0x20000;
      const auto code = static_cast<std::uint32_t>(draws.below(limit));
      out += code >= 0xD800 && code < 0xE000 ? "?" : utf8(code);
    } else if (kind < 86) {
      const auto character = static_cast<char>(32 + draws.below(95));
      out += std::string(1 + draws.below(6), character);
    } else if (kind < 96) {
      out += spaces[draws.below(spaces.size())];
    } else {
      out += static_cast<char>(draws.below(256));
    }
  }
  return out;
}

}  // namespace

const std::vector<std::string>& lines() {
  static const std::vector<std::string> made = [] {
    const auto fragments =
        nlohmann::json::parse(fixture_text("fragments.json")).get<std::vector<std::string>>();
    std::vector<std::string> all;
    all.reserve(kLines);
    for (std::uint64_t number = 0; number < kLines; ++number) {
      all.push_back(line(number, fragments));
    }
    return all;
  }();
  return made;
}

std::string fixture_text(const std::string& name) {
  if (std::filesystem::exists(kFolder + name)) return *read_file(kFolder + name);
  const std::string packed = *read_file(kFolder + name + ".zst");
  std::string text(16 << 20, '\0');
  const std::size_t size = ZSTD_decompress(text.data(), text.size(), packed.data(), packed.size());
  SCSIM_CHECK(!ZSTD_isError(size));
  text.resize(size);
  return text;
}

const std::vector<std::string>& json_fixtures() {
  static const std::vector<std::string> names = {"llama3", "qwen2",  "glm4",    "smollm2",
                                                 "gpt2",   "llama2", "mistral", "metaspace",
                                                 "xlmr",   "bert"};
  return names;
}

const std::vector<std::string>& model_fixtures() {
  static const std::vector<std::string> names = {"sp_bpe", "sp_bpe_across", "sp_unigram",
                                                 "sp_unigram_bytes"};
  return names;
}

Expected<Tokenizer> load_json_text(const std::string& json) {
  const scsim::test::TemporaryFolder folder;
  scsim::test::overwrite(folder.file("tokenizer.json"), json);
  return load_tokenizer_json(folder.file("tokenizer.json"));
}

Expected<Tokenizer> load_model_bytes(const std::string& bytes) {
  const scsim::test::TemporaryFolder folder;
  scsim::test::overwrite(folder.file("tokenizer.model"), bytes);
  return load_sentencepiece(folder.file("tokenizer.model"));
}

Expected<Tokenizer> load_fixture(const std::string& name) {
  const bool is_model = name.starts_with("sp_");
  return is_model ? load_model_bytes(fixture_text(name + ".model"))
                  : load_json_text(fixture_text(name + ".json"));
}

GgufVocabulary as_gguf(const std::string& name, const std::string& pre) {
  const nlohmann::json json = nlohmann::json::parse(fixture_text(name + ".json"));
  GgufVocabulary vocabulary{.source = name + ".gguf", .model = "gpt2", .pre = pre};
  const auto put = [&](const std::string& token, std::size_t id, GgufTokenType type) {
    if (id >= vocabulary.tokens.size()) {
      vocabulary.tokens.resize(id + 1);
      vocabulary.types.resize(id + 1, static_cast<std::int32_t>(GgufTokenType::kUnused));
    }
    vocabulary.tokens[id] = token;
    vocabulary.types[id] = static_cast<std::int32_t>(type);
  };
  for (const auto& [token, id] : json["model"]["vocab"].items()) {
    put(token, id.get<std::size_t>(), GgufTokenType::kNormal);
  }
  for (const auto& token : json["added_tokens"]) {
    put(token["content"], token["id"],
        token["special"].get<bool>() ? GgufTokenType::kControl : GgufTokenType::kUserDefined);
  }
  for (const auto& merge : json["model"]["merges"]) {
    vocabulary.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  return vocabulary;
}

std::uint64_t hash_ids(std::uint64_t so_far, std::span<const std::int32_t> ids) {
  constexpr std::uint64_t kPrime = 0x100000001B3u;
  for (const std::int32_t id : ids) so_far = (so_far ^ static_cast<std::uint32_t>(id)) * kPrime;
  return (so_far ^ 0xFFFFFFFFu) * kPrime;
}

std::uint64_t hash_text(std::uint64_t so_far, std::string_view text) {
  std::vector<std::int32_t> bytes;
  for (const char c : text) bytes.push_back(static_cast<std::uint8_t>(c));
  return hash_ids(so_far, bytes);
}

}  // namespace scsim::exec::test
