// Sums over the tokens held while those of a prompt come one by one: what each of them attends,
// added up in closed form. All are over the whole numbers in (from, to], 0 <= from <= to < 2^31.
#pragma once

#include <algorithm>
#include <cstdint>

namespace scsim::methods {

// Each of them, but no more than `most`.
inline std::int64_t sum_capped(std::int64_t from, std::int64_t to, std::int64_t most) {
  const auto up_to = [&](std::int64_t n) {
    const std::int64_t growing = std::min(n, most);
    return growing * (growing + 1) / 2 + (n - growing) * most;
  };
  return up_to(to) - up_to(from);
}
inline std::int64_t sum(std::int64_t from, std::int64_t to) { return sum_capped(from, to, to); }

// Each rounded down to whole blocks.
inline std::int64_t sum_of_whole_blocks(std::int64_t from, std::int64_t to, std::int64_t block) {
  // 0 .. n: `block` numbers for each of the blocks before n's own, and those of its own so far.
  const auto up_to = [&](std::int64_t n) {
    const std::int64_t blocks = n / block;
    return block * (block * (blocks * (blocks - 1) / 2) + blocks * (n % block + 1));
  };
  return up_to(to) - up_to(from);
}

}  // namespace scsim::methods
