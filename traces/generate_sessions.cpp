#include "traces/generate_sessions.h"

namespace scsim {

const std::vector<RecipeSection>& recipe_sections() {
  static const std::vector<RecipeSection> sections = {
      {"enterprise_docs", make_enterprise_docs},
      {"agents", make_agents},
      {"plain", make_plain},
  };
  return sections;
}

}  // namespace scsim
