// The scripts of the reports: written into a .cpp at build time by cmake/embed.cmake.
#pragma once

#include <string_view>

namespace scsim::analysis {

std::string_view report_js();  // html/report.js
std::string_view store_js();   // html/store.js: the charts of a store
std::string_view cache_js();   // html/cache.js: the charts of `scsim cache`

}  // namespace scsim::analysis
