// Makers of sessions, one per tenant: each plans a session whole, at the moment it starts.
//
// A plan is a list of requests ordered by `earliest`, whose parents are positions in the same list.
// A random stream belongs to (purpose, tenant's name, session or document); nothing drawn for one
// session moves another, whichever order they are planned in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "traces/rng.h"
#include "traces/time.h"
#include "traces/trace.h"

namespace scsim::proto {
class TenantRecipe;
}

namespace scsim {

class SessionMaker {
 public:
  virtual ~SessionMaker() = default;
  // Fills `plan` with session `number` (from 0, of this tenant), which starts at `start`. Sets all
  // of a request but what its tenant and session settle: id, tenant, session, model, slo, priority.
  // REQUIRES: starts do not decrease from one call to the next.
  virtual void plan(std::uint64_t number, TimePoint start, std::vector<Request>& plan) = 0;
};

// What stands for "no limit" on a context, so that a prompt stays within what a trace can hold.
inline constexpr Tokens kLargestContext{1'000'000'000};

// A session ends before its prompts hold more spans than this together: a plan is kept in memory.
inline constexpr std::size_t kMostPlannedSpans = 1'000'000;

// What every maker needs: where contents and tasks are declared, and its streams.
struct MakerContext {
  TraceWriter& writer;
  std::uint64_t seed;
  std::string tenant;

  Rng stream(std::string_view purpose, std::uint64_t number = 0) const {
    return Rng(seed, "generate." + std::string(purpose) + "/" + tenant, number);
  }
};

// The kinds of workload: the sections of a recipe, and who makes their sessions. The section
// `make` is given is complete (fill_yaml_defaults()).
struct RecipeSection {
  std::string name;
  std::unique_ptr<SessionMaker> (*make)(const proto::TenantRecipe& tenant,
                                        const MakerContext& context);
};
const std::vector<RecipeSection>& recipe_sections();

std::unique_ptr<SessionMaker> make_enterprise_docs(const proto::TenantRecipe& tenant,
                                                   const MakerContext& context);
std::unique_ptr<SessionMaker> make_agents(const proto::TenantRecipe& tenant,
                                          const MakerContext& context);
std::unique_ptr<SessionMaker> make_plain(const proto::TenantRecipe& tenant,
                                         const MakerContext& context);

}  // namespace scsim
