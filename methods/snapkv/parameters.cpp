#include "methods/snapkv/parameters.h"

namespace scsim::methods {

std::vector<MethodParameter> window_vote_parameters() {
  return {{.name = "window",
           .default_value = 32,
           .min = 1,
           .max = 1024,
           .sentence = "last tokens of the prompt, which are kept and whose queries vote"},
          {.name = "kernel",
           .default_value = 5,
           .min = 1,
           .max = 127,
           .sentence = "neighbours over which votes are pooled, the token itself included"},
          {.name = "pooling",
           .default_value = 0,
           .min = 0,
           .max = 1,
           .sentence = "how votes of neighbours are pooled",
           .choices = {"mean", "max"}},
          {.name = "group",
           .default_value = 0,
           .min = 0,
           .max = 2,
           .sentence = "query heads of a kv head vote together, or each keeps its own tokens",
           .choices = {"mean", "max", "each"}},
          {.name = "compress",
           .default_value = 0,
           .min = 0,
           .max = 1,
           .sentence = "behind the first prompt only, or behind every one",
           .choices = {"once", "every_append"}}};
}

WindowVote window_vote(const MethodParameters& parameters) {
  const auto whole = [&](const char* name) {
    return static_cast<std::int64_t>(parameters.at(name));
  };
  return {.window = whole("window"),
          .kernel = whole("kernel"),
          .pooling = whole("pooling") == 0 ? WindowPooling::kMean : WindowPooling::kMax,
          .group = static_cast<GroupVote>(whole("group")),
          .at_every_append = whole("compress") == 1};
}

}  // namespace scsim::methods
