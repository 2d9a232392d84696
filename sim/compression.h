// What a scheduler must know of a method that compresses the cache of a prompt.
#pragma once

#include <cstdint>
#include <span>

namespace scsim::sim {

class CompressionRule {
 public:
  virtual ~CompressionRule() = default;
  // Behind every prompt, or only behind the first of a session.
  virtual bool at_every_append() const = 0;
  // Whether anything is dropped behind such prompts; else the cache is as full attention leaves it.
  virtual bool acts(std::span<const std::int64_t> prompts) const = 0;
  // Tokens' worth of blocks that are held behind such prompts, each behind those before it; whole
  // blocks, as a compressed cache is one thing.
  virtual std::int64_t kept(std::span<const std::int64_t> prompts) const = 0;
  // The most that is held while such a prompt is prefilled and compressed.
  virtual std::int64_t peak(std::int64_t prompt) const = 0;
};

}  // namespace scsim::sim
