// What a report in HTML is made of: elements, charts' places and tables. All text is escaped here,
// except what is called `content`, which is HTML.
//
//   HtmlTable table({"model", "requests"});
//   table.add({"llama-3.1-8b", "5,221"});
//   write_file(path, html_page("engines", section("Models", table.html()), "{}", {}));
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scsim {

std::string escaped(std::string_view text);
std::string element(std::string_view tag, std::string_view content, std::string_view classes = "");
std::string paragraph(std::string_view head, std::string_view text);
std::string section(std::string_view title, const std::string& content);
std::string figures(const std::string& content);

// The whole page, which fetches nothing. `content` is HTML. The `scripts` draw charts with Chart.js
// and the means of html/charts.js, which finds `chart_data`, JSON, in the element "data"; where
// there are none, the page carries no script at all.
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

}  // namespace scsim
