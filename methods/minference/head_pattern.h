// Which pattern each head of MInference has, as its published files say it:
//
//   Expected<HeadPatterns> patterns = read_head_patterns("Llama_3_8B_..._best_pattern.json");
//   (*patterns)[layer][head]
//
// The format: a list with an object a layer, from the head's number to [type, vertical, slash,
// score]; types are "vertical_and_slash", "stream_llm" (A-shape: `vertical` first tokens, `slash`
// local ones) and "block_sparse" (whose sizes nobody reads). `scexec search-patterns` writes it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "traces/expected.h"

namespace scsim::methods {

enum class PatternKind : std::uint8_t { kVerticalSlash, kAShape, kBlockSparse };

struct HeadPattern {
  PatternKind kind = PatternKind::kVerticalSlash;
  std::int64_t vertical = 1000, slash = 6096;
  double score = 1;  // of the search that found it
  friend bool operator==(const HeadPattern&, const HeadPattern&) = default;
};

// A map a layer: heads that are missing have the default.
using HeadPatterns = std::vector<std::map<std::int64_t, HeadPattern>>;

// Errors name the file, the layer and the head.
Expected<HeadPatterns> read_head_patterns(const std::string& path);
Expected<HeadPatterns> parse_head_patterns(const std::string& json, const std::string& name);
// As read_head_patterns() and the published code read it.
std::string head_patterns_json(const HeadPatterns& patterns);

}  // namespace scsim::methods
