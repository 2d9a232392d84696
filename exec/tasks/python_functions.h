// Functions of Python's standard library, with what their own docstrings say of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exec/tasks/task.h"
#include "traces/rng.h"

namespace scsim::exec {

struct PythonFunction {
  std::string module;       // "heapq.py"
  std::string name;         // "heappush"
  std::string description;  // the first paragraph of its docstring, on one line
  std::string code;         // from `def` to its last line, the docstring taken out
};

// The documented functions at the top level of a module, those of 3 to 40 lines.
std::vector<PythonFunction> parse_python_functions(std::string_view module,
                                                   std::string_view source);

struct CodeContext {
  std::string text;
  std::vector<PythonFunction> asked;  // as many as wished, in random order; all in the text
  std::size_t functions = 0;
};

struct CodeWishes {
  std::string task;
  std::size_t asked = 1;
  std::vector<std::string> inserts;  // lines between functions, spread evenly
};

// Functions in random order, those that are asked for among them. Asked are only functions that
// leave room for the others: none has more than 1 / (2 asked) of the context.
Expected<CodeContext> fill_with_functions(const CodeWishes& wishes, const GenerateRequest& request,
                                          const Material& material, const CountTokens& count,
                                          Rng& rng);

// The question and the record of it, for repoqa and its mix with kv.
Turn ask_for(const PythonFunction& function, std::int64_t max_new_tokens);
PlainText plain_function(const Turn& turn);

}  // namespace scsim::exec
