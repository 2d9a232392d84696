// The ids of the reference libraries, on 20,000 lines of languages, code, emoji, odd spaces, marks
// and bytes that are not UTF-8, for a vocabulary of each family's configuration.
#include <array>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/exec/text/fixtures.h"

namespace scsim::exec::test {
namespace {

std::string hex(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) text[i] = kDigits[value & 15];
  return text;
}

const nlohmann::json& expected() {
  static const nlohmann::json json = nlohmann::json::parse(fixture_text("expected.json"));
  return json;
}

void compare(const std::string& name, const std::string& mode) {
  const Expected<Tokenizer> tokenizer = load_fixture(name);
  INFO(name << ", special tokens " << mode);
  REQUIRE(tokenizer.has_value());
  const bool recognised = mode == "recognised";
  const nlohmann::json& reference = expected()[name][mode];
  std::int64_t tokens = 0;
  std::uint64_t ids_hash = 0, text_hash = 0;
  for (std::size_t number = 0; number < kLines; ++number) {
    const std::vector<std::int32_t> ids = tokenizer->encode(
        lines()[number], recognised ? SpecialTokens::kRecognised : SpecialTokens::kAsText,
        recognised ? Frame::kAdded : Frame::kNone);
    INFO("line " << number << ": make_tokenizers.py show " << name << " " << number);
    if (number < reference["samples"].size()) {
      REQUIRE(ids == reference["samples"][number].get<std::vector<std::int32_t>>());
    }
    tokens += std::ssize(ids);
    ids_hash = hash_ids(ids_hash, ids);
    text_hash = hash_text(text_hash, tokenizer->decode(ids, recognised));
    if ((number + 1) % kChunk != 0) continue;
    REQUIRE(hex(ids_hash) == reference["ids"][number / kChunk].get<std::string>());
    REQUIRE(hex(text_hash) == reference["texts"][number / kChunk].get<std::string>());
    ids_hash = text_hash = 0;
  }
  CHECK(tokens == reference["tokens"].get<std::int64_t>());
}

TEST_CASE("byte-level vocabularies give the ids and texts of tokenizers on 20,000 lines",
          "[exec][text]") {
  for (const char* name : {"llama3", "qwen2", "glm4", "smollm2", "gpt2"}) {
    compare(name, "recognised");
    compare(name, "as_text");
  }
}

TEST_CASE("character-level vocabularies give the ids and texts of tokenizers on 20,000 lines",
          "[exec][text]") {
  for (const char* name : {"llama2", "mistral", "metaspace"}) {
    compare(name, "recognised");
    compare(name, "as_text");
  }
}

TEST_CASE("encoders' vocabularies give the ids and texts of tokenizers on 20,000 lines",
          "[exec][text]") {
  for (const char* name : {"xlmr", "bert"}) {
    compare(name, "recognised");
    compare(name, "as_text");
  }
}

TEST_CASE("SentencePiece models give the ids and texts of sentencepiece on 20,000 lines",
          "[exec][text]") {
  for (const std::string& name : model_fixtures()) compare(name, "as_text");
}

}  // namespace
}  // namespace scsim::exec::test
