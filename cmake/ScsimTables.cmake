# The tables of what can be chosen by name. One line adds an entry:
#
#   add_policy(lru eviction)     sim/policies/lru.cpp, tests/sim/policies/lru_test.cpp; the other table is `router`
#   add_trace_format(mooncake)   traces/mooncake_importer.cpp, tests/traces/mooncake_importer_test.cpp
#   add_cost_model(roofline)     cost_models/roofline.cpp, tests/cost_models/roofline_test.cpp
#   add_method(full)             methods/full/contract.cpp, methods/full/runtime.cpp, tests/methods/full_test.cpp;
#                                names behind it are further sources of its folder that need libtorch
#   add_scorer(kv)               exec/scorers/kv_scorer.cpp, tests/exec/scorers/kv_scorer_test.cpp
#   add_task(kv)                 exec/tasks/kv.cpp, tests/exec/tasks/kv_test.cpp
#
# The source defines `scsim::sim::EvictionEntry scsim::sim::lru_policy()` (routers: RouterEntry; formats:
# `scsim::TraceFormat scsim::mooncake_format()`; cost models: `scsim::cost_models::CostModelEntry
# scsim::cost_models::roofline_cost_model()`; methods, in scsim::methods: `MethodEntry full_method()` and
# `MethodRuntimeEntry full_runtime()`; in scsim::exec: `ScorerEntry kv_scorer()`, `TaskEntry kv_task()`); the
# generated table calls each in the order of the lines.

function(scsim_table_entry kind source test)
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${source})
    message(FATAL_ERROR "${kind}: ${source} is missing")
  endif()
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${test})
    message(FATAL_ERROR "${kind}: ${source} has no test; expected ${test}")
  endif()
endfunction()

macro(add_policy name table)
  if(NOT "${table}" MATCHES "^(router|eviction)$")
    message(FATAL_ERROR "add_policy(${name} ${table}): the tables are router and eviction")
  endif()
  scsim_table_entry("add_policy(${name} ${table})" sim/policies/${name}.cpp tests/sim/policies/${name}_test.cpp)
  list(APPEND SCSIM_POLICIES_${table} ${name})
  list(APPEND SCSIM_POLICY_SOURCES ${CMAKE_SOURCE_DIR}/sim/policies/${name}.cpp)
endmacro()

macro(add_trace_format name)
  scsim_table_entry("add_trace_format(${name})" traces/${name}_importer.cpp tests/traces/${name}_importer_test.cpp)
  list(APPEND SCSIM_TRACE_FORMATS ${name})
  list(APPEND SCSIM_TRACE_FORMAT_SOURCES ${CMAKE_SOURCE_DIR}/traces/${name}_importer.cpp)
endmacro()

macro(add_cost_model name)
  scsim_table_entry("add_cost_model(${name})" cost_models/${name}.cpp tests/cost_models/${name}_test.cpp)
  list(APPEND SCSIM_COST_MODELS ${name})
  list(APPEND SCSIM_COST_MODEL_SOURCES ${CMAKE_SOURCE_DIR}/cost_models/${name}.cpp)
endmacro()

macro(add_method name)
  scsim_table_entry("add_method(${name})" methods/${name}/contract.cpp tests/methods/${name}_test.cpp)
  scsim_table_entry("add_method(${name})" methods/${name}/runtime.cpp tests/methods/${name}_test.cpp)
  list(APPEND SCSIM_METHODS ${name})
  list(APPEND SCSIM_METHOD_CONTRACTS ${CMAKE_SOURCE_DIR}/methods/${name}/contract.cpp)
  list(APPEND SCSIM_METHOD_RUNTIMES ${CMAKE_SOURCE_DIR}/methods/${name}/runtime.cpp)
  foreach(source ${ARGN})
    list(APPEND SCSIM_METHOD_RUNTIMES ${CMAKE_SOURCE_DIR}/methods/${name}/${source})
  endforeach()
endmacro()

macro(add_scorer name)
  scsim_table_entry("add_scorer(${name})" exec/scorers/${name}_scorer.cpp tests/exec/scorers/${name}_scorer_test.cpp)
  list(APPEND SCSIM_SCORERS ${name})
  list(APPEND SCSIM_SCORER_SOURCES ${CMAKE_SOURCE_DIR}/exec/scorers/${name}_scorer.cpp)
endmacro()

macro(add_task name)
  scsim_table_entry("add_task(${name})" exec/tasks/${name}.cpp tests/exec/tasks/${name}_test.cpp)
  list(APPEND SCSIM_TASKS ${name})
  list(APPEND SCSIM_TASK_SOURCES ${CMAKE_SOURCE_DIR}/exec/tasks/${name}.cpp)
endmacro()

# scsim_write_table(out.cpp HEADER h NAMESPACE ns TYPE RouterEntry FUNCTION router_table SUFFIX policy ENTRIES a b c)
# defines `const std::vector<TYPE>& ns::FUNCTION()`.
function(scsim_write_table out)
  cmake_parse_arguments(arg "" "HEADER;NAMESPACE;TYPE;FUNCTION;SUFFIX" "ENTRIES" ${ARGN})
  set(declarations "")
  set(calls "")
  foreach(entry ${arg_ENTRIES})
    string(APPEND declarations "${arg_TYPE} ${entry}_${arg_SUFFIX}();\n")
    string(APPEND calls "      ${entry}_${arg_SUFFIX}(),\n")
  endforeach()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT "// Written by cmake/ScsimTables.cmake; the lines are in the folder's CMakeLists.txt.
#include \"${arg_HEADER}\"

namespace ${arg_NAMESPACE} {

${declarations}
const std::vector<${arg_TYPE}>& ${arg_FUNCTION}() {
  static const std::vector<${arg_TYPE}> table = {
${calls}  };
  return table;
}

}  // namespace ${arg_NAMESPACE}
")
endfunction()
