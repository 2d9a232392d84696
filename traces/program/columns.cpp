#include "traces/program/columns.h"

#include <algorithm>

#include "traces/report/text_table.h"

namespace scsim::program {

std::string two_columns(const std::vector<Row>& rows) {
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  std::string text;
  for (const auto& [left, right] : rows) {
    text += wrapped("  " + left + std::string(width - left.size() + 2, ' '), right);
  }
  return text;
}

std::string comma_separated(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace scsim::program
