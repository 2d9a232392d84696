// Text into tokens and back, with the ids that the model was trained on.
//
//   Expected<Tokenizer> tokenizer = load_tokenizer_json("model/tokenizer.json");
//   if (!tokenizer) return tokenizer.error();
//   std::vector<std::int32_t> ids = tokenizer->encode(document, SpecialTokens::kAsText);
//   TextStream stream(*tokenizer);
//   for (std::int32_t id : answer) print(stream.push(id));   // never half of a character
//   print(stream.finish());
//
// The ids are those of the `tokenizers` and `sentencepiece` libraries. Bytes that are not UTF-8 are
// read as U+FFFD, one for each maximal part of a character.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec/text/gguf_vocabulary.h"
#include "traces/expected.h"

namespace scsim::exec {

// What "<|im_end|>" in a text is: so many characters (a document that quotes it), or the token
// (what a chat template rendered). Added tokens that are not special are recognised either way.
enum class SpecialTokens : std::uint8_t { kAsText, kRecognised };

// Whether encode() adds what the model expects around a whole text, mostly a begin token. A
// rendered chat template has it already.
enum class Frame : std::uint8_t { kNone, kAdded };

struct TokenizerParts;

class Tokenizer {  // immutable, cheap to copy; may be used by many threads at once
 public:
  std::vector<std::int32_t> encode(std::string_view text, SpecialTokens special,
                                   Frame frame = Frame::kNone) const;
  // Ids outside the vocabulary decode to nothing. Valid UTF-8 out.
  std::string decode(std::span<const std::int32_t> ids, bool keep_special) const;

  std::int32_t vocabulary_size() const;  // ids are below it
  // A token by its name in the vocabulary: "<|im_end|>", "\u0120the", "\u2581the".
  std::optional<std::int32_t> find_token(std::string_view name) const;
  std::string_view token_name(std::int32_t id) const;  // empty for an id that is not used
  bool is_special(std::int32_t id) const;

  std::optional<std::int32_t> bos() const;
  std::optional<std::int32_t> eos() const;  // the one the files name
  // All that end an answer, ascending: eos(), and end-of-turn tokens known by their names.
  std::span<const std::int32_t> end_ids() const;
  bool is_end(std::int32_t id) const;

  // The template that came with the vocabulary; empty where none did. See
  // exec/text/chat_template.h.
  const std::string& chat_template() const;

  explicit Tokenizer(std::shared_ptr<const TokenizerParts> parts);  // for the loaders
  const TokenizerParts& parts() const { return *parts_; }

 private:
  std::shared_ptr<const TokenizerParts> parts_;
};

// Decodes token by token. What it gave until finish() is, put together, what decode() gives for the
// ids that keep_special lets through.
class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer, bool keep_special = false);
  std::string push(std::int32_t id);  // the characters that are complete now
  std::string finish();               // and what is left: bytes that never became one are U+FFFD

 private:
  std::string text_of(std::int32_t id);
  void take_byte_run(std::string& out);
  std::string stripped(std::string out);

  Tokenizer tokenizer_;
  bool keep_special_;
  bool at_start_ = true;  // where some decoders drop a space
  std::string
      pending_;  // bytes of a character, or of a run of byte tokens, that is not yet complete
};

// Hugging Face's tokenizer.json; tokenizer_config.json, special_tokens_map.json,
// generation_config.json and chat_template.jinja beside it are read where they are there.
Expected<Tokenizer> load_tokenizer_json(const std::string& path);
// SentencePiece's tokenizer.model, of type BPE or unigram; tokenizer_config.json beside it is read.
Expected<Tokenizer> load_sentencepiece(const std::string& path);
// Takes the vocabulary whole: its texts move into the tokenizer.
Expected<Tokenizer> make_gguf_tokenizer(GgufVocabulary vocabulary);

}  // namespace scsim::exec
