// A SentencePiece model as its file (or a GGUF file) says it, and the tokenizer made of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exec/text/sentencepiece_normalizer.h"
#include "exec/text/tokenizer.h"
#include "traces/expected.h"

namespace scsim::exec {

enum class PieceType : std::int32_t {  // the numbers are the format's
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct SentencePieceModel {
  struct Piece {
    std::string name;
    float score = 0;
    PieceType type = PieceType::kNormal;
  };
  std::string source;  // what errors call it
  std::vector<Piece> pieces;
  bool unigram = false;  // else BPE
  bool byte_fallback = false;
  std::int32_t unknown = 0;
  std::string unknown_text = " \xE2\x81\x87 ";  // what it decodes to
  std::int32_t bos = -1, eos = -1;              // -1: none
  std::vector<std::int32_t> ends;               // of an answer, beside eos
  bool add_bos = false, add_eos = false;
  SentencePieceNormalizer normalizer;
  std::string chat_template;
};

Expected<Tokenizer> make_sentencepiece_tokenizer(SentencePieceModel model);

}  // namespace scsim::exec
