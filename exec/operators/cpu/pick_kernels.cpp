#include <cstdlib>
#include <cstring>

#include "exec/operators/cpu/kernels.h"

namespace scsim::exec {
namespace {

bool has_avx2() {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

const CpuKernels& pick() {
  const char* wanted = std::getenv("SCSIM_CPU_KERNELS");
  if (wanted && std::strcmp(wanted, "portable") == 0) return portable::kernels();
#ifdef __x86_64__
  if (has_avx2()) return avx2::kernels();
#endif
  return portable::kernels();
}

}  // namespace

const CpuKernels& cpu_kernels() {
  static const CpuKernels& picked = pick();
  return picked;
}

}  // namespace scsim::exec
