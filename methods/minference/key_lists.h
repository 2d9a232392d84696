// Which keys each block of 64 query rows attends, from what was chosen for a head: lists as the
// attention operator takes them (exec/operators/operators.h, stride 1), and how many pairs they
// are. Plain numbers: the contract and the execution both stand on this.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace scsim::methods {

constexpr std::int64_t kBlock = 64;

// New tokens of a sequence: rows at positions first .. first + count - 1, over the keys 0 .. last.
struct RowRange {
  std::int64_t first = 0, count = 0;
  std::int64_t keys() const { return first + count; }
  std::int64_t blocks() const { return (count + kBlock - 1) / kBlock; }
};

// Blocks of keys that begin no later than the last row of the block of rows that begins at `first`.
inline std::int64_t key_blocks(std::int64_t first, std::int64_t keys) {
  return ((first + kBlock < keys ? first + kBlock : keys) - 1) / kBlock + 1;
}

struct KeyLists {
  std::vector<std::int32_t> tiles, tile_offsets = {0};      // first keys of tiles of 64
  std::vector<std::int32_t> columns, column_offsets = {0};  // single keys
  std::vector<std::int32_t> bands;                          // begin, width

  std::size_t lists() const { return tile_offsets.size() - 1; }
  void end_list(std::int64_t band_begin = 0, std::int64_t band_width = 0);
  void append(const KeyLists& other);
};

// All keys before a row.
void add_dense(KeyLists& lists, const RowRange& rows);
void add_a_shape(KeyLists& lists, const RowRange& rows, std::int64_t init, std::int64_t local);
// Columns ascending; diagonals as distances from query to key, descending, the last of which is 0.
// A diagonal is 64 keys wide in each block of rows, from its first row's key to its last one's.
// Overlapping ones become runs of tiles, each a whole 64 behind the one before it, so the last tile
// of a run may reach beyond its diagonals; columns inside of runs are left out. Linear in the
// numbers given, a block.
void add_vertical_slash(KeyLists& lists, const RowRange& rows,
                        std::span<const std::int32_t> columns,
                        std::span<const std::int32_t> diagonals);
// Blocks of 64 keys, ascending, for each block of rows.
void add_blocks(KeyLists& lists, const RowRange& rows,
                std::span<const std::vector<std::int32_t>> blocks);

// Pairs of lists [from, from + rows.blocks()).
double listed_pairs(const KeyLists& lists, std::size_t from, const RowRange& rows);

}  // namespace scsim::methods
