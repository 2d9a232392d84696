#include "methods/minference/key_lists.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::methods {

void KeyLists::end_list(std::int64_t band_begin, std::int64_t band_width) {
  tile_offsets.push_back(static_cast<std::int32_t>(tiles.size()));
  column_offsets.push_back(static_cast<std::int32_t>(columns.size()));
  bands.push_back(static_cast<std::int32_t>(band_begin));
  bands.push_back(static_cast<std::int32_t>(band_width));
}

void KeyLists::append(const KeyLists& other) {
  const auto add = [](std::vector<std::int32_t>& offsets, std::vector<std::int32_t>& entries,
                      const std::vector<std::int32_t>& other_offsets,
                      const std::vector<std::int32_t>& other_entries) {
    const auto before = static_cast<std::int32_t>(entries.size());
    entries.insert(entries.end(), other_entries.begin(), other_entries.end());
    for (std::size_t i = 1; i < other_offsets.size(); ++i) {
      offsets.push_back(before + other_offsets[i]);
    }
  };
  add(tile_offsets, tiles, other.tile_offsets, other.tiles);
  add(column_offsets, columns, other.column_offsets, other.columns);
  bands.insert(bands.end(), other.bands.begin(), other.bands.end());
}

void add_dense(KeyLists& lists, const RowRange& rows) {
  for (std::int64_t b = 0; b < rows.blocks(); ++b) lists.end_list(0, rows.keys());
}

void add_a_shape(KeyLists& lists, const RowRange& rows, std::int64_t init, std::int64_t local) {
  const std::int64_t sink = std::min(init, rows.keys());
  for (std::int64_t b = 0; b < rows.blocks(); ++b) {
    std::int64_t key = 0;
    for (; key + kBlock <= sink; key += kBlock) {
      lists.tiles.push_back(static_cast<std::int32_t>(key));
    }
    for (; key < sink; ++key) lists.columns.push_back(static_cast<std::int32_t>(key));
    lists.end_list(sink, local);
  }
}

void add_vertical_slash(KeyLists& lists, const RowRange& rows,
                        std::span<const std::int32_t> columns,
                        std::span<const std::int32_t> diagonals) {
  SCSIM_CHECK(!diagonals.empty() && diagonals.back() == 0);
  for (std::int64_t b = 0; b < rows.blocks(); ++b) {
    const std::int64_t end = rows.first + (b + 1) * kBlock;  // behind the block's last row
    const auto listed_end = std::min(end, rows.keys());
    std::int64_t run_begin = -1, run_end = 0;
    auto column = columns.begin();
    const auto close_run = [&] {
      if (run_begin < 0) return;
      for (std::int64_t key = run_begin; key < std::min(run_end, listed_end); key += kBlock) {
        lists.tiles.push_back(static_cast<std::int32_t>(key));
      }
      column = std::find_if(column, columns.end(), [&](std::int32_t c) { return c >= run_end; });
    };
    // Distances descend, so keys ascend.
    for (auto d = std::ranges::find_if(diagonals, [&](std::int32_t o) { return o < end; });
         d != diagonals.end(); ++d) {
      const std::int64_t keys_end = std::max(end - *d, kBlock);
      if (run_begin < 0 || keys_end > run_end + kBlock) {
        close_run();
        run_begin = keys_end - kBlock;
        run_end = keys_end;
        for (; column != columns.end() && *column < run_begin; ++column) {
          lists.columns.push_back(*column);
        }
      } else if (keys_end > run_end) {
        run_end += kBlock;
      }
    }
    close_run();
    lists.end_list();
  }
}

void add_blocks(KeyLists& lists, const RowRange& rows,
                std::span<const std::vector<std::int32_t>> blocks) {
  SCSIM_CHECK_EQ(static_cast<std::int64_t>(blocks.size()), rows.blocks());
  for (const std::vector<std::int32_t>& of_rows : blocks) {
    for (const std::int32_t block : of_rows) {
      lists.tiles.push_back(static_cast<std::int32_t>(block * kBlock));
    }
    lists.end_list();
  }
}

double listed_pairs(const KeyLists& lists, std::size_t from, const RowRange& rows) {
  double pairs = 0;
  for (std::int64_t b = 0; b < rows.blocks(); ++b) {
    const std::size_t e = from + static_cast<std::size_t>(b);
    const auto of = [e](const std::vector<std::int32_t>& entries,
                        const std::vector<std::int32_t>& offsets) {
      return std::span(entries).subspan(static_cast<std::size_t>(offsets[e]),
                                        static_cast<std::size_t>(offsets[e + 1] - offsets[e]));
    };
    const std::int64_t begin = rows.first + b * kBlock, end = std::min(begin + kBlock, rows.keys());
    // Row p attends keys [key, key + width) up to its own.
    const auto count = [&](std::int64_t key, std::int64_t width) {
      for (std::int64_t p = std::max(begin, key); p < end; ++p) {
        pairs += static_cast<double>(std::min(width, p - key + 1));
      }
    };
    for (const std::int32_t tile : of(lists.tiles, lists.tile_offsets)) count(tile, kBlock);
    for (const std::int32_t column : of(lists.columns, lists.column_offsets)) count(column, 1);
    const std::int64_t lowest = lists.bands[2 * e], width = lists.bands[2 * e + 1];
    for (std::int64_t p = begin; width > 0 && p < end; ++p) {
      pairs += static_cast<double>(std::clamp<std::int64_t>(p - lowest + 1, 0, width));
    }
  }
  return pairs;
}

}  // namespace scsim::methods
