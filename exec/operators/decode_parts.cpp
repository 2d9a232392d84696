#include "exec/operators/decode_parts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "exec/operators/parallel.h"

namespace scsim::exec {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// A part: short enough that one long sequence keeps every thread busy, long enough that adding
// parts up costs nothing. A constant, because it decides the last bits of the result.
constexpr std::int64_t kDecodePart = 256;

}  // namespace

void decode_in_parts(std::span<const DecodeRow> rows, std::int64_t head_dim, float scale) {
  struct Part {
    std::size_t row;
    std::int64_t begin, end, sums_at;
  };
  std::vector<Part> parts;
  std::vector<std::size_t> first_part;  // of each row
  std::int64_t floats = 0, scratch_floats = 0;
  const CpuKernels& kernels = cpu_kernels();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const DecodeRow& row = rows[r];
    first_part.push_back(parts.size());
    for (std::int64_t begin = 0; begin < row.attended; begin += kDecodePart) {
      parts.push_back({r, begin, std::min(begin + kDecodePart, row.attended), floats});
      // For each row of the group: sums, then the tops and weights of all rows.
      floats += row.group * (head_dim + 2);
    }
    const auto scratch = row.packed ? kernels.packed_scratch : kernels.decode_scratch;
    scratch_floats = std::max(scratch_floats, scratch(row.group, head_dim));
  }
  first_part.push_back(parts.size());

  std::vector<float> sums(static_cast<std::size_t>(floats));
  const auto compute = [&](std::int64_t i, float* scratch) {
    const Part& part = parts[static_cast<std::size_t>(i)];
    const DecodeRow& row = rows[part.row];
    const auto fill = [&](auto& item) {
      item.q = row.q;
      item.group = row.group;
      item.begin = part.begin;
      item.end = part.end;
      item.scale = scale;
      item.sums = sums.data() + part.sums_at;
      item.top = item.sums + row.group * head_dim;
      item.weight = item.top + row.group;
    };
    if (row.packed) {
      PackedItem item = {};
      item.keys = *row.packed;
      fill(item);
      kernels.attend_packed(item, scratch);
    } else {
      DecodeItem item = {};
      item.keys = row.keys;
      item.units = row.units;
      item.unit = row.unit;
      fill(item);
      kernels.decode(item, scratch);
    }
  };
  parallel_runs(static_cast<std::int64_t>(parts.size()), scratch_floats, compute);

  for (std::size_t r = 0; r < rows.size(); ++r) {
    const DecodeRow& row = rows[r];
    const std::span<const Part> its(parts.begin() + static_cast<std::ptrdiff_t>(first_part[r]),
                                    first_part[r + 1] - first_part[r]);
    for (std::int64_t g = 0; g < row.group; ++g) {
      float* to = row.out + g * head_dim;
      std::fill_n(to, head_dim, 0.0F);
      const std::int64_t top_at = row.group * head_dim + g, weight_at = top_at + row.group;
      float top = kMinusInfinity, weight = 0;
      for (const Part& part : its) {
        top = std::max(top, sums[static_cast<std::size_t>(part.sums_at + top_at)]);
      }
      for (const Part& part : its) {
        const float* of = sums.data() + part.sums_at;
        if (of[weight_at] == 0) continue;
        const float factor = std::exp2(of[top_at] - top);
        weight += of[weight_at] * factor;
        for (std::int64_t d = 0; d < head_dim; ++d) to[d] += of[g * head_dim + d] * factor;
      }
      if (weight != 0) {
        for (std::int64_t d = 0; d < head_dim; ++d) to[d] /= weight;
      }
      row.lse[g] = weight == 0 ? kMinusInfinity : (top + std::log2(weight)) * 0.693147180559945309F;
    }
  }
}

}  // namespace scsim::exec
