// The small tokenizers of tests/data/tokenizers, and the 20,000 lines they were tried on. The
// script there makes both; what it says of the lines is in expected.json, as a hash for every
// thousand.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec/text/gguf_vocabulary.h"
#include "exec/text/tokenizer.h"
#include "traces/expected.h"

namespace scsim::exec::test {

inline constexpr int kLines = 20'000, kChunk = 1'000;

const std::vector<std::string>& lines();  // bytes; some are not UTF-8

std::string fixture_text(
    const std::string& name);  // tests/data/tokenizers/NAME, of NAME.zst if need be
const std::vector<std::string>& json_fixtures();   // names of tokenizer.json files
const std::vector<std::string>& model_fixtures();  // names of tokenizer.model files
Expected<Tokenizer> load_fixture(const std::string& name);

// A tokenizer.json or tokenizer.model with these bytes.
Expected<Tokenizer> load_json_text(const std::string& json);
Expected<Tokenizer> load_model_bytes(const std::string& bytes);

// The vocabulary of a byte-level fixture as a GGUF file would have it.
GgufVocabulary as_gguf(const std::string& name, const std::string& pre);

// The script's hash of a list of ids (or bytes), upon what was hashed before.
std::uint64_t hash_ids(std::uint64_t so_far, std::span<const std::int32_t> ids);
std::uint64_t hash_text(std::uint64_t so_far, std::string_view text);

}  // namespace scsim::exec::test
