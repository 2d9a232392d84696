// The executable forms of the methods, by name: the second half of the table in methods/method.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/api/method_runtime.h"
#include "methods/method.h"

namespace scsim::methods {

struct MethodRuntimeEntry {
  std::string name;
  std::unique_ptr<exec::MethodRuntime> (*make)(const MethodParameters&) = nullptr;
};

const std::vector<MethodRuntimeEntry>& method_runtime_table();

// REQUIRES: `choice` was made by parse_method().
std::unique_ptr<exec::MethodRuntime> make_runtime(const MethodChoice& choice);

}  // namespace scsim::methods
