// What methods that compress prompts share (llmlingua): behind the rewriting all is full attention.
#pragma once

#include "methods/contract.h"

namespace scsim::methods {

// What is compressed are the documents of a prompt, or of a session's first prompt where none are
// known all of it; questions and what templates put around them stay. The scorer sees one document
// at a time or all of them, never a question: whoever has the same documents gets the same.
class RewritingContract : public DenseContract {
 public:
  // A shorter prefix of the same documents would have been compressed otherwise.
  ReuseClass reuse(SessionMode) const override { return ReuseClass::kLossy; }
  Addressable addressable() const override { return Addressable::kWhole; }
  SecondQuestion second_question() const override { return SecondQuestion::kAppendsInFull; }
};

}  // namespace scsim::methods
