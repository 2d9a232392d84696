#include "tests/oracle/kv_cache_oracle.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>

namespace scsim::test {
namespace {

float rounded(float x) { return static_cast<float>(static_cast<c10::Half>(x)); }

// Replaces the numbers of one group by what few bits leave of them.
void quantise_group(std::vector<float*> group, int bits) {
  const auto less = [](const float* a, const float* b) { return *a < *b; };
  const float low = **std::ranges::min_element(group, less);
  const float high = **std::ranges::max_element(group, less);
  const float levels = static_cast<float>((1 << bits) - 1);
  const float minimum = rounded(low), scale = rounded((high - minimum) / levels);
  for (float* x : group) {
    const float code =
        scale == 0 ? 0 : std::clamp(std::nearbyint((*x - minimum) / scale), 0.0F, levels);
    *x = code * scale + minimum;
  }
}

// A channel, over a group of tokens.
void round_keys_of(OracleHead& head, std::size_t begin, std::size_t end,
                   const exec::QuantisedFormat& format) {
  const std::size_t group = static_cast<std::size_t>(format.group);
  for (std::size_t first = begin; first < end; first += group) {
    for (std::size_t c = 0; c < head.rows[first].key.size(); ++c) {
      std::vector<float*> numbers;
      for (std::size_t i = first; i < first + group; ++i) {
        numbers.push_back(&head.rows[i].key[c]);
      }
      quantise_group(numbers, format.key_bits);
    }
  }
}

// A token, over a group of channels: as many as divide both a head and the format's group.
void round_values_of(OracleHead& head, std::size_t begin, std::size_t end,
                     const exec::QuantisedFormat& format) {
  for (std::size_t i = begin; i < end; ++i) {
    std::vector<float>& value = head.rows[i].value;
    std::size_t channels = static_cast<std::size_t>(format.group);
    while (value.size() % channels != 0 || static_cast<std::size_t>(format.group) % channels != 0) {
      --channels;
    }
    for (std::size_t c = 0; c < value.size(); c += channels) {
      std::vector<float*> numbers;
      for (std::size_t j = 0; j < channels; ++j) numbers.push_back(&value[c + j]);
      quantise_group(numbers, format.value_bits);
    }
  }
}

}  // namespace

void KvCacheOracle::expand_heads(std::size_t layer, std::size_t heads) {
  std::vector<OracleHead> expanded;
  for (std::size_t h = 0; h < heads; ++h) {
    expanded.push_back(layers[layer][h * layers[layer].size() / heads]);
  }
  layers[layer] = std::move(expanded);
}

void KvCacheOracle::keep(std::size_t layer, std::size_t head,
                         std::span<const std::int32_t> positions) {
  OracleHead& held = layers[layer][head];
  bool all_in_place = positions.size() == held.rows.size();
  std::vector<CacheRow> rows;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    all_in_place = all_in_place && positions[i] == static_cast<std::int32_t>(i);
    rows.push_back(held.rows[static_cast<std::size_t>(positions[i])]);
  }
  held.rows = std::move(rows);
  if (!all_in_place) held.packed = 0;
}

void KvCacheOracle::quantise(std::size_t layer, std::int64_t tokens,
                             const exec::QuantisedFormat& format) {
  const std::size_t group = static_cast<std::size_t>(format.group);
  for (OracleHead& head : layers[layer]) {
    if (head.packed > 0 && head.format != format) head.packed = 0;
    const std::size_t end =
        std::min(static_cast<std::size_t>(tokens), head.rows.size()) / group * group;
    if (end <= head.packed) continue;
    round_keys_of(head, head.packed, end, format);
    round_values_of(head, head.packed, end, format);
    head.packed = end;
    head.format = format;
  }
}

void KvCacheOracle::round_keys(std::size_t layer, std::size_t begin, std::size_t end,
                               const exec::QuantisedFormat& format) {
  for (OracleHead& head : layers[layer]) round_keys_of(head, begin, end, format);
}

void KvCacheOracle::round_values(std::size_t layer, std::size_t begin, std::size_t end,
                                 const exec::QuantisedFormat& format) {
  for (OracleHead& head : layers[layer]) round_values_of(head, begin, end, format);
}

}  // namespace scsim::test
