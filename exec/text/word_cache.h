// The tokens of words met before. Natural text repeats itself: nearly every word is here.
//
// One place per hash, the last comer stays; an entry is one cache line with everything in it, so a
// hit costs one miss of the processor's cache at most. Long words are not kept.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "traces/hash.h"

namespace scsim::exec {

class WordCache {
 public:
  WordCache() : entries_(kEntries) {}

  // Appends the tokens of `word` to `ids`; false where it is not known.
  bool find(std::string_view word, std::vector<std::int32_t>& ids) const {
    if (word.size() > kMostBytes) return false;
    const Entry& entry = entries_[slot_of(word)];
    if (entry.bytes != word.size() || std::memcmp(entry.text, word.data(), word.size()) != 0) {
      return false;
    }
    ids.insert(ids.end(), entry.ids, entry.ids + entry.count);
    return true;
  }

  void put(std::string_view word, const std::int32_t* ids, std::size_t count) {
    if (word.empty() || word.size() > kMostBytes || count > kMostIds) return;
    Entry& entry = entries_[slot_of(word)];
    entry.bytes = static_cast<std::uint8_t>(word.size());
    entry.count = static_cast<std::uint8_t>(count);
    std::memcpy(entry.text, word.data(), word.size());
    if (count > 0) std::memcpy(entry.ids, ids, count * sizeof *ids);
  }

 private:
  static constexpr std::size_t kEntries = std::size_t{1} << 14;
  static constexpr std::size_t kMostBytes = 30;
  static constexpr std::size_t kMostIds = 8;
  struct alignas(64) Entry {
    std::uint8_t bytes = 0;  // 0: nothing here
    std::uint8_t count = 0;
    char text[kMostBytes];
    std::int32_t ids[kMostIds];
  };
  static_assert(sizeof(Entry) == 64);

  static std::size_t slot_of(std::string_view word) { return hash_text(word) & (kEntries - 1); }

  std::vector<Entry> entries_;
};

}  // namespace scsim::exec
