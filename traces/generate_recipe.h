// From the recipe as written to what each tenant does: inheritance, defaults, and the checks that
// no single key shows.
#pragma once

#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/proto/recipe.pb.h"

namespace scsim {

struct ResolvedRecipe {
  proto::Recipe common;  // without tenants and sections
  std::vector<proto::TenantRecipe>
      tenants;  // each with exactly one section, complete; `rate` its own
};

// `name` is what messages call the recipe.
Expected<ResolvedRecipe> resolve_recipe(const proto::Recipe& recipe, const std::string& name);

}  // namespace scsim
