// What report.html carries inside: written into a .cpp at build time by html/embed.cmake.
#pragma once

#include <string_view>

namespace scsim::analysis {

std::string_view chart_js();    // Chart.js 3 as Debian's libjs-chart.js has it
std::string_view report_js();   // html/report.js
std::string_view store_js();    // html/store.js: the charts of a store, after report.js
std::string_view cache_js();    // html/cache.js: the charts of `scsim cache`, after report.js
std::string_view report_css();  // html/report.css

}  // namespace scsim::analysis
