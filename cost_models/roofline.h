// What the cost model `roofline` takes for achieved of peak (the model itself: roofline.cpp).
//
// These are published measurements of good kernels at sizes that suit them, on H100 and H200; other
// GPUs and shapes differ by ten percent and more, which is why its results are called uncalibrated.
#pragma once

namespace scsim::cost_models {

// GEMMs: the best mean that mamf-finder found on H100 SXM, 794.5 of 989 TFLOP/s in bf16 and 1,402.6
// of 1,979 in fp8 (github.com/stas00/ml-engineering, "Maximum achievable matmul FLOPS", torch 2.7).
inline constexpr double kBf16GemmFraction = 0.80;
inline constexpr double kFp8GemmFraction = 0.71;
// Attention: causal FlashAttention-3 forward on H100 SXM, head size 128, 616 of 989 TFLOP/s at 16 K
// tokens (charts of arXiv 2407.08608).
inline constexpr double kAttentionFraction = 0.62;
// Memory: XQA decode attention on H200, 4.31 to 4.37 of 4.8 TB/s (TensorRT-LLM documentation).
inline constexpr double kMemoryFraction = 0.90;
// Links: what NCCL's maintainer says of H100, 370 of 450 GB/s without reduction in the switch
// (NVIDIA/nccl-tests issue 212).
inline constexpr double kLinkFraction = 0.82;

}  // namespace scsim::cost_models
