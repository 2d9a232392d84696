#include "exec/tasks/python_functions.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "traces/files.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::size_t kLeastLines = 4, kMostLines = 40, kLeastDescription = 25;

bool is_blank(std::string_view line) { return trim(line).empty(); }
bool is_indented(std::string_view line) { return line.starts_with(' ') || line.starts_with('\t'); }

// Where the docstring that begins at `line` ends: the line behind it; `line` if there is none.
std::size_t docstring_end(const std::vector<std::string>& lines, std::size_t line) {
  std::string_view text = trim(lines[line]);
  if (text.starts_with('r')) text.remove_prefix(1);
  const std::string_view quotes = text.substr(0, 3);
  if (quotes != "\"\"\"" && quotes != "'''") return line;
  if (text.substr(3).find(quotes) != text.npos) return line + 1;
  for (std::size_t i = line + 1; i < lines.size(); ++i) {
    if (lines[i].find(quotes) != std::string::npos) return i + 1;
  }
  return line;
}

std::string first_paragraph(const std::vector<std::string>& lines, std::size_t begin,
                            std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) {
    std::string line(trim(lines[i]));
    for (const std::string quotes : {"r\"\"\"", "\"\"\"", "'''"}) {
      for (std::size_t at = line.find(quotes); at != std::string::npos; at = line.find(quotes)) {
        line.erase(at, quotes.size());
      }
    }
    line = std::string(trim(line));
    if (line.empty()) {
      if (!text.empty()) break;
      continue;
    }
    text += (text.empty() ? "" : " ") + line;
  }
  return text;
}

// The line behind a function's header, which ends in a colon at the end of a line.
std::size_t header_end(const std::vector<std::string>& lines, std::size_t def) {
  for (std::size_t i = def; i < std::min(lines.size(), def + 6); ++i) {
    if (trim(lines[i]).ends_with(':')) return i + 1;
  }
  return def;
}

}  // namespace

std::vector<PythonFunction> python_functions(std::string_view module, std::string_view source) {
  const std::vector<std::string> lines = split(source, '\n');
  std::vector<PythonFunction> functions;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("def ")) continue;
    const std::size_t body = header_end(lines, i);
    if (body == i || body >= lines.size()) continue;
    std::size_t end = body;
    while (end < lines.size() && (is_indented(lines[end]) || is_blank(lines[end]))) ++end;
    while (end > body && is_blank(lines[end - 1])) --end;
    const std::size_t code = docstring_end(lines, body);
    if (code == body || code >= end) continue;
    PythonFunction function{.module = std::string(module),
                            .name = lines[i].substr(4, lines[i].find('(') - 4),
                            .code = "",
                            .description = first_paragraph(lines, body, code)};
    std::size_t kept = 0;
    for (std::size_t line = i; line < end; ++line) {
      if ((line >= body && line < code) || (is_blank(lines[line]) && line == code)) continue;
      function.code += (kept++ > 0 ? "\n" : "") + lines[line];
    }
    const bool plain = valid_utf8(function.code) == function.code;
    if (plain && kept >= kLeastLines && kept <= kMostLines &&
        function.description.size() >= kLeastDescription) {
      functions.push_back(std::move(function));
    }
  }
  return functions;
}

Expected<std::vector<PythonFunction>> read_python_functions(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".py") paths.push_back(entry.path().string());
  }
  if (error) return Error{folder + ": " + error.message()};
  std::ranges::sort(paths);
  std::vector<PythonFunction> all;
  std::set<std::string> names;
  for (const std::string& path : paths) {
    const Expected<std::string> source = read_file(path);
    if (!source) return source.error();
    for (PythonFunction& function :
         python_functions(std::filesystem::path(path).filename().string(), *source)) {
      if (names.insert(function.name).second) all.push_back(std::move(function));
    }
  }
  return all;
}

}  // namespace scsim::exec
