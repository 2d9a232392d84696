// Functions of Python's standard library, each with the first sentence of its docstring: what a
// repository's functions and their descriptions are made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "traces/expected.h"

namespace scsim::exec {

struct PythonFunction {
  std::string module;  // "textwrap.py"
  std::string name;
  std::string code;         // without its docstring; ends without a newline
  std::string description;  // the docstring's first paragraph, on one line
};

// The top-level functions of a module that have a docstring with a sentence in it and 4 to 40 lines
// of code. Methods, and functions inside of others, are not looked at.
std::vector<PythonFunction> python_functions(std::string_view module, std::string_view source);

// Of all modules right in the folder, in the order of their names. Names are used once: the first.
Expected<std::vector<PythonFunction>> read_python_functions(const std::string& folder);

}  // namespace scsim::exec
