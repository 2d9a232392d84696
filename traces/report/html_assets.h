// What every HTML report carries inside: written into a .cpp at build time by cmake/embed.cmake.
#pragma once

#include <string_view>

namespace scsim {

std::string_view chart_js();    // Chart.js 3 as Debian's libjs-chart.js has it
std::string_view charts_js();   // html/charts.js: what our charts have in common
std::string_view report_css();  // html/report.css

}  // namespace scsim
