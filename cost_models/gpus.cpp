// GPUs by their published figures. TFLOP/s are those of dense matrices (data sheets print them with
// 2:4 sparsity, twice as much); link and host bandwidths are per direction (data sheets add both
// up).
//
// What no data sheet says is taken from what such cards report in public logs, and `source` says
// so: `usable_memory` is the total that the CUDA runtime gives (torch's out-of-memory messages
// print it), `idle_watts` what nvidia-smi shows of an idle card. Nobody publishes `link_latency`
// per GPU; the constants below say where ours come from.
#include <algorithm>

#include "cost_models/shapes.h"
#include "traces/text.h"

namespace scsim::cost_models {
namespace {

constexpr double kGB = 1e9, kGiB = 1024.0 * 1024 * 1024, kTera = 1e12;
// The all-reduce kernels of engines take 3.7 to 5.9 us for small sizes on 2 to 8 H100 (sgl-project/
// sglang pull request 2904), and have two exchanges in our model.
constexpr double kNvlinkLatency = 2.5e-6;
// Without NVLink a small all-reduce goes through host memory and takes about 20 us, the usual
// figure of NCCL over PCIe; an assumption rather than a measurement of these cards.
constexpr double kPcieLatency = 10e-6;
// A GPU's part of a node without its GPUs: what NVIDIA rates the system at, less eight GPUs at
// their maximum: DGX H100 and H200 10.2 kW, DGX A100 6.5 kW, DGX B200 14.3 kW (user guides). An
// H100 node at full load was measured at 8.4 kW (Latif et al., IEEE Access 13, 2025, 61740-61747),
// so these are from above. Of servers with PCIe cards we have no rated figure: 2 kW for eight,
// without them, is an assumption.
constexpr double kDgxH200Host = (10200 - 8 * 700) / 8.0, kDgxA100Host = (6500 - 8 * 400) / 8.0,
                 kDgxB200Host = (14300 - 8 * 1000) / 8.0, kPcieHost = 2000 / 8.0;

GpuShape h200() {
  return {.name = "h200",
          .full_name = "NVIDIA H200 SXM",
          .source = "NVIDIA H200 data sheet; usable memory and idle watts as cards report them",
          .memory = Bytes(141 * kGB),
          .usable_memory = Bytes(139.8 * kGiB),
          .memory_bandwidth = BytesPerSecond(4.8 * kTera),
          .bf16 = FlopsPerSecond(989.4 * kTera),
          .fp8 = FlopsPerSecond(1978.9 * kTera),
          .link_bandwidth = BytesPerSecond(450 * kGB),
          .link_latency = Seconds(kNvlinkLatency),
          .host_bandwidth = BytesPerSecond(64 * kGB),
          .idle_watts = 78,
          .peak_watts = 700,
          .host_watts = kDgxH200Host};
}

GpuShape h100() {
  return {.name = "h100",
          .full_name = "NVIDIA H100 SXM 80 GB",
          .source = "NVIDIA H100 data sheet; usable memory and idle watts as cards report them",
          .memory = Bytes(80 * kGB),
          .usable_memory = Bytes(79.1 * kGiB),
          .memory_bandwidth = BytesPerSecond(3.35 * kTera),
          .bf16 = FlopsPerSecond(989.4 * kTera),
          .fp8 = FlopsPerSecond(1978.9 * kTera),
          .link_bandwidth = BytesPerSecond(450 * kGB),
          .link_latency = Seconds(kNvlinkLatency),
          .host_bandwidth = BytesPerSecond(64 * kGB),
          .idle_watts = 71,
          .peak_watts = 700,
          .host_watts = kDgxH200Host};
}

GpuShape a100() {
  return {.name = "a100",
          .full_name = "NVIDIA A100 SXM 80 GB",
          .source =
              "NVIDIA A100 data sheet (no fp8); usable memory and idle watts as cards report "
              "them",
          .memory = Bytes(80 * kGB),
          .usable_memory = Bytes(79.2 * kGiB),
          .memory_bandwidth = BytesPerSecond(2.039 * kTera),
          .bf16 = FlopsPerSecond(312 * kTera),
          .fp8 = FlopsPerSecond(312 * kTera),
          .link_bandwidth = BytesPerSecond(300 * kGB),
          .link_latency = Seconds(kNvlinkLatency),
          .host_bandwidth = BytesPerSecond(32 * kGB),
          .idle_watts = 60,
          .peak_watts = 400,
          .host_watts = kDgxA100Host};
}

GpuShape l40s() {
  return {.name = "l40s",
          .full_name = "NVIDIA L40S 48 GB",
          .source =
              "NVIDIA L40S data sheet (no NVLink: links are PCIe 4.0 x16); usable memory and "
              "idle watts as cards report them",
          .memory = Bytes(48 * kGB),
          .usable_memory = Bytes(44.4 * kGiB),
          .memory_bandwidth = BytesPerSecond(864 * kGB),
          .bf16 = FlopsPerSecond(362.05 * kTera),
          .fp8 = FlopsPerSecond(733 * kTera),
          .link_bandwidth = BytesPerSecond(32 * kGB),
          .link_latency = Seconds(kPcieLatency),
          .host_bandwidth = BytesPerSecond(32 * kGB),
          .idle_watts = 20,
          .peak_watts = 350,
          .host_watts = kPcieHost};
}

GpuShape rtx_4090() {
  return {.name = "rtx-4090",
          .full_name = "NVIDIA GeForce RTX 4090 24 GB",
          .source =
              "NVIDIA Ada architecture white paper, rates with FP32 accumulation (no NVLink: "
              "links are PCIe 4.0 x16 through the host); usable memory and idle watts as "
              "cards report them",
          .memory = Bytes(24 * kGB),
          .usable_memory = Bytes(23.5 * kGiB),
          .memory_bandwidth = BytesPerSecond(1008 * kGB),
          .bf16 = FlopsPerSecond(165.2 * kTera),
          .fp8 = FlopsPerSecond(330.3 * kTera),
          .link_bandwidth = BytesPerSecond(32 * kGB),
          .link_latency = Seconds(kPcieLatency),
          .host_bandwidth = BytesPerSecond(32 * kGB),
          .idle_watts = 20,
          .peak_watts = 450,
          .host_watts = kPcieHost};
}

GpuShape b200() {
  return {.name = "b200",
          .full_name = "NVIDIA B200 SXM",
          .source =
              "NVIDIA DGX B200 data sheet, an eighth of the system; usable memory and idle "
              "watts as cards report them",
          .memory = Bytes(180 * kGB),
          .usable_memory = Bytes(178.3 * kGiB),
          .memory_bandwidth = BytesPerSecond(8 * kTera),
          .bf16 = FlopsPerSecond(2250 * kTera),
          .fp8 = FlopsPerSecond(4500 * kTera),
          .link_bandwidth = BytesPerSecond(900 * kGB),
          .link_latency = Seconds(kNvlinkLatency),
          .host_bandwidth = BytesPerSecond(64 * kGB),
          .idle_watts = 140,
          .peak_watts = 1000,
          .host_watts = kDgxB200Host};
}

}  // namespace

const std::vector<GpuShape>& gpu_table() {
  static const std::vector<GpuShape> table = {h200(), h100(), a100(), l40s(), rtx_4090(), b200()};
  return table;
}

Expected<GpuShape> find_gpu(const std::string& name) {
  std::vector<std::string> names;
  for (const GpuShape& gpu : gpu_table()) {
    if (gpu.name == name) return gpu;
    names.push_back(gpu.name);
  }
  return Error{unknown_name("GPU", name, names)};
}

std::string describe(const GpuShape& gpu) {
  const auto pad = [](std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text;
  };
  return pad(gpu.name, 10) + pad(gpu.full_name, 31) + format_fixed(gpu.memory.value() / kGB, 0) +
         " GB at " + format_fixed(gpu.memory_bandwidth.value() / kTera, 2) + " TB/s, " +
         format_fixed(gpu.bf16.value() / kTera, 0) + " TFLOP/s bf16, " +
         format_fixed(gpu.fp8.value() / kTera, 0) + " fp8, links " +
         format_fixed(gpu.link_bandwidth.value() / kGB, 0) + " GB/s, " +
         format_fixed(gpu.peak_watts, 0) + " W; " + gpu.source;
}

}  // namespace scsim::cost_models
