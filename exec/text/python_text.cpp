#include "exec/text/python_text.h"

#include <algorithm>

#include "exec/text/characters.h"

namespace scsim::exec {
namespace {

bool is_python_space(char32_t code) {
  // ASCII's four separators are spaces to Python, not to Unicode's property.
  return CharacterClasses::get()[code] == CharacterClass::kSpace || (code >= 0x1C && code <= 0x1F);
}

}  // namespace

std::string_view python_strip(std::string_view text) {
  while (!text.empty()) {
    const Character first = character_at(text.data());
    if (!is_python_space(first.code)) break;
    text.remove_prefix(first.bytes);
  }
  while (!text.empty()) {
    const Character last = character_before(text);
    if (!is_python_space(last.code)) break;
    text.remove_suffix(last.bytes);
  }
  return text;
}

std::string_view strip_newlines_left(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text;
}

std::string_view strip_newlines_right(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

}  // namespace scsim::exec
