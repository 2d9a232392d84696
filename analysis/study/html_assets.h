// What is put inside report.html of a study (written by scsim_embed()).
#pragma once

#include <string_view>

namespace scsim::analysis {

std::string_view study_js();

}  // namespace scsim::analysis
