#include "sim/main/columns.h"

#include <algorithm>

#include "traces/text.h"

namespace scsim::program {

std::string two_columns(const std::vector<Row>& rows) {
  constexpr std::size_t kColumns = 100, kIndent = 2, kGap = 2;
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  const std::string indent(kIndent + width + kGap, ' ');
  std::string text;
  for (const auto& [left, right] : rows) {
    std::string line = std::string(kIndent, ' ') + left;
    line.resize(indent.size(), ' ');
    for (const std::string& word : split(right, ' ')) {
      if (line.size() + word.size() > kColumns && line.size() > indent.size()) {
        text += std::string(line, 0, line.find_last_not_of(' ') + 1) + "\n";
        line = indent;
      }
      line += word + " ";
    }
    text += std::string(line, 0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string comma_separated(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace scsim::program
