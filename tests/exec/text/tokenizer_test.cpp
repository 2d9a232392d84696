#include <catch2/catch.hpp>
#include <thread>

#include "exec/text/characters.h"
#include "tests/exec/text/fixtures.h"
#include "tests/support/temporary_folder.h"

namespace scsim::exec::test {
namespace {

using Ids = std::vector<std::int32_t>;

TEST_CASE("special tokens in a text are text, or tokens", "[exec][text]") {
  const Tokenizer tokenizer = *load_fixture("smollm2");
  const std::int32_t end = *tokenizer.find_token("<|im_end|>");
  CHECK(tokenizer.is_special(end));
  CHECK(tokenizer.encode("<|im_end|>", SpecialTokens::kRecognised) == Ids{end});
  const Ids as_text = tokenizer.encode("<|im_end|>", SpecialTokens::kAsText);
  CHECK(as_text.size() > 3);
  CHECK(std::ranges::find(as_text, end) == as_text.end());
  CHECK(tokenizer.decode(as_text, false) == "<|im_end|>");
  CHECK(tokenizer.decode(Ids{end}, false).empty());
  CHECK(tokenizer.decode(Ids{end}, true) == "<|im_end|>");
}

TEST_CASE("a frame is what the file's template puts around a text", "[exec][text]") {
  const Tokenizer llama = *load_fixture("llama3");
  const Ids framed = llama.encode("a", SpecialTokens::kAsText, Frame::kAdded);
  CHECK(framed == Ids{*llama.bos(), llama.encode("a", SpecialTokens::kAsText)[0]});
  const Tokenizer glm = *load_fixture("glm4");
  CHECK(glm.encode("", SpecialTokens::kAsText, Frame::kAdded) ==
        Ids{*glm.find_token("[gMASK]"), *glm.find_token("<sop>")});
}

TEST_CASE("an empty text has no tokens, and a text may be long", "[exec][text]") {
  for (const char* name : {"smollm2", "llama2", "sp_bpe_across", "sp_unigram"}) {
    const Tokenizer tokenizer = *load_fixture(name);
    CHECK(tokenizer.encode("", SpecialTokens::kRecognised).empty());
    // A megabyte of one letter is one word; with a quadratic merge this would not end.
    const std::string letters(1 << 20, 'a');
    const Ids ids = tokenizer.encode(letters, SpecialTokens::kAsText);
    CHECK(tokenizer.decode(ids, false) == letters);
  }
}

TEST_CASE("ids outside the vocabulary decode to nothing", "[exec][text]") {
  const Tokenizer tokenizer = *load_fixture("smollm2");
  CHECK(tokenizer.decode(Ids{-1, tokenizer.vocabulary_size()}, true).empty());
  CHECK(tokenizer.token_name(-1).empty());
  CHECK_FALSE(tokenizer.is_special(tokenizer.vocabulary_size()));
}

TEST_CASE("threads that share a tokenizer get what one thread gets", "[exec][text]") {
  const Tokenizer tokenizer = *load_fixture("qwen2");
  std::vector<Ids> alone;
  for (std::size_t i = 0; i < 2'000; ++i) {
    alone.push_back(tokenizer.encode(lines()[i], SpecialTokens::kRecognised));
  }
  std::vector<std::vector<Ids>> shared(4);
  std::vector<std::thread> threads;
  for (std::vector<Ids>& mine : shared) {
    threads.emplace_back([&mine, tokenizer] {
      for (std::size_t i = 0; i < 2'000; ++i) {
        mine.push_back(tokenizer.encode(lines()[i], SpecialTokens::kRecognised));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<Ids>& mine : shared) CHECK(mine == alone);
}

TEST_CASE("the files beside a vocabulary name its ends and its chat template", "[exec][text]") {
  const scsim::test::TemporaryFolder folder;
  scsim::test::overwrite(folder.file("tokenizer.json"), fixture_text("qwen2.json"));
  const Tokenizer bare = *load_tokenizer_json(folder.file("tokenizer.json"));
  CHECK_FALSE(bare.eos().has_value());
  CHECK(bare.chat_template().empty());

  scsim::test::overwrite(folder.file("tokenizer_config.json"),
                         R"({"bos_token": null, "eos_token": {"content": "<|im_end|>"},
                             "chat_template": [{"name": "tool_use", "template": "no"},
                                               {"name": "default", "template": "yes"}]})");
  const std::int32_t end = *bare.find_token("<|im_end|>"),
                     text_end = *bare.find_token("<|endoftext|>"), other = 7;
  scsim::test::overwrite(folder.file("generation_config.json"),
                         "{\"eos_token_id\": [" + std::to_string(end) + ", 7, 99999999]}");
  const Tokenizer full = *load_tokenizer_json(folder.file("tokenizer.json"));
  CHECK_FALSE(full.bos().has_value());
  CHECK(full.eos() == end);
  CHECK(full.chat_template() == "yes");
  CHECK(full.is_end(end));
  CHECK(full.is_end(text_end));  // by its name
  CHECK(full.is_end(other));
  CHECK_FALSE(full.is_end(other + 1));
  CHECK(full.end_ids().size() == 3);

  scsim::test::overwrite(folder.file("chat_template.jinja"), "from the file");
  CHECK(load_tokenizer_json(folder.file("tokenizer.json"))->chat_template() == "from the file");
}

TEST_CASE("a SentencePiece text begins with bos, unless its configuration says no",
          "[exec][text]") {
  const scsim::test::TemporaryFolder folder;
  scsim::test::overwrite(folder.file("tokenizer.model"), fixture_text("sp_bpe.model"));
  const Tokenizer silent = *load_sentencepiece(folder.file("tokenizer.model"));
  CHECK(silent.bos() == 1);
  CHECK(silent.eos() == 2);
  CHECK(silent.encode("", SpecialTokens::kAsText, Frame::kAdded) == Ids{1});
  scsim::test::overwrite(folder.file("tokenizer_config.json"),
                         R"({"add_bos_token": false, "add_eos_token": true})");
  const Tokenizer told = *load_sentencepiece(folder.file("tokenizer.model"));
  CHECK(told.encode("", SpecialTokens::kAsText, Frame::kAdded) == Ids{2});
}

TEST_CASE("control pieces of a SentencePiece model are recognised when asked for", "[exec][text]") {
  const Tokenizer tokenizer = *load_fixture("sp_bpe");
  const std::int32_t open = *tokenizer.find_token("[INST]");
  const Ids hello = tokenizer.encode("hello", SpecialTokens::kRecognised);
  Ids expected = {open};
  expected.insert(expected.end(), hello.begin(), hello.end());
  CHECK(tokenizer.encode("[INST]hello", SpecialTokens::kRecognised) == expected);
  CHECK(tokenizer.encode("[INST]hello", SpecialTokens::kAsText) != expected);
}

}  // namespace
}  // namespace scsim::exec::test
