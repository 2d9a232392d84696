// What methods that compress prompts share (llmlingua): behind the rewriting all is full attention.
#pragma once

#include "methods/contract.h"

namespace scsim::methods {

// What is compressed are the documents of a prompt, or of a session's first prompt where none are
// known all of it; questions and what templates put around them stay. The scorer sees one document
// at a time or all of them, never a question: whoever has the same documents gets the same.
class RewritingContract : public KvContract {
 public:
  PairBounds prefill_pairs(const AttentionLayer& layer, Tokens fresh,
                           Tokens cached) const override {
    const double pairs = causal_pairs(layer, fresh, cached);
    return {.least = pairs, .most = pairs};
  }
  Bytes kept_bytes(const AttentionLayer& layer, Tokens tokens) const override {
    return dense_bytes(layer, tokens);
  }
  DecodeReads decode_reads(const AttentionLayer& layer, Tokens tokens) const override {
    const Bytes all = dense_bytes(layer, tokens);
    return {.hbm = all, .host = Bytes{0}, .resident = all};
  }
  // A shorter prefix of the same documents would have been compressed otherwise.
  ReuseClass reuse(SessionMode) const override { return ReuseClass::kLossy; }
  Addressable addressable() const override { return Addressable::kWhole; }
  SecondQuestion second_question() const override { return SecondQuestion::kAppendsInFull; }
};

}  // namespace scsim::methods
