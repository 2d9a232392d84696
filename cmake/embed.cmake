# cmake -DOUT=x.cpp -DHEADER=a/x.h -DNAMESPACE=scsim -DFILES=chart_js=...;report_css=... -P embed.cmake
# Writes the files as functions that the header declares, each `std::string_view NAME()`; see scsim_embed().
set(text "// Written by cmake/embed.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
foreach(entry ${FILES})
  string(REGEX MATCH "^([^=]*)=(.*)$" matched "${entry}")
  set(function ${CMAKE_MATCH_1})
  set(path ${CMAKE_MATCH_2})
  file(READ ${path} content)
  if(content MATCHES "</script")
    message(FATAL_ERROR "${path} contains </script and cannot stand inside a page")
  endif()
  string(APPEND text "\nstd::string_view ${function}() {\n  return R\"asset(${content})asset\";\n}\n")
endforeach()
file(WRITE ${OUT} "${text}\n}  // namespace ${NAMESPACE}\n")
