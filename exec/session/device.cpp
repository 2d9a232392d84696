#include "exec/session/device.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <array>

#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

Expected<c10::Device> open_cuda(const std::string& name, int index) {
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const char* why = dlerror();
    return Error{"device " + name + ": libtorch's CUDA half cannot be loaded: " +
                 (why != nullptr ? why : "no reason given")};
  }
  const int devices = static_cast<unsigned char>(at::detail::getCUDAHooks().deviceCount());
  if (devices <= index) {
    return Error{"device " + name + ": this machine has " + std::to_string(devices) +
                 " CUDA devices"};
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

// "model name : AMD EPYC ..." of /proc/cpuinfo.
std::string cpu_name() {
  const Expected<std::string> text = read_file("/proc/cpuinfo");
  if (!text) return "unknown CPU";
  for (const std::string& line : split(*text, '\n')) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos)
      return std::string(trim(std::string_view(line).substr(colon + 1)));
  }
  return "unknown CPU";
}

}  // namespace

Expected<c10::Device> open_device(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  if (name == "cuda") return open_cuda(name, 0);
  if (name.starts_with("cuda:")) {
    const auto index = parse_unsigned(std::string_view(name).substr(5));
    if (index && *index < 64) return open_cuda(name, static_cast<int>(*index));
  }
  return Error{
      unknown_name("device", name, std::vector<std::string>{"cpu", "cuda", "cuda:0", "cuda:1"})};
}

CalibrationDevice describe_device(c10::Device device) {
  CalibrationDevice described{.name = cpu_name(),
                              .kind = "cpu",
                              .driver = "",
                              .library = std::string("libtorch ") + TORCH_VERSION,
                              .threads = at::get_num_threads(),
                              .memory_bytes = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGE_SIZE)};
  if (device.is_cpu()) return described;
  described.kind = "cuda";
  described.name = device.str();
  described.memory_bytes = 0;  // the host's would be another number
  if (const std::optional<Gpu> gpu = gpu_of(device)) {
    described.name = gpu->name;
    described.memory_bytes = gpu->memory_bytes;
    described.driver = Nvml::open()->driver();
  }
  return described;
}

std::optional<Gpu> gpu_of(c10::Device device) {
  // CUDA numbers the devices it may see, NVML all of them: they meet in the PCI address. The
  // function is of the CUDA runtime, which libtorch's CUDA half has loaded.
  using GetAddress = int(char*, int, int);
  auto* const get_address =
      reinterpret_cast<GetAddress*>(dlsym(RTLD_DEFAULT, "cudaDeviceGetPCIBusId"));
  std::array<char, 32> address{};
  if (get_address == nullptr ||
      get_address(address.data(), static_cast<int>(address.size()), device.index()) != 0) {
    return std::nullopt;
  }
  const Expected<Nvml> nvml = Nvml::open();
  if (!nvml) return std::nullopt;
  const Gpu* gpu = nvml->find(address.data());
  return gpu != nullptr ? std::optional(*gpu) : std::nullopt;
}

std::string clock_description(c10::Device device) {
  return device.is_cpu() ? "steady clock" : "events of the device's stream";
}

}  // namespace scsim::exec
