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
  std::vector<CacheRow> rows;
  std::size_t same = 0;  // leading rows that stay where they are
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (same == i && positions[i] == static_cast<std::int32_t>(i)) same = i + 1;
    rows.push_back(held.rows[static_cast<std::size_t>(positions[i])]);
  }
  held.rows = std::move(rows);
  held.quantised.resize(
      std::min(held.quantised.size(), same / static_cast<std::size_t>(page_tokens)));
}

void KvCacheOracle::quantise(std::size_t layer, std::int64_t tokens,
                             const exec::QuantisedFormat& format) {
  const std::size_t page = static_cast<std::size_t>(page_tokens);
  const std::size_t group = static_cast<std::size_t>(format.group);
  for (OracleHead& head : layers[layer]) {
    const std::size_t whole = std::min(static_cast<std::size_t>(tokens), head.rows.size()) / page;
    if (head.quantised.size() < whole) head.quantised.resize(whole, false);
    for (std::size_t p = 0; p < whole; ++p) {
      if (head.quantised[p]) continue;
      head.quantised[p] = true;
      const std::size_t dim = head.rows[p * page].key.size();
      for (std::size_t first = p * page; first < (p + 1) * page; first += group) {
        for (std::size_t c = 0; c < dim; ++c) {  // keys: a channel, over a group of tokens
          std::vector<float*> numbers;
          for (std::size_t i = 0; i < group; ++i) numbers.push_back(&head.rows[first + i].key[c]);
          quantise_group(numbers, format.key_bits);
        }
      }
      for (std::size_t i = p * page; i < (p + 1) * page; ++i) {
        for (std::size_t c = 0; c < dim; c += group) {  // values: a token, over a group of channels
          std::vector<float*> numbers;
          for (std::size_t j = 0; j < group; ++j) numbers.push_back(&head.rows[i].value[c + j]);
          quantise_group(numbers, format.value_bits);
        }
      }
    }
  }
}

}  // namespace scsim::test
