// Stands for NVIDIA's management library: two GPUs, the second of which has no energy counter. The
// first one's counter rises by 1.5 J at every reading.
#include <cstring>

namespace {

struct Memory {
  unsigned long long total, free, used;
};
int first_gpu, second_gpu;  // only their addresses are used
unsigned long long millijoules = 5000;

constexpr int kSuccess = 0, kNotSupported = 3, kNotFound = 6;

}  // namespace

extern "C" {

int nvmlInit_v2() { return kSuccess; }
int nvmlShutdown() { return kSuccess; }
const char* nvmlErrorString(int) { return "made up"; }
int nvmlSystemGetDriverVersion(char* text, unsigned int size) {
  std::strncpy(text, "999.1", size);
  return kSuccess;
}
int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = 2;
  return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  *device = index == 0 ? &first_gpu : &second_gpu;
  return kSuccess;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* address, void** device) {
  if (std::strcmp(address, "0000:01:00.0") == 0)
    *device = &first_gpu;
  else if (std::strcmp(address, "0000:02:00.0") == 0)
    *device = &second_gpu;
  else
    return kNotFound;
  return kSuccess;
}
int nvmlDeviceGetName(void* device, char* text, unsigned int size) {
  std::strncpy(text, device == &first_gpu ? "First" : "Second", size);
  return kSuccess;
}
int nvmlDeviceGetMemoryInfo(void*, Memory* memory) {
  *memory = {1ULL << 30, 1ULL << 29, 1ULL << 29};
  return kSuccess;
}
int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* energy) {
  if (device != &first_gpu) return kNotSupported;
  *energy = millijoules += 1500;
  return kSuccess;
}
}
