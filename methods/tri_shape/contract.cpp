// Tri-shape: A-shape, and the prompt's last rows attend everything; with dense first layers it is
// TriangleMix. See methods/a_shape/pattern.h.
#include "methods/contract.h"

#include "methods/a_shape/pattern.h"
#include "methods/method.h"

namespace scsim::methods {

MethodEntry tri_shape_method() {
  return {
      .name = "tri_shape",
      .sentence = "A-shape whose last rows attend everything",
      .category = "sparse attention, static",
      .source = "Li et al. 2024 (SCBench), arXiv 2412.10319; TriangleMix, arXiv 2507.21526",
      .parameters = static_pattern_parameters(true),
      .make_contract =
          [](const MethodParameters& parameters) {
            return make_static_contract(static_pattern(parameters));
          },
      .presets = {{.name = "paper",
                   .sentence = "SCBench's table of settings",
                   .numbers = {{"init", 128}, {"local", 4096}, {"last", 128}}},
                  {.name = "released",
                   .sentence = "SCBench's code",
                   .numbers = {{"init", 128}, {"local", 3968}, {"last", 100}}},
                  {.name = "trianglemix",
                   .sentence = "TriangleMix for Llama-3.1-8B: its first 16 layers are dense",
                   .numbers = {{"init", 8}, {"local", 512}, {"last", 128}, {"dense_layers", 16}}}},
      .small = {"init=4,local=16,last=10", "init=37,local=20,last=70,follow_ups=sparse",
                "init=8,local=12,last=5,dense_layers=1"},
      .lossless = {"local=4096", "last=4096", "dense_layers=64"}};
}

}  // namespace scsim::methods
