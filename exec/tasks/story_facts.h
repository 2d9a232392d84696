// Where people are: facts of bAbI's first task, the people renamed so that several stories can be
// told at once, in order between the verses of a book. The construction is BABILong's (Kuratov et
// al., 2024).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "exec/tasks/task.h"

namespace scsim::exec {

inline constexpr std::string_view kPlaces[] = {"bathroom", "bedroom", "garden",
                                               "hallway",  "kitchen", "office"};

struct AskedPerson {
  std::string name, place;
  std::string fact;  // the last that the text says of this person
};

struct StoryContext {
  std::string text;
  std::vector<AskedPerson> asked;  // request.turns of them, in random order
  std::string provenance;
};

// `task` names the random stream.
Expected<StoryContext> tell_stories(std::string_view task, const GenerateRequest& request,
                                    const Material& material, const CountTokens& count);

}  // namespace scsim::exec
