// Of troff only as much is understood as manual pages need: fonts and escapes go, requests that set
// text in fonts give their words, other requests give nothing.
#include "exec/tasks/manual_pages.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "traces/check.h"
#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

// A file as it is, or what is in it if it is compressed. Empty where it cannot be read.
std::string read_page(const std::string& path) {
  struct Close {
    void operator()(archive* reader) const { archive_read_free(reader); }
  };
  const std::unique_ptr<archive, Close> reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  std::string text;
  if (archive_read_open_filename(reader.get(), path.c_str(), 1 << 16) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    return text;
  }
  std::array<char, 1 << 14> buffer;
  while (true) {
    const la_ssize_t got = archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (got < 0) return "";
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string special_character(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"aq", "'"}, {"cq", "'"}, {"oq", "'"},  {"lq", "\""}, {"rq", "\""},  {"dq", "\""},
      {"em", "-"}, {"en", "-"}, {"hy", "-"},  {"bu", "*"},  {"co", "(c)"}, {"rg", "(R)"},
      {"ti", "~"}, {"ha", "^"}, {"rs", "\\"}, {"ga", "`"},  {"->", "->"},  {"Aq", "'"}};
  for (const auto& [known, text] : kKnown) {
    if (name == known) return std::string(text);
  }
  return "";
}

// Text without escapes.
std::string unescape(std::string_view in) {
  std::string out;
  const auto name_at = [&](std::size_t& i) {  // x, (xx or [xxx] at i; i then behind it
    if (i >= in.size()) return std::string();
    if (in[i] == '(') {
      const std::string name(in.substr(i + 1, 2));
      i = std::min(in.size(), i + 3);
      return name;
    }
    if (in[i] == '[') {
      const std::size_t end = std::min(in.find(']', i), in.size());
      const std::string name(in.substr(i + 1, end - i - 1));
      i = std::min(in.size(), end + 1);
      return name;
    }
    return std::string(in.substr(i++, 1));
  };
  for (std::size_t i = 0; i < in.size();) {
    if (in[i] != '\\') {
      out += in[i++];
      continue;
    }
    if (++i >= in.size()) break;
    const char c = in[i++];
    switch (c) {
      case '-':
        out += '-';
        break;
      case 'e':
      case '\\':
        out += '\\';
        break;
      case '\'':
      case '`':
      case '.':
        out += c;
        break;
      case ' ':
      case '~':
      case '0':
        out += ' ';
        break;
      case '"':
      case '#':
        return out;  // a comment
      case 'f':
      case 'm':
        name_at(i);
        break;
      case '*':
        out += special_character(name_at(i));
        break;
      case '(':
      case '[':
        out += special_character(name_at(--i));
        break;
      case 's':
        while (i < in.size() && (in[i] == '+' || in[i] == '-' || (in[i] >= '0' && in[i] <= '9')))
          ++i;
        break;
      case 'h':
      case 'v':
      case 'w':
      case 'o':
        if (i < in.size() && in[i] == '\'') i = std::min(in.find('\'', i + 1), in.size() - 1) + 1;
        break;
      default:
        break;  // \& \| \/ \, \c and others print nothing
    }
  }
  return out;
}

// The words of a request's line, their quotes gone; `joint` between them.
std::string arguments(std::string_view line, std::string_view joint) {
  std::string out;
  bool first = true;
  for (std::size_t i = 0; i < line.size();) {
    if (line[i] == ' ' || line[i] == '\t') {
      ++i;
      continue;
    }
    std::string word;
    if (line[i] == '"') {
      const std::size_t end = std::min(line.find('"', i + 1), line.size());
      word = line.substr(i + 1, end - i - 1);
      i = end + 1;
    } else {
      const std::size_t end = std::min(line.find_first_of(" \t", i), line.size());
      word = line.substr(i, end - i);
      i = end;
    }
    if (!first) out += joint;
    out += word;
    first = false;
  }
  return out;
}

// A line's text; nothing of a request that prints nothing.
std::string printed(std::string_view line) {
  if (line.empty() || (line[0] != '.' && line[0] != '\'')) return unescape(line);
  const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view request = line.substr(1, end - 1);
  const std::string_view rest = line.substr(end);
  if (request == "B" || request == "I" || request == "SM" || request == "SS") {
    return unescape(arguments(rest, " "));
  }
  if (request == "BR" || request == "RB" || request == "IR" || request == "RI" || request == "BI" ||
      request == "IB") {
    return unescape(arguments(rest, ""));
  }
  return "";
}

// Many pages have a paragraph a line: where a line is long, a sentence is a line here.
void add_lines(std::string text, std::vector<std::string>& lines) {
  static constexpr std::string_view kStops[] = {"。", ". "};
  constexpr std::size_t kShort = 60;
  while (true) {
    std::size_t end = std::string::npos;
    for (const std::string_view stop : kStops) {
      const std::size_t at = text.size() > kShort ? text.find(stop, kShort / 2) : text.npos;
      if (at != text.npos) end = std::min(end, at + stop.size());
    }
    const std::string part(trim(text.substr(0, end)));
    if (!part.empty()) lines.push_back(part);
    if (end == std::string::npos) return;
    text.erase(0, end);
  }
}

