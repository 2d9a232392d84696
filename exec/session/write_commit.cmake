# Writes OUT, which defines source_commit(), when the commit of SOURCE is another than OUT says.
execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  set(commit unknown)
else()
  execute_process(COMMAND git -C ${SOURCE} diff --quiet HEAD ERROR_QUIET RESULT_VARIABLE changed)
  if(NOT changed EQUAL 0)
    string(APPEND commit "+")
  endif()
endif()
set(text "#include \"exec/session/commit.h\"

namespace scsim::exec {

std::string_view source_commit() { return \"${commit}\"; }

}  // namespace scsim::exec
")
set(before "")
if(EXISTS ${OUT})
  file(READ ${OUT} before)
endif()
if(NOT before STREQUAL text)
  file(WRITE ${OUT} "${text}")
endif()
