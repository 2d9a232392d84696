#include <catch2/catch.hpp>

#include "exec/text/characters.h"
#include "tests/exec/text/fixtures.h"
#include "traces/rng.h"

namespace scsim::exec::test {
namespace {

std::vector<std::string> all_fixtures() {
  std::vector<std::string> names = json_fixtures();
  names.insert(names.end(), model_fixtures().begin(), model_fixtures().end());
  return names;
}

TEST_CASE("a stream gives whole characters, and together what decode gives", "[exec][text]") {
  Rng rng(1, "tests.stream");
  for (const std::string& name : all_fixtures()) {
    const Tokenizer tokenizer = *load_fixture(name);
    for (int round = 0; round < 300; ++round) {
      // Ids that no text has: bytes that are no character, tokens cut within one.
      std::vector<std::int32_t> ids;
      for (std::uint64_t i = rng.below(30); i-- > 0;) {
        ids.push_back(static_cast<std::int32_t>(
            rng.below(static_cast<std::uint64_t>(tokenizer.vocabulary_size()))));
      }
      const bool keep_special = round % 2 == 0;
      TextStream stream(tokenizer, keep_special);
      std::string text;
      for (const std::int32_t id : ids) {
        const std::string piece = stream.push(id);
        REQUIRE(is_valid_utf8(piece));
        text += piece;
      }
      text += stream.finish();
      REQUIRE(is_valid_utf8(text));
      REQUIRE(text == tokenizer.decode(ids, keep_special));
    }
  }
}

TEST_CASE("a character of several tokens comes out with its last byte", "[exec][text]") {
  const Tokenizer tokenizer = *load_fixture("smollm2");
  const std::string text = "\U0001F9FF!";  // an emoji the vocabulary has no token of
  const auto ids = tokenizer.encode(text, SpecialTokens::kAsText);
  REQUIRE(ids.size() > 2);
  TextStream stream(tokenizer);
  std::vector<std::string> pieces;
  for (const std::int32_t id : ids) {
    if (std::string piece = stream.push(id); !piece.empty()) pieces.push_back(piece);
  }
  CHECK(pieces == std::vector<std::string>{"\U0001F9FF", "!"});
  CHECK(stream.finish().empty());
}

TEST_CASE("what never becomes a character is said at the end", "[exec][text]") {
  const Tokenizer tokenizer = *load_fixture("smollm2");
  auto ids = tokenizer.encode("\U0001F9FF", SpecialTokens::kAsText);
  ids.pop_back();
  TextStream stream(tokenizer);
  for (const std::int32_t id : ids) CHECK(stream.push(id).empty());
  CHECK(stream.finish() == "\uFFFD");
}

TEST_CASE("a text comes back, whatever the vocabulary", "[exec][text]") {
  for (const char* name : {"llama3", "glm4", "smollm2", "llama2", "sp_bpe"}) {
    const Tokenizer tokenizer = *load_fixture(name);
    for (std::size_t number = 0; number < 2'000; ++number) {
      const std::string text = replace_invalid_utf8(lines()[number]);
      // SentencePiece's visible space is a space afterwards.
      if (text.find("\u2581") != std::string::npos) continue;
      const auto ids = tokenizer.encode(text, SpecialTokens::kAsText);
      REQUIRE(tokenizer.decode(ids, true) == text);
    }
  }
}

TEST_CASE("invalid UTF-8 becomes U+FFFD, one for each part of a character", "[exec][text]") {
  // Unicode's own example (The Unicode Standard, table 3-8), and Python's answers.
  CHECK(replace_invalid_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64") ==
        "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  CHECK(replace_invalid_utf8("\xC0\xAF") == "\uFFFD\uFFFD");
  CHECK(replace_invalid_utf8("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");
  CHECK(replace_invalid_utf8("\xF4\x90\x80\x80") == "\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(replace_invalid_utf8("\xE4\xB8") == "\uFFFD");
}

TEST_CASE("only a character that may still be completed waits for more", "[exec][text]") {
  CHECK(complete_utf8_bytes("abc") == 3);
  CHECK(complete_utf8_bytes("a\xE4") == 1);
  CHECK(complete_utf8_bytes("a\xE4\xB8") == 1);
  CHECK(complete_utf8_bytes("a\xE4\xB8\xAD") == 4);
  CHECK(complete_utf8_bytes("a\xF0\x9F\x98") == 1);
  CHECK(complete_utf8_bytes("a\xC0") == 2);      // never a lead byte
  CHECK(complete_utf8_bytes("a\xE0\x80") == 3);  // too long a form
  CHECK(complete_utf8_bytes("\x80\x80") == 2);
}

}  // namespace
}  // namespace scsim::exec::test
