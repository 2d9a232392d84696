// What SentencePiece does to a text before it looks for pieces: characters mapped by the longest
// match in a table that the model carries, spaces dropped or kept, spaces made visible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exec/text/added_tokens.h"
#include "traces/expected.h"

namespace scsim::exec {

// The table of a model: a double-array trie (of the Darts-clone library's layout) from what is
// found to an offset in a block of zero-ended replacements.
class CharacterMap {
 public:
  CharacterMap() = default;  // maps nothing
  static Expected<CharacterMap> parse(std::string_view blob);

  struct Match {
    std::size_t bytes = 0;  // 0: nothing matches here
    std::string_view replacement;
  };
  Match longest(std::string_view text) const;
  Match shortest(std::string_view text) const;
  bool empty() const { return units_.empty(); }

 private:
  // Hears of every match at the front of `text`, the shortest first, until it wants no more.
  template <class Hear>
  void matches(std::string_view text, const Hear& hear) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

// What the `tokenizers` library makes of such a table (its normalizer Precompiled): where anything
// matches at the front of a grapheme of less than six bytes, the shortest such match stands for all
// of it; other graphemes go character by character.
std::string mapped_by_grapheme(const CharacterMap& map, std::string_view text);

struct SentencePieceNormalizer {
  CharacterMap map;
  AddedTokens kept;  // user-defined symbols, which the map leaves alone
  bool add_dummy_prefix = true;
  bool remove_extra_spaces = true;
  bool escape_spaces = true;
  bool space_is_suffix = false;

  std::string normalize(std::string_view text) const;
};

}  // namespace scsim::exec
