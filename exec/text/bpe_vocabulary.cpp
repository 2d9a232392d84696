#include "exec/text/bpe_vocabulary.h"

#include "exec/text/byte_alphabet.h"
#include "exec/text/characters.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

std::string with_spaces(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const bool mark = name.starts_with(kMark);
    text += mark ? ' ' : name.front();
    name.remove_prefix(mark ? kMark.size() : 1);
  }
  return text;
}

// Whether the name has a mark after something else, so that it reaches from one word to the next.
bool reaches_across_words(std::string_view name) {
  while (name.starts_with(kMark)) name.remove_prefix(kMark.size());
  return name.find(kMark) != std::string_view::npos;
}

}  // namespace

Expected<void> add_merge(TokenizerParts& parts, std::string_view left, std::string_view right,
                         std::uint32_t rank) {
  std::string whole(left);
  whole += right;
  const auto left_id = parts.ids.find(left);
  const auto right_id = parts.ids.find(right);
  const auto whole_id = parts.ids.find(whole);
  for (const auto& [name, id] : {std::pair(left, left_id), std::pair(right, right_id),
                                 std::pair(std::string_view(whole), whole_id)}) {
    if (id == parts.ids.end()) {
      return Error{"merge " + std::to_string(rank) + ": " + json_quote(name) +
                   " is not in the vocabulary"};
    }
  }
  parts.merges.add(left_id->second, right_id->second, {rank, whole_id->second});
  return {};
}

Expected<void> add_merge_line(TokenizerParts& parts, std::string_view line, std::uint32_t rank) {
  const std::size_t space = line.find(' ', 1);
  if (space == std::string_view::npos || space + 1 == line.size()) {
    return Error{"merge " + std::to_string(rank) + ": expected two tokens, found " +
                 json_quote(line)};
  }
  return add_merge(parts, line.substr(0, space), line.substr(space + 1), rank);
}

void use_byte_alphabet(TokenizerParts& parts, const IsOrdinary& ordinary, bool whole_words) {
  parts.alphabet.bytes = true;
  parts.alphabet.byte_ids.assign(256, -1);
  for (std::size_t id = 0; id < parts.names.size(); ++id) {
    std::optional<std::string> bytes = bytes_of_name(parts.names[id]);
    parts.texts[id] = bytes ? std::move(*bytes) : parts.names[id];
    const std::string& text = parts.texts[id];
    const auto number = static_cast<std::int32_t>(id);
    if (text.empty() || !ordinary(number)) continue;
    if (text.size() == 1) parts.alphabet.byte_ids[static_cast<std::uint8_t>(text[0])] = number;
    if (whole_words) parts.whole_words.try_emplace(text, number);
  }
}

void use_character_alphabet(TokenizerParts& parts, const IsOrdinary& ordinary, bool byte_fallback) {
  if (byte_fallback) parts.alphabet.byte_ids.assign(256, -1);
  bool across = false;
  for (std::size_t id = 0; id < parts.names.size(); ++id) {
    const std::string& name = parts.names[id];
    const auto number = static_cast<std::int32_t>(id);
    parts.texts[id] = with_spaces(name);
    const std::optional<std::uint8_t> byte = byte_of_fallback_name(name);
    if (byte) {
      parts.texts[id] = std::string(1, static_cast<char>(*byte));
      parts.is_byte[id] = true;
      if (byte_fallback) parts.alphabet.byte_ids[*byte] = number;
    }
    if (name.empty() || !ordinary(number)) continue;
    across |= reaches_across_words(name);
    const Character first = character_at(name.data());
    if (first.bytes == name.size()) parts.alphabet.character_ids[first.code] = number;
  }
  if (parts.words == WordRule::kWhole && !across) parts.words = WordRule::kAfterText;
}

}  // namespace scsim::exec
