// Columns and wrapped lines for the terminal. Widths are in characters (code points), not bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace scsim {

inline constexpr std::size_t kTerminalColumns = 100;

std::size_t display_width(std::string_view text);
// At most `width` characters; cut text ends in "…".
std::string shortened(std::string_view text, std::size_t width);

// The words of `text` in lines of at most kTerminalColumns, the first behind `head` and the others
// indented by as much. A number stays on the line of what it counts. Ends with a newline.
std::string wrapped(std::string_view head, std::string_view text);

// Rows of cells under one header row; the first column is aligned left, the others right, as wide
// as their widest cell and two spaces apart, all indented by `indent`. Trailing spaces are cut.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text(std::size_t indent) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace scsim
