#include "exec/tasks/python_functions.h"

#include <catch2/catch.hpp>

namespace scsim::exec {

TEST_CASE("a function is its code without the docstring, described by the first paragraph of it",
          "[exec][tasks]") {
  const std::string source =
      "import os\n\n"
      "def none(x):\n    return x\n\n"
      "def add(a,\n        b=(1, 2)):\n    r\"\"\"Add two things that\n    can be added.\n\n    "
      "More.\n    \"\"\"\n    total = a + b\n\n    return total\n\n"
      "class C:\n    def method(self):\n        \"\"\"Not at the top level of it.\"\"\"\n        "
      "pass\n";
  const std::vector<PythonFunction> functions = parse_python_functions("m.py", source);
  REQUIRE(functions.size() == 1);
  CHECK(functions[0].name == "add");
  CHECK(functions[0].module == "m.py");
  CHECK(functions[0].description == "Add two things that can be added.");
  CHECK(functions[0].code ==
        "def add(a,\n        b=(1, 2)):\n    total = a + b\n\n    return total");
}

TEST_CASE("a function that cannot be cut out whole is passed over", "[exec][tasks]") {
  const std::string head = "def f(x):\n    \"\"\"Something that is long enough.\"\"\"\n";
  CHECK(parse_python_functions("m.py", head + "    a = 1\n    return a\n").size() == 1);
  CHECK(parse_python_functions("m.py", head + "    a = \"\"\"\ntext\n\"\"\"\n    return a\n")
            .empty());
  CHECK(parse_python_functions("m.py", "def f(x):\n    \"\"\"Never closed\n    a = 1\n").empty());
  CHECK(parse_python_functions("m.py", "def f(x").empty());
  CHECK(parse_python_functions("m.py", head).empty());
}

}  // namespace scsim::exec
