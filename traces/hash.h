// One 64-bit hash for names of things in logs: the same on every machine, good enough to stand for
// what it was made of (among 10^8 things two share a hash with probability 3 * 10^-4).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace scsim {

// A one-to-one scramble of 64 bits (the finalizer of MurmurHash3, Appleby, public domain).
constexpr std::uint64_t scramble(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDu;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53u;
  return x ^ (x >> 33);
}

inline std::uint64_t hash_text(std::string_view text, std::uint64_t seed = 0) {
  std::uint64_t hash = scramble(seed + 0x9E3779B97F4A7C15u * (text.size() + 1));
  for (std::size_t at = 0; at < text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, std::min<std::size_t>(8, text.size() - at));
    hash = scramble(hash * 3 + word) + word;
  }
  return hash;
}

}  // namespace scsim
