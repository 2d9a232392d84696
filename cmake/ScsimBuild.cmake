# Compiler settings, dependencies, and scsim_library(): one target per folder of the tree, which
# sees only the folders it links.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1")          # checks are always on, in every build type
set(CMAKE_CXX_FLAGS_RELEASE "-O3")
set(CMAKE_EXE_LINKER_FLAGS_DEV "")

find_program(SCSIM_CCACHE ccache)
if(SCSIM_CCACHE)
  # Paths below the tree are taken relative to it, so that another clone finds what this one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros ${SCSIM_CCACHE})
endif()

find_package(Protobuf 3.21 REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(LibArchive REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(OPENMPI QUIET IMPORTED_TARGET ompi-c)   # studies under mpirun, where it is there

add_library(scsim_flags INTERFACE)
# The same bytes everywhere: no contraction of a*b+c into one rounding, no reassociation.
target_compile_options(scsim_flags INTERFACE -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow=local
  -Wno-restrict)   # g++ 12 sees overlaps in std::string's own operator+ (its bug 105651)
if(SCSIM_WERROR)
  target_compile_options(scsim_flags INTERFACE -Werror)
endif()
if(SCSIM_SANITIZE)
  target_compile_options(scsim_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(scsim_flags INTERFACE -fsanitize=address,undefined)
endif()

# Linked by what computes for a model: fast enough to test with in Dev, where the rest is built to compile fast.
add_library(scsim_numeric INTERFACE)
target_compile_options(scsim_numeric INTERFACE $<$<CONFIG:Dev>:-O2>)

# scsim_library(NAME FOLDER traces SOURCES ... LINKS ...): target scsim::NAME. Its headers are seen as
# "FOLDER/x.h" by those who link it and by nobody else: each folder has an include path of its own.
function(scsim_library name)
  cmake_parse_arguments(arg "" "FOLDER" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  string(REPLACE "/" "_" root ${arg_FOLDER})
  set(root ${CMAKE_BINARY_DIR}/include/${root})
  cmake_path(GET arg_FOLDER PARENT_PATH parent)
  file(MAKE_DIRECTORY ${root}/${parent})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${arg_FOLDER} ${root}/${arg_FOLDER} SYMBOLIC)
  add_library(scsim_${name} STATIC ${arg_SOURCES})
  add_library(scsim::${name} ALIAS scsim_${name})
  target_include_directories(scsim_${name} PUBLIC ${root})
  target_link_libraries(scsim_${name} PUBLIC ${arg_LINKS} PRIVATE scsim_flags ${arg_PRIVATE_LINKS})
endfunction()

# scsim_embed(out.cpp HEADER a/x.h NAMESPACE ns FILES name=path ...): files as functions of the header,
# for what a program carries inside.
function(scsim_embed out)
  cmake_parse_arguments(arg "" "HEADER;NAMESPACE" "FILES" ${ARGN})
  set(paths "")
  foreach(entry ${arg_FILES})
    string(REGEX REPLACE "^[^=]*=" "" path ${entry})
    list(APPEND paths ${path})
  endforeach()
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DHEADER=${arg_HEADER} -DNAMESPACE=${arg_NAMESPACE} "-DFILES=${arg_FILES}"
      -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${paths} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
endfunction()