std::int64_t non_ascii_bytes(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0x80) != 0; });
}

// Pages whose translators have not finished are mixed; commands and options stay English in all.
bool is_translated(const ManualPage& page) {
  std::int64_t all = 0, foreign = 0;
  for (const std::string& line : page.lines) {
    all += std::ssize(line);
    foreign += non_ascii_bytes(line);
  }
  return non_ascii_bytes(page.summary) > 0 && 2 * foreign >= all;
}

std::string page_text(const ManualPage& page, std::size_t lines, bool show_name) {
  std::string text = show_name ? page.name + " - " + page.summary : "Manual page " + page.name;
  text += '\n';
  for (std::size_t i = 0; i < lines; ++i) text += page.lines[i] + "\n";
  return text;
}

// `records` lines dealt out to the pages in turn, page by page as long as they have some.
std::vector<std::size_t> deal(const std::vector<ManualPage>& pages, std::size_t records) {
  std::vector<std::size_t> dealt(pages.size(), 0);
  bool some = true;
  for (std::size_t round = 0; records > 0 && some; ++round) {
    some = false;
    for (std::size_t i = 0; i < pages.size() && records > 0; ++i) {
      if (pages[i].lines.size() <= round) continue;
      ++dealt[i];
      --records;
      some = true;
    }
  }
  return dealt;
}

PageContext write_context(const PageWishes& wishes, const std::vector<ManualPage>& pages,
                          std::size_t records) {
  PageContext context;
  const std::vector<std::size_t> dealt = deal(pages, records);
  std::size_t inserted = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (i > 0) context.text += '\n';
    context.bodies.push_back(page_text(pages[i], dealt[i], wishes.show_name));
    context.text += context.bodies.back();
    while (inserted < wishes.inserts.size() * (i + 1) / pages.size()) {
      context.text += "\n" + wishes.inserts[inserted++] + "\n";
    }
    context.names.push_back(pages[i].name);
    context.summaries.push_back(pages[i].summary);
  }
  return context;
}

std::vector<std::string> page_files(const std::string& folder) {
  std::vector<std::string> files;
  for (const char* section : {"man1", "man5", "man7", "man8"}) {
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder + "/" + section, error), end;
         !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (at->is_regular_file(ignored) && !at->is_symlink(ignored)) {
        files.push_back(at->path().string());
      }
    }
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::optional<ManualPage> parse_manual_page(std::string_view source) {
  ManualPage page;
  std::string name_line;
  int sections = 0;
  for (const std::string& line : split(source, '\n')) {
    if (line.starts_with(".so ") || line.starts_with(".Dd") || line.starts_with(".TS")) return {};
    if (line.starts_with(".SH")) {
      ++sections;
      if (sections > 1) add_lines(unescape(arguments(line.substr(3), " ")), page.lines);
      continue;
    }
    const std::string text = printed(line);
    if (sections == 1) {
      if (!trim(text).empty())
        name_line += (name_line.empty() ? "" : " ") + std::string(trim(text));
    } else if (sections > 1) {
      add_lines(text, page.lines);
    }
  }
  const std::size_t dash = name_line.find(" - ");
  if (dash == std::string::npos || page.lines.size() < 5) return {};
  page.name = trim(name_line.substr(0, dash));
  page.summary = trim(name_line.substr(dash + 3));
  if (page.name.empty() || page.name.find_first_of(" ,") != std::string::npos ||
      page.summary.size() < 6 || page.summary.size() > 120 ||
      page.summary.starts_with("manual page for ")) {  // help2man's, where nobody wrote one
    return {};
  }
  return page;
}

Expected<PageContext> fill_with_pages(const PageWishes& wishes, const GenerateRequest& request,
                                      const CountTokens& count, Rng& rng) {
  std::vector<std::string> files = page_files(wishes.folder);
  shuffle(rng, files);
  std::vector<ManualPage> pages;
  std::int64_t tokens = 0, lines = 0;
  for (const std::string& file : files) {
    if (pages.size() >= wishes.least_pages && tokens > request.tokens + request.tokens / 10) break;
    std::optional<ManualPage> page = parse_manual_page(valid_utf8(read_page(file)));
    if (!page) continue;
    const bool known = std::ranges::find(pages, page->name, &ManualPage::name) != pages.end();
    if (known || (wishes.chinese && !is_translated(*page))) continue;
    tokens += count(page_text(*page, page->lines.size(), wishes.show_name));
    lines += static_cast<std::int64_t>(page->lines.size());
    pages.push_back(std::move(*page));
  }
  if (pages.size() < wishes.least_pages) {
    return Error{wishes.task + ": " + std::to_string(pages.size()) + " readable manual pages in " +
                 wishes.folder + "; " + std::to_string(wishes.least_pages) + " are needed"};
  }
  const auto build = [&](std::int64_t records) {
    return write_context(wishes, pages, static_cast<std::size_t>(records)).text;
  };
  const Fill what{.task = wishes.task,
                  .records = "lines",
                  .least = static_cast<std::int64_t>(pages.size()),
                  .available = lines,
                  .build = build};
  Expected<std::int64_t> records = fill(what, request, count);
  if (!records) return records.error();
  return write_context(wishes, pages, static_cast<std::size_t>(*records));
}

}  // namespace scsim::exec
