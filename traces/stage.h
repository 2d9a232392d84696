// The stages of a KV cache's life, and what else a second can be spent on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace scsim {

enum class Stage : std::uint8_t {
  kQueue,        // waiting to be scheduled, first or again
  kGeneration,   // prefill: making KV
  kCompression,  // drop, quantise, merge
  kRetrieval,    // finding and fetching a cache made earlier
  kLoading,      // bringing the needed KV to the compute, per decode step
  kDecode,       // the rest of a decode step: weights, GEMMs, communication
  kOther,        // host overhead
};
inline constexpr std::size_t kNumStages = 7;
inline constexpr std::array<std::string_view, kNumStages> kStageNames = {
    "queue", "generation", "compression", "retrieval", "loading", "decode", "other"};

template <class T>
using PerStage = std::array<T, kNumStages>;

}  // namespace scsim
