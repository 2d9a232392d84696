// The few functions that are used, by their binary interface: it is stable, and its header is not
// to be had everywhere.
#include "exec/session/nvml.h"

#include <dlfcn.h>

#include <array>
#include <utility>

namespace scsim::exec {
namespace {

using Device = struct NvmlDevice*;  // opaque
constexpr int kSuccess = 0;

struct Memory {
  unsigned long long total, free, used;
};

template <class Function>
void load(void* library, const char* name, Function*& function, std::string& missing) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  if (function == nullptr && missing.empty()) missing = name;
}

}  // namespace

struct Nvml::Library {
  explicit Library(void* opened) : handle(opened) {
    load(handle, "nvmlInit_v2", init, missing);
    load(handle, "nvmlShutdown", shutdown, missing);
    load(handle, "nvmlErrorString", error_string, missing);
    load(handle, "nvmlSystemGetDriverVersion", driver_version, missing);
    load(handle, "nvmlDeviceGetCount_v2", count, missing);
    load(handle, "nvmlDeviceGetHandleByIndex_v2", by_index, missing);
    load(handle, "nvmlDeviceGetHandleByPciBusId_v2", by_address, missing);
    load(handle, "nvmlDeviceGetName", name, missing);
    load(handle, "nvmlDeviceGetMemoryInfo", memory, missing);
    load(handle, "nvmlDeviceGetTotalEnergyConsumption", energy, missing);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (started) shutdown();
    dlclose(handle);
  }

  std::string says(int status) const {
    const char* text = error_string(status);
    return text != nullptr ? text : "error " + std::to_string(status);
  }

  void* handle;
  std::string missing;  // the first function that is
  bool started = false;
  std::vector<Device> devices;  // as gpus()

  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  const char* (*error_string)(int) = nullptr;
  int (*driver_version)(char*, unsigned int) = nullptr;
  int (*count)(unsigned int*) = nullptr;
  int (*by_index)(unsigned int, Device*) = nullptr;
  int (*by_address)(const char*, Device*) = nullptr;
  int (*name)(Device, char*, unsigned int) = nullptr;
  int (*memory)(Device, Memory*) = nullptr;
  int (*energy)(Device, unsigned long long*) = nullptr;  // millijoules since the driver was loaded
};

Expected<Nvml> Nvml::open(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return Error{"NVIDIA's management library cannot be loaded: " +
                 std::string(why != nullptr ? why : path) + "; it comes with the driver"};
  }
  const auto library = std::make_shared<Library>(handle);
  if (!library->missing.empty()) return Error{path + " is too old: it has no " + library->missing};
  if (const int status = library->init(); status != kSuccess)
    return Error{path + " does not start: " + library->says(status)};
  library->started = true;
  Nvml nvml;
  std::array<char, 96> text{};
  if (library->driver_version(text.data(), text.size()) == kSuccess) nvml.driver_ = text.data();
  unsigned int count = 0;
  if (const int status = library->count(&count); status != kSuccess)
    return Error{path + " counts no GPUs: " + library->says(status)};
  for (unsigned int i = 0; i < count; ++i) {
    Device device = nullptr;
    if (library->by_index(i, &device) != kSuccess) continue;  // not ours to see
    Gpu gpu;
    if (library->name(device, text.data(), text.size()) == kSuccess) gpu.name = text.data();
    Memory memory{};
    if (library->memory(device, &memory) == kSuccess)
      gpu.memory_bytes = static_cast<std::int64_t>(memory.total);
    unsigned long long ignored = 0;
    if (library->energy(device, &ignored) == kSuccess) {
      gpu.energy = EnergyCounter{.source = "nvml gpu " + std::to_string(i),
                                 .read = [library = std::shared_ptr<const Library>(library),
                                          device]() -> std::optional<double> {
                                   unsigned long long millijoules = 0;
                                   if (library->energy(device, &millijoules) != kSuccess)
                                     return std::nullopt;
                                   return static_cast<double>(millijoules) / 1000;
                                 },
                                 .range = 0};
    }
    library->devices.push_back(device);
    nvml.gpus_.push_back(std::move(gpu));
  }
  nvml.library_ = library;
  return nvml;
}

const Gpu* Nvml::find(const std::string& pci_address) const {
  Device device = nullptr;
  if (library_->by_address(pci_address.c_str(), &device) != kSuccess) return nullptr;
  for (std::size_t i = 0; i < gpus_.size(); ++i) {
    if (library_->devices[i] == device) return &gpus_[i];
  }
  return nullptr;
}

}  // namespace scsim::exec
