#include "exec/text/added_tokens.h"

#include <algorithm>

#include "exec/text/characters.h"

namespace scsim::exec {
namespace {

bool is_space(char32_t code) { return CharacterClasses::get()[code] == CharacterClass::kSpace; }

bool begins_with_word(std::string_view text) {
  return !text.empty() && is_word_character(character_at(text.data()).code);
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word_character(character_before(text).code);
}

std::size_t spaces_at_start(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const Character character = character_at(text.data() + length);
    if (!is_space(character.code)) break;
    length += character.bytes;
  }
  return length;
}

std::size_t spaces_at_end(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const Character character = character_before(text.substr(0, text.size() - length));
    if (!is_space(character.code)) break;
    length += character.bytes;
  }
  return length;
}

}  // namespace

void AddedTokens::add(const AddedToken& token) {
  if (token.content.empty()) return;
  std::int32_t node = 0;
  for (const char c : token.content) {
    std::int32_t next = child(node, c);
    if (next < 0) {
      next = static_cast<std::int32_t>(nodes_.size());
      nodes_[static_cast<std::size_t>(node)].children.emplace_back(c, next);
      nodes_.emplace_back();
    }
    node = next;
  }
  Node& last = nodes_[static_cast<std::size_t>(node)];
  if (last.token >= 0) return;
  last.token = static_cast<std::int32_t>(tokens_.size());
  tokens_.push_back(token);
  begins_[static_cast<std::uint8_t>(token.content.front())] = true;
}

std::int32_t AddedTokens::child(std::int32_t node, char c) const {
  for (const auto& [byte, next] : nodes_[static_cast<std::size_t>(node)].children) {
    if (byte == c) return next;
  }
  return -1;
}

std::int32_t AddedTokens::longest(std::string_view text) const {
  std::int32_t best = -1;
  std::int32_t node = 0;
  for (const char c : text) {
    node = child(node, c);
    if (node < 0) break;
    const std::int32_t token = nodes_[static_cast<std::size_t>(node)].token;
    if (token >= 0) best = token;
  }
  return best;
}

std::size_t AddedTokens::match(std::string_view text) const {
  if (text.empty() || !begins_[static_cast<std::uint8_t>(text[0])]) return 0;
  const std::int32_t found = longest(text);
  return found < 0 ? 0 : tokens_[static_cast<std::size_t>(found)].content.size();
}

void AddedTokens::split(std::string_view text, bool skip_special,
                        std::vector<Piece>& pieces) const {
  std::size_t given = 0;  // what lies before is in pieces
  if (!tokens_.empty()) {
    for (std::size_t at = 0; at < text.size();) {
      if (!begins_[static_cast<std::uint8_t>(text[at])]) {
        ++at;
        continue;
      }
      const std::int32_t found = longest(text.substr(at));
      if (found < 0) {
        ++at;
        continue;
      }
      const AddedToken& token = tokens_[static_cast<std::size_t>(found)];
      std::size_t start = at;
      std::size_t stop = at + token.content.size();
      at = stop;
      if (skip_special && token.special) continue;
      if (token.single_word &&
          (ends_with_word(text.substr(0, start)) || begins_with_word(text.substr(stop)))) {
        continue;
      }
      if (token.lstrip) {
        start = std::max(given, start - spaces_at_end(text.substr(0, start)));
      }
      if (token.rstrip) stop += spaces_at_start(text.substr(stop));
      if (given < start) pieces.push_back({text.substr(given, start - given), -1});
      pieces.push_back({text.substr(start, stop - start), token.id});
      given = stop;
    }
  }
  if (given < text.size()) pieces.push_back({text.substr(given), -1});
}

}  // namespace scsim::exec
