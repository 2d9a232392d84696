// What a tokenizer is made of: the loaders fill these parts from three kinds of file, and
// tokenizer.cpp runs a text through them in this order. Nothing here knows a file format.
//
//   text ─► added tokens ─► normaliser ─► added tokens ─► prefix ─► words ─► model ─► frame
//
// Include this from exec/text/ only.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exec/text/added_tokens.h"
#include "exec/text/merges.h"
#include "exec/text/sentencepiece_normalizer.h"
#include "exec/text/tokenizer.h"
#include "exec/text/unigram.h"
#include "exec/text/word_cache.h"
#include "exec/text/wordpiece.h"
#include "exec/text/words.h"

namespace scsim::exec {

// The spaces of a text, made visible or put before it.
enum class Prefix : std::uint8_t {
  kNone,
  kAlways,           // before every piece between added tokens
  kUnlessThere,      // the same, where it does not begin with one
  kFirstUnlessThere  // the same, at the start of the text only
};

struct Normalizer {
  bool nfc = false;
  bool spaces_to_marks = false;
  Prefix prefix = Prefix::kNone;  // before what is normalised here: a mark
  std::optional<SentencePieceNormalizer> sentencepiece;
  std::optional<CharacterMap> graphemes;  // mapped_by_grapheme()
  std::optional<BertCleaning> bert;
};

std::string normalized(const Normalizer& normalizer, std::string_view text);

// Symbols of a word before merging.
struct Alphabet {
  bool bytes = false;                  // a symbol is a byte of UTF-8; else a character
  std::vector<std::int32_t> byte_ids;  // 256 of them; -1: has none. Of `bytes`, or the fallback
  boost::unordered_flat_map<char32_t, std::int32_t> character_ids;  // not of `bytes`
  std::int32_t unknown = -1;  // -1: what has no symbol is left out
  bool fuse_unknown = false;  // a run of unknown characters is one
  // Characters that are no token but part of some: ids from `first_partial` on until merging is
  // done.
  std::int32_t first_partial = 0;
  std::vector<char32_t> partial;
};

enum class ByteRuns : std::uint8_t {
  kAsTheyCome,  // bytes that are no character become U+FFFD, part by part
  kWhole        // a run of byte tokens with one such part becomes U+FFFD, byte by byte
};

enum class LeadingSpace : std::uint8_t {  // at the start of a decoded text
  kKept,
  kOneDropped,              // whatever it comes from
  kOneMarkDropped,          // of a token that begins with a mark
  kMarksDropped,            // so with every such token until there is other text
  kFirstTokensMarksDropped  // every mark of the first token
};

struct Decoding {
  ByteRuns byte_runs = ByteRuns::kAsTheyCome;
  LeadingSpace leading_space = LeadingSpace::kKept;
};

// Buffers of one encode() at work. Kept for the next one, with the words met so far.
struct Workspace {
  WordCache cache;
  std::vector<AddedTokens::Piece> pieces, inner;
  std::vector<std::int32_t> symbols;
  UnigramModel::Workspace unigram;
};

class WorkspacePool {
 public:
  std::unique_ptr<Workspace> take();
  void give_back(std::unique_ptr<Workspace> workspace);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_;
};

struct TokenizerParts {
  // The vocabulary. `texts` are what tokens decode to, bytes of UTF-8 that may be cut anywhere.
  std::vector<std::string> names;
  std::vector<std::string> texts;
  std::vector<bool> special;
  std::vector<bool> is_byte;  // byte tokens of a fallback, "<0x0A>"
  boost::unordered_flat_map<std::string_view, std::int32_t> ids;  // views of `names`

  AddedTokens added;             // in the text as given
  AddedTokens added_normalized;  // in the normalised text
  Normalizer normalizer;
  Prefix prefix = Prefix::kNone;  // before the words of a piece: a mark, or with bytes a space
  bool spaces_to_marks = false;   // before that prefix
  bool at_spaces = false;         // each word between spaces of any kind is a piece of its own
  WordRule words = WordRule::kGpt2;
  Alphabet alphabet;
  Merges merges;
  // A word that is a token is that token, merges or not: views of `texts`. Empty: not so.
  boost::unordered_flat_map<std::string_view, std::int32_t> whole_words;
  std::optional<UnigramModel> unigram;      // instead of merges
  std::optional<WordPieceModel> wordpiece;  // likewise, and of words
  std::vector<std::int32_t> before, after;  // Frame::kAdded
  Decoding decoding;

  std::optional<std::int32_t> bos, eos;
  std::vector<std::int32_t> ends;
  std::string chat_template;

  mutable WorkspacePool pool;
};

// For loaders, when the names are final: fills `ids`, sizes what goes with the names, and adds to
// `ends` the end-of-turn tokens known by name. An Error names two tokens of one name.
Expected<void> finish_vocabulary(TokenizerParts& parts, const std::string& source);

}  // namespace scsim::exec
