#include "exec/tasks/repoqa_context.h"

#include "exec/tasks/draw.h"
#include "exec/tasks/fill.h"

namespace scsim::exec {
namespace {

std::string write_functions(const std::vector<PythonFunction>& functions, std::size_t n,
                            const std::vector<std::string>& inserts) {
  std::string text;
  std::size_t next = 0;
  for (std::size_t i = 0; i < n; ++i) {
    // Insert k stands in front of function k * n / inserts.
    while (next < inserts.size() && next * n / inserts.size() <= i)
      text += inserts[next++] + "\n\n";
    text += "# File: " + functions[i].module + "\n" + functions[i].code + "\n\n";
  }
  while (next < inserts.size()) text += inserts[next++] + "\n\n";
  return text;
}

}  // namespace

Expected<RepositoryContext> fill_with_functions(const std::string& task,
                                                const GenerateRequest& request,
                                                const Material& material, const CountTokens& count,
                                                std::int64_t least,
                                                const std::vector<std::string>& inserts, Rng& rng) {
  if (material.python.empty()) {
    return missing_material(task, "Python's standard library", "install the package python3");
  }
  Expected<std::vector<PythonFunction>> functions = read_python_functions(material.python);
  if (!functions) return functions.error();
  shuffle(rng, *functions);
  const Fill what{.task = task,
                  .records = "functions",
                  .least = least,
                  .available = std::ssize(*functions),
                  .build = [&](std::int64_t n) {
                    return write_functions(*functions, static_cast<std::size_t>(n), inserts);
                  }};
  const Expected<std::int64_t> n = fill(what, request, count);
  if (!n) return n.error();
  functions->resize(static_cast<std::size_t>(*n));
  RepositoryContext context;
  context.text = write_functions(*functions, functions->size(), inserts);
  context.functions = *std::move(functions);
  return context;
}

Turn ask_for_function(const PythonFunction& function, std::int64_t max_new_tokens) {
  Turn turn;
  turn.question = "**Function Description**: " + function.description;
  turn.answers = {function.code};
  turn.function_name = function.name;
  turn.opening = "def " + function.name + "(";
  turn.max_new_tokens = max_new_tokens;
  return turn;
}

Needle needle_of(const PythonFunction& function) {
  return {.name = function.name, .code = function.code};
}

std::string repoqa_instruction() {
  return "Based on the function description and code context, please retrieve and repeat the exact "
         "described function from the code context in a code block wrapped by ```.";
}

PlainText plain_function(const Turn& turn) {
  return {"\n# " + turn.question + "\n", turn.answers.front(), "\n\n", {"\n\n", "\n#"}};
}

}  // namespace scsim::exec
