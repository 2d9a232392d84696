#include "exec/text/byte_alphabet.h"

#include <array>
#include <charconv>

#include "exec/text/characters.h"

namespace scsim::exec {
namespace {

// Bytes that Latin-1 prints stand for themselves; the other 68 follow from U+0100 on, in order.
constexpr bool is_printed(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabets {
  std::array<char32_t, 256> character;
  std::array<std::int16_t, 0x144> byte;  // -1: not of the alphabet
};

constexpr Alphabets make_alphabets() {
  Alphabets made{};
  made.byte.fill(-1);
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t code = is_printed(byte) ? static_cast<char32_t>(byte) : next++;
    made.character[static_cast<std::size_t>(byte)] = code;
    made.byte[code] = static_cast<std::int16_t>(byte);
  }
  return made;
}

constexpr Alphabets kAlphabets = make_alphabets();

}  // namespace

std::optional<std::string> bytes_of_name(std::string_view name) {
  std::string bytes;
  bytes.reserve(name.size());
  while (!name.empty()) {
    const Character character = character_at(name.data());
    if (character.code >= kAlphabets.byte.size()) return std::nullopt;
    const std::int16_t byte = kAlphabets.byte[character.code];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    name.remove_prefix(character.bytes);
  }
  return bytes;
}

std::string name_of_bytes(std::string_view bytes) {
  std::string name;
  for (const char c : bytes) name += utf8(kAlphabets.character[static_cast<std::uint8_t>(c)]);
  return name;
}

std::optional<std::uint8_t> byte_of_fallback_name(std::string_view name) {
  if (name.size() != 6 || !name.starts_with("<0x") || name.back() != '>') return std::nullopt;
  std::uint8_t byte = 0;
  const auto [end, failure] = std::from_chars(name.data() + 3, name.data() + 5, byte, 16);
  if (failure != std::errc() || end != name.data() + 5) return std::nullopt;
  return byte;
}

}  // namespace scsim::exec
