// Steps of a tokenizer.json that encoders have: XLM-RoBERTa's table of characters, BERT's cleaning,
// both ones' frames and BERT's decoder.
#pragma once

#include <string>

#include "exec/text/json.h"
#include "exec/text/tokenizer_parts.h"
#include "traces/expected.h"

namespace scsim::exec {

Expected<void> read_precompiled(const Json& step, TokenizerParts& parts);
Expected<void> read_bert_normalizer(const Json& step, TokenizerParts& parts);
// BertProcessing and RobertaProcessing: a pair of a name and an id each, "cls" and "sep".
Expected<void> read_class_and_separator(const Json& step, const std::string& type,
                                        TokenizerParts& parts);
// What tokens decode to by a WordPiece decoder. REQUIRES: parts.names are final.
void use_word_piece_texts(const Json& decoder, TokenizerParts& parts);

}  // namespace scsim::exec
