#include "exec/text/sentencepiece_normalizer.h"

#include <cstring>

#include "exec/text/characters.h"
#include "exec/text/words.h"

namespace scsim::exec {
namespace {

// One unit of the trie: a label, an offset to its children, and whether a value lies there.
bool has_value(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFFu; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FFu; }
std::uint32_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & 0x200u) >> 6); }

}  // namespace

Expected<CharacterMap> CharacterMap::parse(std::string_view blob) {
  CharacterMap map;
  if (blob.empty()) return map;
  std::uint32_t trie_bytes = 0;
  if (blob.size() >= sizeof trie_bytes) std::memcpy(&trie_bytes, blob.data(), sizeof trie_bytes);
  const std::size_t start = sizeof trie_bytes;
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || blob.size() < start ||
      trie_bytes > blob.size() - start || blob.back() != '\0') {
    return Error{"its table of characters (precompiled_charsmap) is damaged"};
  }
  map.units_.resize(trie_bytes / 4);
  std::memcpy(map.units_.data(), blob.data() + start, trie_bytes);
  map.replacements_ = blob.substr(start + trie_bytes);
  return map;
}

template <class Hear>
void CharacterMap::matches(std::string_view text, const Hear& hear) const {
  if (units_.empty()) return;
  std::size_t at = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    at ^= byte;
    if (at >= units_.size() || label_of(units_[at]) != byte) break;
    const std::uint32_t unit = units_[at];
    at ^= offset_of(unit);
    if (!has_value(unit)) continue;
    if (at >= units_.size()) break;
    const std::uint32_t value = value_of(units_[at]);
    if (value >= replacements_.size()) continue;
    if (!hear(Match{i + 1, replacements_.c_str() + value})) return;
  }
}

CharacterMap::Match CharacterMap::longest(std::string_view text) const {
  Match best;
  matches(text, [&best](const Match& match) {
    best = match;
    return true;
  });
  return best;
}

CharacterMap::Match CharacterMap::shortest(std::string_view text) const {
  Match found;
  matches(text, [&found](const Match& match) {
    found = match;
    return false;
  });
  return found;
}

std::string mapped_by_grapheme(const CharacterMap& map, std::string_view text) {
  std::string mapped;
  mapped.reserve(text.size());
  const auto take = [&](std::string_view part) {
    const CharacterMap::Match match = map.shortest(part);
    if (match.bytes > 0) mapped += match.replacement;
    return match.bytes > 0;
  };
  for (const std::string_view grapheme : graphemes(text)) {
    if (grapheme.size() < 6 && take(grapheme)) continue;
    for (std::size_t at = 0; at < grapheme.size();) {
      const std::string_view one = grapheme.substr(at, character_at(grapheme.data() + at).bytes);
      if (!take(one)) mapped += one;
      at += one.size();
    }
  }
  return mapped;
}

std::string SentencePieceNormalizer::normalize(std::string_view text) const {
  const auto next = [&](std::string_view rest) -> CharacterMap::Match {
    if (const std::size_t bytes = kept.match(rest); bytes > 0)
      return {bytes, rest.substr(0, bytes)};
    const CharacterMap::Match match = map.longest(rest);
    if (match.bytes > 0) return match;
    const std::size_t bytes = character_at(rest.data()).bytes;
    return {bytes, rest.substr(0, bytes)};
  };
  if (remove_extra_spaces) {
    while (!text.empty()) {
      const CharacterMap::Match match = next(text);
      if (match.replacement != " ") break;
      text.remove_prefix(match.bytes);
    }
  }
  std::string normal;
  if (text.empty()) return normal;
  const std::string_view space = escape_spaces ? kMark : " ";
  normal.reserve(text.size() + text.size() / 4 + space.size());
  if (add_dummy_prefix && !space_is_suffix) normal += space;
  bool after_space = remove_extra_spaces;
  while (!text.empty()) {
    CharacterMap::Match match = next(text);
    text.remove_prefix(match.bytes);
    while (after_space && match.replacement.starts_with(' ')) match.replacement.remove_prefix(1);
    for (const char c : match.replacement) {
      if (c == ' ') {
        normal += space;
      } else {
        normal += c;
      }
    }
    if (!match.replacement.empty()) after_space = match.replacement.ends_with(' ');
    if (!remove_extra_spaces) after_space = false;
  }
  if (remove_extra_spaces) {
    while (normal.ends_with(space)) normal.resize(normal.size() - space.size());
  }
  if (add_dummy_prefix && space_is_suffix) normal += space;
  return normal;
}

}  // namespace scsim::exec
