# cmake -DOUT=x.cpp -DCHART_JS=... -DREPORT_JS=... -DSTORE_JS=... -DCACHE_JS=... -DREPORT_CSS=... -P embed.cmake
# Writes the files as functions of analysis/html_assets.h.
set(text "// Written by analysis/html/embed.cmake.\n#include \"analysis/html_assets.h\"\n\nnamespace scsim::analysis {\n")
foreach(asset CHART_JS REPORT_JS STORE_JS CACHE_JS REPORT_CSS)
  string(TOLOWER ${asset} function)
  file(READ ${${asset}} content)
  if(content MATCHES "</script")
    message(FATAL_ERROR "${${asset}} contains </script and cannot stand inside a page")
  endif()
  string(APPEND text "\nstd::string_view ${function}() {\n  return R\"asset(${content})asset\";\n}\n")
endforeach()
file(WRITE ${OUT} "${text}\n}  // namespace scsim::analysis\n")
