#include <catch2/catch.hpp>
#include <set>

#include "cost_models/shapes.h"

namespace scsim::cost_models {

TEST_CASE("every GPU has a source and figures that belong together", "[cost_models][gpus]") {
  std::set<std::string> names;
  for (const GpuShape& gpu : gpu_table()) {
    INFO(gpu.name);
    CHECK(names.insert(gpu.name).second);
    CHECK_FALSE(gpu.full_name.empty());
    CHECK_FALSE(gpu.source.empty());
    // Marketed gigabytes are sometimes 10^9 and sometimes 2^30 bytes, some of them reserved.
    CHECK(gpu.usable_memory / gpu.memory == Approx(1.0).epsilon(0.08));
    CHECK(gpu.fp8 >= gpu.bf16);
    CHECK(gpu.link_bandwidth >= gpu.host_bandwidth);
    CHECK(gpu.link_bandwidth < gpu.memory_bandwidth);
    CHECK(gpu.idle_watts > 0);
    CHECK(gpu.idle_watts < gpu.peak_watts / 4);
    // Operations per byte at which GEMMs turn from memory-bound to compute-bound.
    const double balance = gpu.bf16.value() / gpu.memory_bandwidth.value();
    CHECK(balance > 100);
    CHECK(balance < 500);
  }
  CHECK(names == std::set<std::string>{"a100", "b200", "h100", "h200", "l40s", "rtx-4090"});
}

TEST_CASE("a GPU is found by name, and a mistyped name gets the nearest one",
          "[cost_models][gpus]") {
  CHECK(find_gpu("h200")->memory_bandwidth == BytesPerSecond(4.8e12));
  CHECK(
      find_gpu("H200").error().message ==
      "unknown GPU \"H200\"; did you mean \"h200\"? known: h200, h100, a100, l40s, rtx-4090, b200");
}

TEST_CASE("help shows a GPU on one line with its source", "[cost_models][gpus]") {
  CHECK(describe(*find_gpu("a100")) ==
        "a100      NVIDIA A100 SXM 80 GB          80 GB at 2.04 TB/s, 312 TFLOP/s bf16, 312 fp8, "
        "links 300 GB/s, 400 W; NVIDIA A100 data sheet (no fp8); usable memory and idle watts as "
        "cards report them");
}

}  // namespace scsim::cost_models
