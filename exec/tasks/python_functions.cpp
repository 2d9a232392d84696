// Docstrings are taken out of the code: what is asked for is found by what it does, not by words
// that stand beside it.
#include "exec/tasks/python_functions.h"

#include <algorithm>
#include <set>
#include <span>

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"
#include "traces/file_tree.h"
#include "traces/text.h"

namespace scsim::exec {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

std::size_t quotes_in(std::string_view text) {
  std::size_t n = 0;
  for (std::size_t at = text.find(kQuotes); at != std::string_view::npos;
       at = text.find(kQuotes, at + 3)) {
    ++n;
  }
  return n;
}

// The first paragraph of a docstring without its quotes, on one line.
std::string first_paragraph(std::string_view docstring) {
  std::string paragraph;
  for (const std::string& line : split(docstring, '\n')) {
    const std::string_view text = trim(line);
    if (text.empty() && !paragraph.empty()) break;
    if (!text.empty()) paragraph += (paragraph.empty() ? "" : " ") + std::string(text);
  }
  return paragraph;
}

// The function whose `def` is lines[at], if it is one to ask for.
bool read_function(const std::vector<std::string>& lines, std::size_t at,
                   PythonFunction& function) {
  const std::string& head = lines[at];
  function.name = head.substr(4, head.find('(') - 4);
  std::size_t line = at;
  std::vector<std::string> code;
  while (true) {  // to the end of the signature
    if (line >= lines.size() || line > at + 5) return false;
    code.push_back(lines[line]);
    if (trim(lines[line++]).ends_with(':')) break;
  }
  if (line >= lines.size()) return false;
  std::string_view opening = trim(lines[line]);
  if (opening.starts_with('r')) opening.remove_prefix(1);
  if (!opening.starts_with(kQuotes)) return false;
  std::string docstring(opening.substr(3));
  while (docstring.find(kQuotes) == std::string::npos) {
    if (++line >= lines.size()) return false;
    docstring += "\n" + lines[line];
  }
  docstring.erase(docstring.find(kQuotes));
  function.description = first_paragraph(docstring);

  std::size_t quotes = 0;
  for (++line; line < lines.size(); ++line) {
    if (!lines[line].empty() && lines[line][0] != ' ') break;
    quotes += quotes_in(lines[line]);
    code.push_back(lines[line]);
  }
  while (!code.empty() && trim(code.back()).empty()) code.pop_back();
  function.code.clear();
  for (const std::string& text : code) function.code += (function.code.empty() ? "" : "\n") + text;
  return quotes % 2 == 0 && code.size() >= 3 && code.size() <= 40 &&
         function.description.size() >= 20 && function.description.size() <= 300 &&
         function.code.find("\n\n\n") == std::string::npos;
}

std::string record(const PythonFunction& function) {
  return "# " + function.module + "\n" + function.code + "\n\n\n";
}

Expected<std::vector<PythonFunction>> read_library(const CodeWishes& wishes,
                                                   const Material& material) {
  if (material.python.empty()) {
    return missing_material(wishes.task, "the standard library of Python",
                            "install the package libpython3-stdlib");
  }
  auto files = read_file_tree(material.python, [](std::string_view name) {
    return name.ends_with(".py") && name.find('/') == std::string_view::npos;
  });
  if (!files) return files.error();
  std::vector<PythonFunction> functions;
  std::set<std::string> seen;
  for (const auto& [name, source] : *files) {
    for (PythonFunction& function : parse_python_functions(name, valid_utf8(source))) {
      if (seen.insert(function.name).second) functions.push_back(std::move(function));
    }
  }
  return functions;
}

}  // namespace

std::vector<PythonFunction> parse_python_functions(std::string_view module,
                                                   std::string_view source) {
  std::vector<PythonFunction> functions;
  const std::vector<std::string> lines = split(source, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("def ") || lines[i].find('(') == std::string::npos) continue;
    PythonFunction function;
    function.module = module;
    if (read_function(lines, i, function)) functions.push_back(std::move(function));
  }
  return functions;
}

Expected<CodeContext> fill_with_functions(const CodeWishes& wishes, const GenerateRequest& request,
                                          const Material& material, const CountTokens& count,
                                          Rng& rng) {
  Expected<std::vector<PythonFunction>> library = read_library(wishes, material);
  if (!library) return library.error();
  std::vector<PythonFunction> functions = std::move(*library);
  shuffle(rng, functions);
  // The asked ones to the front, then those that fill the rest; each one's place in the text is
  // drawn for itself.
  const std::int64_t largest =
      request.tokens / static_cast<std::int64_t>(2 * std::max<std::size_t>(1, wishes.asked));
  std::size_t found = 0;
  for (std::size_t i = 0; i < functions.size() && found < wishes.asked; ++i) {
    if (count(record(functions[i])) <= largest) std::swap(functions[found++], functions[i]);
  }
  if (found < wishes.asked) {
    return Error{wishes.task + ": only " + std::to_string(found) + " functions of " +
                 material.python + " are short enough (" + format_integer(largest) +
                 " tokens) to be asked for in a context of " + format_integer(request.tokens)};
  }
  std::int64_t room = request.tokens;
  for (const std::string& text : wishes.inserts) room -= count(text + "\n\n\n");
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < functions.size(); ++i) {
    sizes.push_back(count(record(functions[i])));
    if (i < found) room -= sizes[i];
  }
  std::vector<PythonFunction> packed(functions.begin(),
                                     functions.begin() + static_cast<std::ptrdiff_t>(found));
  for (const std::size_t i : packed_order(std::span(sizes).subspan(found), room)) {
    packed.push_back(std::move(functions[found + i]));
  }
  functions = std::move(packed);
  std::vector<std::uint64_t> place;
  for (std::size_t i = 0; i < functions.size(); ++i) place.push_back(rng.next());

  const auto build = [&](std::int64_t n) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) order.push_back(i);
    std::ranges::sort(order, {}, [&](std::size_t i) { return place[i]; });
    std::string text;
    std::size_t inserted = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      text += record(functions[order[i]]);
      while (inserted < wishes.inserts.size() * (i + 1) / order.size()) {
        text += wishes.inserts[inserted++] + "\n\n\n";
      }
    }
    return text;
  };
  const Fill what{.task = wishes.task,
                  .records = "functions",
                  .least = static_cast<std::int64_t>(std::max<std::size_t>(1, found)),
                  .available = static_cast<std::int64_t>(functions.size()),
                  .build = build};
  Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();
  CodeContext context;
  context.text = build(*n);
  context.functions = static_cast<std::size_t>(*n);
  for (const std::size_t i : spread(rng, found, found)) context.asked.push_back(functions[i]);
  return context;
}

Turn ask_for(const PythonFunction& function, std::int64_t max_new_tokens) {
  Turn turn;
  turn.question = "Function description: " + function.description;
  turn.answers = {function.code};
  turn.function_name = function.name;
  turn.evidence = {function.code};
  turn.max_new_tokens = max_new_tokens;
  return turn;
}

// A comment and the function it describes.
PlainText plain_function(const Turn& turn) {
  std::string comment = turn.question;
  for (std::size_t at = comment.find('\n'); at != std::string::npos;
       at = comment.find('\n', at + 3)) {
    comment.replace(at, 1, "\n# ");
  }
  return {"# " + comment + "\n", turn.answers.front(), "\n\n\n", {"\n\n\n", "\n# ", "\ndef "}};
}

}  // namespace scsim::exec
