# Writes OUT, a header that has the text of IN as scsim::exec::NAME.
file(READ ${IN} text)
file(WRITE ${OUT} "// Written by exec/main/embed_text.cmake.
#pragma once

#include <string_view>

namespace scsim::exec {

inline constexpr std::string_view ${NAME} = R\"text(${text})text\";

}  // namespace scsim::exec
")
