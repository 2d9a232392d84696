// The kernels of one instruction set, SCSIM_ISA, as the files that make them up see each other.
#pragma once

#include "exec/operators/cpu/kernels.h"

namespace scsim::exec::SCSIM_ISA {

std::int64_t prefill_scratch(std::int64_t rows, std::int64_t head_dim);
void prefill(const PrefillItem& item, float* scratch);
std::int64_t decode_scratch(std::int64_t group, std::int64_t head_dim);
void decode(const DecodeItem& item, float* scratch);
std::int64_t packed_scratch(std::int64_t group, std::int64_t head_dim);
void attend_packed(const PackedItem& item, float* scratch);
// Keys and values of tokens first .. first + count - 1, [count, head_dim] each.
void unpack(const PackedHead& head, std::int64_t first, std::int64_t count, float* keys,
            float* values);
std::int64_t score_scratch(std::int64_t head_dim);
void score_tops(const ScoreItem& item, float* scratch);
void score_sums(const ScoreItem& item, float* scratch);
void dot_listed(const float* x, const float* const* rows, std::int64_t count, std::int64_t n,
                float* y);
void dot_rows(const float* x, std::int64_t rows, std::int64_t x_stride, const float* weight,
              std::int64_t outputs, std::int64_t inputs, const float* bias, float* y,
              std::int64_t y_stride);
void rms_norm(float* x_updated, const float* x, const float* delta, const float* weight,
              std::int64_t n, float epsilon, float* y);
void silu_and_multiply(const float* gate, const float* up, std::int64_t n, float* y);
void rope(float* x, const float* cos, const float* sin, std::int64_t half, bool interleaved);
void conv_row(const float* const* rows, std::int64_t kernel, const float* weight, const float* bias,
              std::int64_t channels, float* y);
void ssd_share(const SsdShared& shared);
std::int64_t ssd_scratch(std::int64_t chunk, std::int64_t head_dim);
void ssd_chunk(const SsdItem& item, float* scratch);
void ssd_step(const float* x, float time_step, float decay, const float* b, const float* c,
              float skip, std::int64_t state, std::int64_t head_dim, float* carried, float* y);
std::int64_t selective_scratch(std::int64_t state);
void selective_scan(const SelectiveItem& item, float* scratch);

}  // namespace scsim::exec::SCSIM_ISA
