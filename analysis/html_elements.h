// What report.html is made of: elements, charts' places and tables. All text is escaped here,
// except what is called `content`, which is HTML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/lifetimes.h"

namespace scsim::analysis {

inline constexpr std::size_t kTableRows = 200;

std::string escaped(std::string_view text);
std::string element(std::string_view tag, std::string_view content, std::string_view classes = "");
std::string paragraph(std::string_view head, std::string_view text);
std::string section(std::string_view title, const std::string& content);
std::string figures(const std::string& content);

// The whole page. `content` is HTML; `chart_data` is JSON, which the scripts find in the element
// "data".
std::string html_page(std::string_view title, const std::string& content,
                      const std::string& chart_data, const std::vector<std::string_view>& scripts);

// One figure of the row at the top.
std::string card(std::string_view label, std::string_view value, std::string_view note,
                 std::string_view classes = "");

// The place of a chart that a script draws.
std::string chart(std::string_view id, std::string_view title, std::string_view note = "");

// The first column is aligned left, the others right.
class HtmlTable {
 public:
  explicit HtmlTable(const std::vector<std::string>& header, std::string_view classes = "");
  void add(const std::vector<std::string>& cells);
  std::string html() const;

 private:
  std::string rows_, classes_;
};

std::string lifetime_table(const std::vector<LifetimeSummary>& lifetimes);

// What stands below a table of kTableRows rows that has `all`.
std::string rows_left_out(std::size_t all);

}  // namespace scsim::analysis
