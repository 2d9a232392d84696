// What Python's string methods do, where templates call them.
#pragma once

#include <string_view>

namespace scsim::exec {

std::string_view python_strip(std::string_view text);  // of what Unicode, and ASCII, call space
std::string_view strip_newlines_left(std::string_view text);
std::string_view strip_newlines_right(std::string_view text);

}  // namespace scsim::exec
