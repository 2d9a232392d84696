// From the recipe as written to what each tenant does: inheritance, defaults, and the checks that
// no single key shows.
#pragma once

#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/generate_sessions.h"
#include "traces/proto/recipe.pb.h"

namespace scsim {

struct ResolvedTenant {
  proto::TenantRecipe recipe;  // complete, with its own rate and the one section it follows
  const RecipeSection* section;
};

struct ResolvedRecipe {
  proto::Recipe common;  // without tenants and sections
  std::vector<ResolvedTenant> tenants;
};

// `name` is what messages call the recipe.
Expected<ResolvedRecipe> resolve_recipe(const proto::Recipe& recipe, const std::string& name);

}  // namespace scsim
