// The alphabet in which byte-level vocabularies are written: each of the 256 bytes as a character
// that can be seen, so that a space is "\u0120" and "é", two bytes, is "Ã©".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace scsim::exec {

// The bytes that a name stands for; none where a character of it is not of the alphabet.
std::optional<std::string> bytes_of_name(std::string_view name);
std::string name_of_bytes(std::string_view bytes);

// The byte of "<0x0A>"; none of anything else.
std::optional<std::uint8_t> byte_of_fallback_name(std::string_view name);

}  // namespace scsim::exec
