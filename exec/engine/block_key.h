// The name of a block's content: SHA-256 over the key of the block before it and its own tokens, so
// that two blocks have one key exactly if they and all before them hold the same tokens of the same
// model for the same salt.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace scsim::exec {

struct BlockKey {
  std::array<unsigned char, 32> digest{};
  friend auto operator<=>(const BlockKey&, const BlockKey&) = default;
  std::string hex() const;
};

// What stands before the first block.
BlockKey root_key(std::string_view model, std::string_view salt);
BlockKey next_key(const BlockKey& before, std::span<const std::int32_t> tokens);

struct BlockKeyHash {
  std::size_t operator()(const BlockKey& key) const {
    std::size_t hash = 0;
    std::memcpy(&hash, key.digest.data(), sizeof(hash));
    return hash;
  }
};

}  // namespace scsim::exec
