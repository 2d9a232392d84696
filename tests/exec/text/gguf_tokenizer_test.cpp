#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "exec/text/proto/sentencepiece.pb.h"
#include "exec/weights/gguf_file.h"
#include "tests/exec/text/fixtures.h"

namespace scsim::exec::test {
namespace {

using Ids = std::vector<std::int32_t>;

void same_ids(const Tokenizer& left, const Tokenizer& right, SpecialTokens special) {
  for (std::size_t number = 0; number < 4'000; ++number) {
    const Ids ids = left.encode(lines()[number], special);
    REQUIRE(ids == right.encode(lines()[number], special));
    REQUIRE(left.decode(ids, true) == right.decode(ids, true));
  }
}

TEST_CASE("a byte-level vocabulary in a GGUF file gives the ids of its tokenizer.json",
          "[exec][text]") {
  for (const auto& [name, pre] : {std::pair("smollm2", "smollm"), std::pair("qwen2", "qwen2"),
                                  std::pair("llama3", "llama-bpe"), std::pair("glm4", "glm4")}) {
    INFO(name);
    const Tokenizer json = *load_fixture(name);
    const Tokenizer gguf = *make_gguf_tokenizer(as_gguf(name, pre));
    same_ids(gguf, json, SpecialTokens::kRecognised);
    same_ids(gguf, json, SpecialTokens::kAsText);
  }
}

TEST_CASE("a SentencePiece vocabulary in a GGUF file gives the ids of its tokenizer.model",
          "[exec][text]") {
  sentencepiece::Model file;
  REQUIRE(file.ParseFromString(fixture_text("sp_bpe.model")));
  GgufVocabulary vocabulary{.source = "x.gguf", .model = "llama", .bos = 1, .eos = 2, .unknown = 0};
  for (const sentencepiece::Piece& piece : file.pieces()) {
    vocabulary.tokens.push_back(piece.piece());
    vocabulary.scores.push_back(piece.score());
    vocabulary.types.push_back(piece.type());
  }
  const Tokenizer gguf = *make_gguf_tokenizer(vocabulary);
  same_ids(gguf, *load_fixture("sp_bpe"), SpecialTokens::kAsText);
  CHECK(gguf.encode("", SpecialTokens::kAsText, Frame::kAdded) == Ids{1});
}

TEST_CASE("where a GGUF file says nothing of bos, its family decides", "[exec][text]") {
  GgufVocabulary llama = as_gguf("llama3", "llama-bpe");
  llama.bos = *load_fixture("llama3")->find_token("<|begin_of_text|>");
  CHECK(make_gguf_tokenizer(llama)->encode("", SpecialTokens::kAsText, Frame::kAdded) ==
        Ids{llama.bos});
  llama.add_bos = false;
  CHECK(make_gguf_tokenizer(llama)->encode("", SpecialTokens::kAsText, Frame::kAdded).empty());
  GgufVocabulary smollm = as_gguf("smollm2", "smollm");
  smollm.bos = 1;
  CHECK(make_gguf_tokenizer(smollm)->encode("", SpecialTokens::kAsText, Frame::kAdded).empty());
}

TEST_CASE("a GGUF vocabulary that cannot be is refused by name", "[exec][text]") {
  const auto refused = [](const GgufVocabulary& vocabulary, const std::string& why) {
    const Expected<Tokenizer> made = make_gguf_tokenizer(vocabulary);
    REQUIRE_FALSE(made.has_value());
    INFO(made.error().message);
    CHECK(made.error().message.find(why) != std::string::npos);
  };
  const GgufVocabulary good = as_gguf("smollm2", "smollm");
  GgufVocabulary bad = good;
  bad.model = "bert";
  refused(bad, "unknown kind of vocabulary \"bert\"; known: gpt2, llama");
  bad = good;
  bad.pre = "smolm";
  refused(bad, "did you mean \"smollm\"?");
  bad = good;
  bad.types.pop_back();
  refused(bad, "tokenizer.ggml.token_type has");
  bad = good;
  bad.tokens.clear();
  refused(bad, "is empty");
  bad = good;
  bad.tokens[300] = "\xFF";
  refused(bad, "token 300 is not UTF-8");
  bad = good;
  bad.eos = 1'000'000;
  refused(bad, "tokenizer.ggml.eos_token_id is 1000000");
  bad = good;
  bad.merges.front() = "nospace";
  refused(bad, "merge 0: expected two tokens, found \"nospace\"");
  bad = good;
  bad.merges.front() = "qqq such";
  refused(bad, "merge 0: \"qqq\" is not in the vocabulary");
  bad = good;
  bad.tokens[301] = bad.tokens[300];
  refused(bad, "tokens 300 and 301 are both");
  bad = good;
  bad.model = "llama";
  refused(bad, "tokenizer.ggml.scores is missing");
}

// SmolLM2's own vocabulary, where the model has been fetched; the hashes are of the tokenizers
// library, given the same vocabulary in a tokenizer.json.
TEST_CASE("SmolLM2's vocabulary gives the ids of tokenizers on 20,000 lines",
          "[exec][text][slow]") {
  const char* cache = std::getenv("SCSIM_CACHE");
  const char* home = std::getenv("HOME");
  const std::string path =
      (cache ? std::string(cache) : std::string(home ? home : ".") + "/.cache/scsim") +
      "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) {
    std::cout << "SKIPPED: no " << path << std::endl;
    return;
  }
  const GgufFile file = *GgufFile::open(path);
  GgufVocabulary vocabulary{.source = path, .model = "gpt2", .pre = "smollm", .bos = 1, .eos = 2};
  const auto copy = [&](std::string_view key) {
    const auto& texts = file.texts(key);
    return std::vector<std::string>(texts.begin(), texts.end());
  };
  vocabulary.tokens = copy("tokenizer.ggml.tokens");
  vocabulary.merges = copy("tokenizer.ggml.merges");
  for (const std::int64_t type : file.integers("tokenizer.ggml.token_type")) {
    vocabulary.types.push_back(static_cast<std::int32_t>(type));
  }
  const Tokenizer tokenizer = *make_gguf_tokenizer(vocabulary);
  std::uint64_t recognised = 0, as_text = 0;
  for (const std::string& line : lines()) {
    recognised = hash_ids(recognised, tokenizer.encode(line, SpecialTokens::kRecognised));
    as_text = hash_ids(as_text, tokenizer.encode(line, SpecialTokens::kAsText));
  }
  CHECK(recognised == 0x9A20A8F4F114A42Du);
  CHECK(as_text == 0x64C94B16E919BF03u);
}

}  // namespace
}  // namespace scsim::exec::test
