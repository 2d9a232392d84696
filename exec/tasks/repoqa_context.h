// A repository's functions as one context, for the two tasks that ask for them.
#pragma once

#include <string>
#include <vector>

#include "exec/tasks/python_functions.h"
#include "exec/tasks/task.h"
#include "traces/rng.h"

namespace scsim::exec {

struct RepositoryContext {
  std::string text;
  std::vector<PythonFunction> functions;  // in it, in order
};

// Functions of Python's standard library in random order until the context has its length;
// `inserts` are lines between them, spread evenly.
Expected<RepositoryContext> fill_with_functions(const std::string& task,
                                                const GenerateRequest& request,
                                                const Material& material, const CountTokens& count,
                                                std::int64_t least,
                                                const std::vector<std::string>& inserts, Rng& rng);

// A turn that asks for a function by its description.
Turn ask_for_function(const PythonFunction& function, std::int64_t max_new_tokens);
Needle needle_of(const PythonFunction& function);

std::string repoqa_instruction();
PlainText plain_function(const Turn& turn);

}  // namespace scsim::exec
