#include "methods/runtime.h"

#include <algorithm>

#include "traces/check.h"

namespace scsim::methods {

std::unique_ptr<exec::MethodRuntime> make_runtime(const MethodChoice& choice) {
  const auto& table = method_runtime_table();
  const auto entry = std::ranges::find(table, choice.name, &MethodRuntimeEntry::name);
  SCSIM_CHECK(entry != table.end());
  return entry->make(choice.parameters);
}

}  // namespace scsim::methods
