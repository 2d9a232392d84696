// BERT's tokens: a text is cleaned, cut at spaces and around punctuation and Chinese characters,
// and each word is cut into the longest pieces of the vocabulary, from the left.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scsim::exec {

class WordPieceModel {
 public:
  // Names of pieces that go on with a word begin with "##".
  static constexpr std::string_view kContinued = "##";

  // REQUIRES: names of pieces outlive the model.
  WordPieceModel(std::int32_t unknown, std::size_t most_characters)
      : unknown_(unknown), most_characters_(most_characters) {}
  void add(std::string_view piece, std::int32_t id);

  // Cuts a text that bert_cleaned() gave. A word of more characters than allowed, or with a place
  // where no piece fits, is the unknown id whole.
  void encode(std::string_view text, std::vector<std::int32_t>& ids) const;

 private:
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;

  std::int32_t unknown_;
  std::size_t most_characters_;
  boost::unordered_flat_map<std::string_view, std::int32_t> first_, continued_;
};

// What BertNormalizer does that keeps case and accents: control characters go, spaces of any kind
// become " ", and Chinese characters get one on each side.
struct BertCleaning {
  bool clean = true, chinese = true;
};
std::string bert_cleaned(const BertCleaning& cleaning, std::string_view text);

// The text of a token behind others: with a space ahead, unless it goes on with a word or `cleanup`
// takes the space from punctuation and English contractions.
std::string word_piece_text(std::string_view name, bool cleanup);

}  // namespace scsim::exec
