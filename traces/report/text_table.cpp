#include "traces/report/text_table.h"

#include <algorithm>

namespace scsim {
namespace {

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// A number, or the first unit of "1 h 02 min": what follows belongs to it.
bool keeps_next(std::string_view piece) {
  if (piece.empty()) return false;
  return (piece.back() >= '0' && piece.back() <= '9') || piece.ends_with(" h") ||
         piece.ends_with(" d") || piece.ends_with(" min");
}

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, starts_character));
}

std::string shortened(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  std::size_t bytes = 0, characters = 0;
  for (; bytes < text.size(); ++bytes) {
    if (!starts_character(text[bytes])) continue;
    if (++characters == width) break;
  }
  return std::string(text.substr(0, bytes)) + "…";
}

std::string wrapped(std::string_view head, std::string_view text) {
  const std::size_t indent = display_width(head), room = kTerminalColumns - indent;
  std::string out(head);
  std::size_t column = indent;
  const auto put = [&](std::string_view piece) {
    const std::size_t width = display_width(piece);
    if (column > indent && column + 1 + width > kTerminalColumns) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) out += ' ', ++column;
    out += piece;
    column += width;
  };
  std::string piece;
  const auto put_piece = [&] {
    while (display_width(piece) > room) {  // longer than a line: cut anywhere
      std::size_t bytes = 0;
      for (std::size_t characters = 0; bytes < piece.size(); ++bytes)
        if (starts_character(piece[bytes]) && characters++ == room) break;
      put(std::string_view(piece).substr(0, bytes));
      piece.erase(0, bytes);
    }
    if (!piece.empty()) put(piece);
    piece.clear();
  };
  for (char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space)
      piece += c;
    else if (keeps_next(piece) && piece.size() < room / 2)
      piece += ' ';
    else
      put_piece();
  }
  put_piece();
  return out + "\n";
}

std::string TextTable::text(std::size_t indent) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - display_width(row[i]), ' ');
      line += i == 0 ? row[i] + padding : "  " + padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace scsim
