// Traces made from a recipe: sessions drawn from named random streams.
//
//   Expected<GenerateReport> made =
//       generate_trace({.path = "recipe.yaml", .seed = 7, .settings = {"arrivals.rate=2"}},
//       "docs.pb", command);
//
// The keys of a recipe are in traces/proto/recipe.proto. Each purpose has a stream of its own for
// each thing it draws for (the think times of session 12 of tenant "acme"), so changing one knob
// leaves everything else as it was. Sessions are planned one by one as they start and their
// requests written in order of `earliest`: memory grows with the sessions alive, not with the
// trace.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "traces/expected.h"
#include "traces/time.h"

namespace google::protobuf {
class Descriptor;
}
namespace scsim::proto {
class Recipe;
}

namespace scsim {

struct RecipeInput {
  std::string path;                     // of the YAML
  std::optional<std::uint64_t> seed{};  // in place of the recipe's
  std::vector<std::string> settings{};  // "key=value", as with set_yaml_key()
};

struct GenerateReport {
  std::uint64_t requests = 0, sessions = 0;
  TimePoint last;  // earliest possible arrival of the last request
};

// Called with the part done, 0..1, now and then.
using GenerateProgress = std::function<void(double)>;

// Writes `out`; `made_by` goes into its header. An error leaves no file behind.
Expected<GenerateReport> generate_trace(const RecipeInput& recipe, const std::string& out,
                                        const std::string& made_by,
                                        const GenerateProgress& progress = {});
// The same for a recipe at hand, called `name` in messages; absent keys have their defaults.
Expected<GenerateReport> generate_trace(const proto::Recipe& recipe, const std::string& name,
                                        const std::string& out, const std::string& made_by,
                                        const GenerateProgress& progress = {});

// Of the message that a recipe is read into, for `scsim help recipe` (describe_yaml_keys()).
const google::protobuf::Descriptor& recipe_keys();

}  // namespace scsim
