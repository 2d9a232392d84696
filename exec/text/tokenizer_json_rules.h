// The sections of a tokenizer.json that are lists of steps: normalizer, pre_tokenizer,
// post_processor and decoder, in the combinations that our families use. Each refusal names the
// step and what is known.
#pragma once

#include <string>

#include "exec/text/json.h"
#include "exec/text/tokenizer_parts.h"
#include "traces/expected.h"

namespace scsim::exec {

std::string model_type(const Json& root);  // "BPE" where the file does not say

// Each reads its section of `root` into `parts`; the error begins with the section's name.
Expected<void> read_normalizer(const Json& root, TokenizerParts& parts);
// Sets parts.alphabet.bytes too: that vocabularies are byte-level is said here.
Expected<void> read_pre_tokenizer(const Json& root, TokenizerParts& parts);
// REQUIRES: parts.ids is filled.
Expected<void> read_post_processor(const Json& root, TokenizerParts& parts);
Expected<void> read_decoder(const Json& root, TokenizerParts& parts);

}  // namespace scsim::exec
