#include "traces/report/html_elements.h"

#include "traces/report/html_assets.h"

namespace scsim {
namespace {

// "1.2 s ±3 %": the interval in small letters.
std::string with_quiet_interval(const std::string& cell) {
  const std::size_t at = cell.find(" ±");
  if (at == std::string::npos) return escaped(cell);
  return escaped(cell.substr(0, at)) + " <small>" + escaped(cell.substr(at + 1)) + "</small>";
}

std::string row(const std::vector<std::string>& cells, std::string_view tag) {
  std::string out = "<tr>";
  for (const std::string& cell : cells)
    out += "<" + std::string(tag) + ">" + with_quiet_interval(cell) + "</" + std::string(tag) + ">";
  return out + "</tr>\n";
}

// JSON that may stand inside a script element: "<" could end it.
std::string for_script(const std::string& json) {
  std::string out;
  for (char c : json) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string element(std::string_view tag, std::string_view content, std::string_view classes) {
  std::string out = "<" + std::string(tag);
  if (!classes.empty()) out += " class=\"" + std::string(classes) + "\"";
  return out + ">" + std::string(content) + "</" + std::string(tag) + ">\n";
}

std::string paragraph(std::string_view head, std::string_view text) {
  return element("p", element("b", escaped(head)) + escaped(text));
}

std::string html_page(std::string_view title, const std::string& content,
                      const std::string& chart_data, const std::vector<std::string_view>& scripts) {
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  page += "<meta name=\"color-scheme\" content=\"light dark\">\n";
  page += element("title", "SCSim: " + escaped(title));
  page += element("style", report_css());
  page += "</head>\n<body>\n<main>\n" + content;
  page += "</main>\n";
  if (!scripts.empty()) {
    page +=
        "<script type=\"application/json\" id=\"data\">" + for_script(chart_data) + "</script>\n";
    page += element("script", chart_js()) + element("script", charts_js());
  }
  for (const std::string_view script : scripts) page += element("script", script);
  return page + "</body>\n</html>\n";
}

std::string card(std::string_view label, std::string_view value, std::string_view note,
                 std::string_view classes) {
  return element("div",
                 element("div", escaped(label), "label") + element("div", escaped(value), "value") +
                     element("div", escaped(note), "note"),
                 "card " + std::string(classes));
}

std::string chart(std::string_view id, std::string_view title, std::string_view note) {
  return "<figure><figcaption>" + escaped(title) +
         (note.empty() ? "" : " <span>" + escaped(note) + "</span>") +
         "</figcaption><div class=\"chart\"><canvas id=\"" + std::string(id) +
         "\" role=\"img\" aria-label=\"" + escaped(title) + "\"></canvas></div></figure>\n";
}

std::string section(std::string_view title, const std::string& content) {
  return element("section", element("h2", escaped(title)) + content);
}

std::string figures(const std::string& content) { return element("div", content, "figures"); }

HtmlTable::HtmlTable(const std::vector<std::string>& header, std::string_view classes)
    : rows_(row(header, "th")), classes_(classes) {}
void HtmlTable::add(const std::vector<std::string>& cells) { rows_ += row(cells, "td"); }
std::string HtmlTable::html() const {
  return element("div", element("table", rows_, classes_), "scroll");
}

}  // namespace scsim
