# libtorch, taken from the `torch` folder of its PyPI wheel: scsim::torch_cpu, and for the targets that
# use it scsim_use_torch(TARGET).
#
# TorchConfig.cmake is not asked: in that wheel it insists on a CUDA toolkit, which nothing here
# compiles with. What a program on CPUs links is two libraries, and they load two more of CUDA's,
# which lie in wheels of their own (nvidia/cu13/lib beside `torch`) or in a toolkit.
# The headers come last in the search (-idirafter), because the wheel carries fmt, protobuf and others
# that would shadow Debian's.

set(SCSIM_TORCH_VERSION 2.11.0)   # that of cmake/wheels.sh, which fetches it

# Where it is: the environment's SCSIM_LIBTORCH, else what was configured before, else the cache folder.
if(DEFINED ENV{SCSIM_CACHE})
  set(cache $ENV{SCSIM_CACHE})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(cache $ENV{XDG_CACHE_HOME}/scsim)
else()
  set(cache $ENV{HOME}/.cache/scsim)
endif()
set(SCSIM_LIBTORCH ${cache}/libtorch-${SCSIM_TORCH_VERSION}/torch CACHE PATH "The folder `torch` of libtorch's wheel")
if(DEFINED ENV{SCSIM_LIBTORCH} AND NOT "$ENV{SCSIM_LIBTORCH}" STREQUAL SCSIM_LIBTORCH)
  set_property(CACHE SCSIM_LIBTORCH PROPERTY VALUE $ENV{SCSIM_LIBTORCH})
  unset(SCSIM_CUDART CACHE)
  unset(SCSIM_CUPTI CACHE)
endif()

foreach(file include/ATen/ATen.h lib/libtorch_cpu.so lib/libc10.so)
  if(NOT EXISTS ${SCSIM_LIBTORCH}/${file})
    message(FATAL_ERROR "no libtorch in SCSIM_LIBTORCH=${SCSIM_LIBTORCH} (${file} is missing there): "
                        "`./scexec doctor` fetches it")
  endif()
endforeach()
if(EXISTS ${SCSIM_LIBTORCH}/version.py)
  file(STRINGS ${SCSIM_LIBTORCH}/version.py version REGEX "^__version__")
  if(NOT version MATCHES "'${SCSIM_TORCH_VERSION}[+']")
    message(FATAL_ERROR "libtorch ${SCSIM_TORCH_VERSION} is expected in SCSIM_LIBTORCH=${SCSIM_LIBTORCH}; "
                        "found: ${version}")
  endif()
endif()

find_library(SCSIM_CUDART libcudart.so.13 PATHS ${SCSIM_LIBTORCH}/../nvidia/cu13/lib
  ENV CUDA_HOME /usr/local/cuda PATH_SUFFIXES . lib64 NO_DEFAULT_PATH)
find_library(SCSIM_CUPTI libcupti.so.13 PATHS ${SCSIM_LIBTORCH}/../nvidia/cu13/lib
  ENV CUDA_HOME /usr/local/cuda PATH_SUFFIXES . lib64 extras/CUPTI/lib64 NO_DEFAULT_PATH)
if(NOT SCSIM_CUDART OR NOT SCSIM_CUPTI)
  message(FATAL_ERROR "libtorch loads libcudart.so.13 and libcupti.so.13, found neither in "
                      "${SCSIM_LIBTORCH}/../nvidia/cu13/lib nor in a CUDA toolkit: `./scexec doctor` fetches them")
endif()
cmake_path(GET SCSIM_CUDART PARENT_PATH cudart_folder)
cmake_path(GET SCSIM_CUPTI PARENT_PATH cupti_folder)
set(folders ${SCSIM_LIBTORCH}/lib ${cudart_folder} ${cupti_folder})
list(REMOVE_DUPLICATES folders)

add_library(scsim_torch_cpu INTERFACE)
add_library(scsim::torch_cpu ALIAS scsim_torch_cpu)
target_compile_options(scsim_torch_cpu INTERFACE "SHELL:-idirafter ${SCSIM_LIBTORCH}/include")
target_link_libraries(scsim_torch_cpu INTERFACE ${SCSIM_LIBTORCH}/lib/libtorch_cpu.so ${SCSIM_LIBTORCH}/lib/libc10.so)
# The old kind of rpath, which also serves what the libraries themselves load: no LD_LIBRARY_PATH is needed.
target_link_options(scsim_torch_cpu INTERFACE -Wl,--disable-new-dtags)
foreach(folder ${folders})
  target_link_options(scsim_torch_cpu INTERFACE -Wl,-rpath,${folder})
endforeach()

# <ATen/ATen.h> takes a dozen seconds a file to read, so it is read once.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/torch_headers.cpp CONTENT "// Owns the precompiled header.\n")
add_library(scsim_torch_headers OBJECT ${CMAKE_BINARY_DIR}/torch_headers.cpp)
target_link_libraries(scsim_torch_headers PRIVATE scsim_flags scsim_numeric scsim::torch_cpu)
target_compile_options(scsim_torch_headers PRIVATE -fpch-preprocess)
target_precompile_headers(scsim_torch_headers PRIVATE <ATen/ATen.h>)

# scsim_use_torch(TARGET): its sources may include libtorch, and it links it.
function(scsim_use_torch target)
  target_link_libraries(${target} PRIVATE scsim_numeric scsim::torch_cpu)
  target_compile_options(${target} PRIVATE -fpch-preprocess)   # ccache asks for it
  target_precompile_headers(${target} REUSE_FROM scsim_torch_headers)
endfunction()
