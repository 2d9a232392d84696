// NVIDIA's management library, loaded when it is there: what it says of a GPU.
//
//   auto nvml = Nvml::open();                    // or why not
//   auto gpu = nvml->find("0000:65:00.0");       // a PCI address, as CUDA gives it
//   meter.counters.push_back(gpu->energy);
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exec/session/energy.h"
#include "traces/expected.h"

namespace scsim::exec {

struct Gpu {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::int64_t memory_bytes = 0;
  std::optional<EnergyCounter> energy;  // "nvml gpu 0"; absent on GPUs before Volta
};

class Nvml {
 public:
  // The error says what is missing.
  static Expected<Nvml> open(const std::string& library = "libnvidia-ml.so.1");

  const std::string& driver() const { return driver_; }  // "570.86.15"
  const std::vector<Gpu>& gpus() const { return gpus_; }
  // The one at this PCI address; null: none is.
  const Gpu* find(const std::string& pci_address) const;

 private:
  struct Library;
  std::shared_ptr<const Library> library_;
  std::string driver_;
  std::vector<Gpu> gpus_;
};

}  // namespace scsim::exec
