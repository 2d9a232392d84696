// Files that are damaged, or of a kind we do not know, are refused with one sentence that says
// where.
#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>

#include "exec/text/proto/sentencepiece.pb.h"
#include "tests/exec/text/fixtures.h"
#include "tests/support/temporary_folder.h"

namespace scsim::exec::test {
namespace {

using nlohmann::json;

void refused(const Expected<Tokenizer>& loaded, const std::string& why) {
  REQUIRE_FALSE(loaded.has_value());
  const std::string& message = loaded.error().message;
  INFO(message << "\nexpected: " << why);
  CHECK(message.find(why) != std::string::npos);
  CHECK(message.find("/tokenizer.") != std::string::npos);  // which file
  CHECK(message.find('\n') == std::string::npos);
}

struct Damage {
  const char* fixture;
  std::function<void(json&)> change;
  const char* why;
};

TEST_CASE("a tokenizer.json that we would read wrongly is refused", "[exec][text]") {
  const std::vector<Damage> all = {
      {"smollm2", [](json& j) { j.erase("model"); }, "there is no model section"},
      {"smollm2", [](json& j) { j["model"]["type"] = "WordLevel"; },
       "unknown type \"WordLevel\"; known: BPE, Unigram, WordPiece"},
      {"xlmr", [](json& j) { j["model"].erase("unk_id"); }, "unk_id: expected the number"},
      {"xlmr", [](json& j) { j["model"]["vocab"][7] = "the"; }, "vocab: entry 7"},
      {"xlmr", [](json& j) { j["normalizer"]["precompiled_charsmap"] = "A*"; }, "base 64"},
      {"xlmr", [](json& j) { j["normalizer"]["precompiled_charsmap"] = "AAQA"; }, "is damaged"},
      {"xlmr", [](json& j) { j["pre_tokenizer"] = j["pre_tokenizer"]["pretokenizers"][1]; },
       "Unigram is known behind WhitespaceSplit"},
      {"bert", [](json& j) { j["normalizer"]["lowercase"] = true; }, "BertNormalizer"},
      {"bert", [](json& j) { j["model"]["continuing_subword_prefix"] = "@@"; }, "expected \"##\""},
      {"bert", [](json& j) { j["pre_tokenizer"] = nullptr; }, "behind BertPreTokenizer only"},
      {"bert", [](json& j) { j["decoder"] = nullptr; }, "decoder: WordPiece"},
      {"bert",
       [](json& j) {
         j["post_processor"]["cls"] = {"[CLS]", 99'999};
       },
       "cls: expected"},
      {"smollm2", [](json& j) { j["model"]["vocab"] = 3; }, "vocab: expected an object"},
      {"smollm2", [](json& j) { j["model"]["vocab"]["the"] = -4; }, "\"the\" has the id -4"},
      {"smollm2", [](json& j) { j["model"]["vocab"]["unheard"] = 5; }, "have the same id, 5"},
      {"smollm2", [](json& j) { j["model"]["merges"] = nullptr; }, "expected a list named merges"},
      {"smollm2", [](json& j) { j["model"]["merges"][3] = "ab"; }, "merge 3: expected two tokens"},
      {"smollm2",
       [](json& j) {
         j["model"]["merges"][3] = {"a", 4};
       },
       "merge 3: expected two tokens"},
      {"smollm2",
       [](json& j) {
         j["model"]["merges"][3] = {"qq", "zz"};
       },
       "merge 3: \"qq\" is not in the vocabulary"},
      {"smollm2", [](json& j) { j["model"]["dropout"] = 0.1; }, "dropout"},
      {"smollm2", [](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, "end_of_word_suffix"},
      {"smollm2", [](json& j) { j["model"]["unk_token"] = "[UNK]"; },
       "unk_token: \"[UNK]\" is not in the vocabulary"},
      {"smollm2", [](json& j) { j["added_tokens"][0]["id"] = 99'999'999; },
       "added_tokens: \"<|endoftext|>\""},
      {"smollm2",
       [](json& j) {
         j["normalizer"] = {{"type", "NFK"}};
       },
       "did you mean \"NFC\"?"},
      {"llama2", [](json& j) { j["normalizer"]["normalizers"][0]["prepend"] = "_"; },
       "normalizer: Prepend"},
      {"llama3",
       [](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+"; },
       "unknown regular expression \"\\\\w+\"; known: those of GPT-2, Llama 3"},
      {"llama3", [](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"; },
       "behavior \"Removed\""},
      {"llama3", [](json& j) { j["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true; },
       "both cut words"},
      {"llama3", [](json& j) { j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
       "add_prefix_space"},
      {"llama3", [](json& j) { j["pre_tokenizer"]["pretokenizers"].erase(1); },
       "no ByteLevel follows"},
      {"llama3",
       [](json& j) {
         j["pre_tokenizer"] = {{"type", "Whitespace"}};
       },
       "pre_tokenizer: unknown step \"Whitespace\""},
      {"llama3",
       [](json& j) {
         j["post_processor"] = {{"type", "PairProcessing"}};
       },
       "post_processor: unknown step \"PairProcessing\""},
      {"glm4", [](json& j) { j["post_processor"]["special_tokens"]["<sop>"]["ids"] = {123456}; },
       "\"<sop>\" has the id 123456"},
      {"glm4", [](json& j) { j["post_processor"]["special_tokens"].erase("<sop>"); },
       "\"<sop>\" has no ids"},
      {"smollm2", [](json& j) { j["decoder"] = nullptr; }, "decoder: expected ByteLevel"},
      {"llama2", [](json& j) { j["decoder"]["decoders"][3]["start"] = 2; }, "decoder: Strip"},
      {"mistral", [](json& j) { j["pre_tokenizer"]["prepend_scheme"] = "frist"; },
       "did you mean \"first\"?"},
      {"mistral", [](json& j) { j["pre_tokenizer"]["replacement"] = "_"; },
       "the replacement must be"},
  };
  for (const Damage& damage : all) {
    json tokenizer = json::parse(fixture_text(std::string(damage.fixture) + ".json"));
    REQUIRE(load_json_text(tokenizer.dump()).has_value());
    damage.change(tokenizer);
    refused(load_json_text(tokenizer.dump()), damage.why);
  }
}

TEST_CASE("a tokenizer.json cut short, or no JSON, is refused", "[exec][text]") {
  const std::string whole = fixture_text("smollm2.json");
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    const Expected<Tokenizer> loaded = load_json_text(whole.substr(0, length));
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().message.find("tokenizer.json: ") != std::string::npos);
  }
  refused(load_json_text("[]"), "expected a JSON object");
  CHECK_FALSE(load_tokenizer_json("/nowhere/tokenizer.json").has_value());
  CHECK_FALSE(load_sentencepiece("/nowhere/tokenizer.model").has_value());
}

TEST_CASE("damaged files beside a vocabulary are named", "[exec][text]") {
  const scsim::test::TemporaryFolder folder;
  scsim::test::overwrite(folder.file("tokenizer.json"), fixture_text("smollm2.json"));
  scsim::test::overwrite(folder.file("tokenizer_config.json"), "{");
  const Expected<Tokenizer> loaded = load_tokenizer_json(folder.file("tokenizer.json"));
  REQUIRE_FALSE(loaded.has_value());
  CHECK(loaded.error().message.find("tokenizer_config.json: ") != std::string::npos);
}

TEST_CASE("a tokenizer.model that we would read wrongly is refused", "[exec][text]") {
  using sentencepiece::Model;
  const std::vector<std::pair<std::function<void(Model&)>, const char*>> all = {
      {[](Model& m) { m.mutable_trainer_spec()->set_model_type(4); },
       "of type 4; known: 1 (unigram), 2 (BPE)"},
      {[](Model& m) { m.mutable_pieces(300)->set_type(5); }, "is marked unused"},
      {[](Model& m) { m.mutable_pieces(300)->set_type(9); }, "is of type 9, expected 1 to 6"},
      {[](Model& m) { m.mutable_pieces(300)->set_piece("\xFF"); }, "piece 300 is not UTF-8"},
      {[](Model& m) { m.mutable_pieces(300)->set_score(std::numeric_limits<float>::quiet_NaN()); },
       "has no score"},
      {[](Model& m) { *m.mutable_pieces(300) = m.pieces(301); }, "tokens 300 and 301 are both"},
      {[](Model& m) { m.mutable_normalizer_spec()->set_precompiled_charsmap("abcdefgh"); },
       "precompiled_charsmap"},
      {[](Model& m) { m.clear_pieces(); }, "expected a SentencePiece model"},
  };
  for (const auto& [change, why] : all) {
    Model model;
    REQUIRE(model.ParseFromString(fixture_text("sp_bpe.model")));
    change(model);
    refused(load_model_bytes(model.SerializeAsString()), why);
  }
  const std::string whole = fixture_text("sp_bpe.model");
  refused(load_model_bytes(whole.substr(0, whole.size() / 2)), "half of one");
  refused(load_model_bytes("no model"), "expected a SentencePiece model");
}

}  // namespace
}  // namespace scsim::exec::test
