// A-shape: StreamingLLM's mask during prefill. See pattern.h.
#include "methods/contract.h"

#include "methods/a_shape/pattern.h"
#include "methods/method.h"

namespace scsim::methods {

MethodEntry a_shape_method() {
  return {.name = "a_shape",
          .sentence = "sparse prefill: each token attends the first tokens and those before it",
          .category = "sparse attention, static",
          .source = "Xiao et al. 2023, arXiv 2309.17453, as SCBench runs it, arXiv 2412.10319",
          .parameters = static_pattern_parameters(false),
          .make_contract =
              [](const MethodParameters& parameters) {
                return make_static_contract(static_pattern(parameters));
              },
          .presets = {{.name = "paper",
                       .sentence = "SCBench's table of settings",
                       .numbers = {{"init", 128}, {"local", 4096}}},
                      {.name = "released",
                       .sentence = "SCBench's code",
                       .numbers = {{"init", 128}, {"local", 3968}}}},
          .small = {"init=4,local=16", "init=0,local=1", "init=37,local=20,follow_ups=sparse"},
          .lossless = {"local=4096"}};
}

}  // namespace scsim::methods
