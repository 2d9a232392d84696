// Merges and alphabets out of the names in a vocabulary, for the loaders.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "exec/text/tokenizer_parts.h"
#include "traces/expected.h"

namespace scsim::exec {

// One merge by the names of its sides. An Error says which side, or what they make, is no token.
// REQUIRES: finish_vocabulary() was called.
Expected<void> add_merge(TokenizerParts& parts, std::string_view left, std::string_view right,
                         std::uint32_t rank);
// "left right" as files write it: the space is the one between two tokens.
Expected<void> add_merge_line(TokenizerParts& parts, std::string_view line, std::uint32_t rank);

// Which ids the model may give; what a file calls added, control or unused is not.
using IsOrdinary = std::function<bool(std::int32_t id)>;

// Byte-level: symbols are bytes, and texts are what the names stand for.
void use_byte_alphabet(TokenizerParts& parts, const IsOrdinary& ordinary, bool whole_words);
// Characters, with a fallback of byte tokens where `byte_fallback`; texts are the names with spaces
// for marks. Chooses the rule of words that cuts most and changes nothing.
void use_character_alphabet(TokenizerParts& parts, const IsOrdinary& ordinary, bool byte_fallback);

}  // namespace scsim::exec
