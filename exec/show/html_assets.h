// The script of the page: written into a .cpp at build time by cmake/embed.cmake.
#pragma once

#include <string_view>

namespace scsim::exec {

std::string_view show_js();  // html/show.js

}  // namespace scsim::exec
